# SPDX-License-Identifier: GPL-2.0-or-later
"""linux - the Linux peer's machine: the same QEMU and devices as ours, with Debian's kernel.

Kernels, busybox and fio are Debian's, of this machine's own release, fetched and unpacked below build/linux
without being installed. A bench (linux_disk, linux_net) says which driver it wants and what
bench/linux_init is to run; the first kernel that has the driver is taken: the cloud kernel, which is
the leaner one, has neither AHCI nor the Intel network card.
"""
import importlib.machinery
import importlib.util
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PLACE = os.path.join(ROOT, "build", "linux")
TREE = os.path.join(PLACE, "tree")
METAPACKAGES = ("linux-image-cloud-amd64", "linux-image-amd64")
MARK_BASE = 0x20000000  # where no other program is: static ones are below, the others far above
TIMEOUT = 900  # a boot with all its jobs; a minute or two where nothing else runs


def die(message):
    sys.exit(f"bench: linux: {message}")


def command(arguments, **options):
    run = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         check=False, **options)
    if run.returncode:
        die(f"{' '.join(arguments[:3])} failed: {run.stderr.strip()}")
    return run.stdout


def apt_configuration():
    """The machine's own sources, but lists and state of our own: they may be missing, or root's."""
    folder = os.path.join(PLACE, "apt")
    for name in ("lists/partial", "cache/archives/partial", "state", "packages"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    path = os.path.join(folder, "apt.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'Dir::State "{folder}/state";\nDir::State::lists "{folder}/lists";\n'
                   f'Dir::State::status "/var/lib/dpkg/status";\nDir::Cache "{folder}/cache";\n'
                   'APT::Sandbox::User "";\nAcquire::Languages "none";\n')
    return folder, {**os.environ, "APT_CONFIG": path, "LC_ALL": "C"}


def packages(environment):
    """fio with the libraries that it needs in turn, busybox, and the metapackages' kernels."""
    needs, package = {}, None
    for line in command(["apt-cache", "depends", "-i", "--recurse", "fio"],
                        env=environment).splitlines():
        match = re.match(r"[ |]+(?:Pre)?Depends: ([^<\s]+)", line)
        if match:
            needs[package].append(match.group(1))
        elif line[:1].isalnum():
            package = line.strip()
            needs[package] = []
    wanted, found = ["fio"], ["busybox-static"]
    while wanted:
        package = wanted.pop()
        if package not in found:
            found.append(package)
            wanted += [name for name in needs.get(package, ()) if re.match(r"lib|zlib", name)]
    for metapackage in METAPACKAGES:
        kernel = re.search(r"Depends: (linux-image-\S+)",
                           command(["apt-cache", "depends", "-i", metapackage], env=environment))
        if not kernel:
            die(f"{metapackage} names no kernel: is Debian in this machine's apt sources?")
        found.append(kernel.group(1))
    return found


def fetch():
    """Unpack everything into build/linux/tree, once."""
    if len(versions()) == len(METAPACKAGES):
        return
    print("bench: fetching Linux and fio", flush=True)
    folder, environment = apt_configuration()
    command(["apt-get", "-qq", "update"], env=environment)
    downloads = os.path.join(folder, "packages")
    command(["apt-get", "-qq", "download", *packages(environment)], env=environment, cwd=downloads)
    for tree in (TREE, TREE + ".new"):
        shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(TREE + ".new")
    for name in sorted(os.listdir(downloads)):
        command(["dpkg-deb", "-x", os.path.join(downloads, name), TREE + ".new"])
    shutil.rmtree(folder)
    os.rename(TREE + ".new", TREE)


def tree_find(pattern):
    """Files of the tree by name, shortest path first where a name occurs twice."""
    found = {}
    for folder, _, names in os.walk(TREE):
        for name in names:
            path = os.path.join(folder, name)
            if re.search(pattern, name) and len(path) < len(found.get(name, path + "x")):
                found[name] = path
    return found


def libraries(program):
    """What the program is linked with, by name: from the files' own tables, nothing is run."""
    present, found, wanted = tree_find(r"\.so(\.|$)"), {}, [program]
    while wanted:
        text = command(["readelf", "-dW", wanted.pop()])
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", text):
            if name not in present:
                die(f"{name}, which {program} needs, is in no package that was fetched")
            if name not in found:
                found[name] = present[name]
                wanted.append(present[name])
    return found


def modules_folder(version):
    for below in ("lib/modules", "usr/lib/modules"):
        path = os.path.join(TREE, below, version)
        if os.path.isdir(path):
            return path
    return None


def versions():
    """The kernels that were fetched, in the order in which they are preferred."""
    found = [name.partition("-")[2] for name in tree_find("^vmlinuz-")] if os.path.isdir(TREE) else []
    return sorted((version for version in found if modules_folder(version)),
                  key=lambda version: "cloud" not in version)


def modules(version, wanted):
    """(name, data) of the modules and of those that they need, these first; what is built in is left
    out. None: the kernel does not have one of them."""
    folder, files, found = modules_folder(version), {}, []
    for place, _, names in os.walk(folder):
        for name in names:
            match = re.match(r"(.*)\.ko(?:\.xz)?$", name)
            if match:
                files[match.group(1).replace("-", "_")] = os.path.join(place, name)
    with open(os.path.join(folder, "modules.builtin"), encoding="ascii") as file:
        builtin = {os.path.basename(line)[:-len(".ko\n")].replace("-", "_") for line in file}

    def add(name):
        if name in builtin or name in (other for other, _ in found):
            return True
        if name not in files:
            return False
        with (lzma.open if files[name].endswith(".xz") else open)(files[name], "rb") as file:
            data = file.read()
        needed = re.search(rb"\0depends=([^\0]*)\0", data).group(1).decode()
        if not all(add(other.replace("-", "_")) for other in needed.split(",") if other):
            return False
        found.append((name, data))
        return True

    return found if all(add(name) for name in wanted) else None


def kernel_for(wanted):
    """The version of the first kernel that has these modules, and what has to be loaded of them."""
    for version in versions():
        found = modules(version, wanted)
        if found is not None:
            return version, found
    die(f"no kernel in {TREE} has {', '.join(wanted)}")


def archive(path, entries):
    """A cpio archive in the new ASCII format, of (name, mode, data, device) (Linux,
    Documentation/driver-api/early-userspace/buffer-format.rst)."""
    def padded(data):
        return data + b"\0" * (-len(data) % 4)

    with open(path, "wb") as file:
        entries = [*entries, ("TRAILER!!!", 0, b"", (0, 0))]
        for number, (name, mode, data, device) in enumerate(entries, 1):
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
            header = b"070701" + b"".join(b"%08x" % field for field in fields)
            file.write(padded(header + name.encode() + b"\0") + padded(data))


def program_build(folder, source, *options):
    """One that passes the marks, at a base that no other program has, and where they are in it."""
    path = os.path.join(folder, os.path.splitext(source)[0])
    command(["gcc", "-O2", "-static", "-no-pie", f"-Wl,-Ttext-segment={MARK_BASE:#x}", *options, "-o", path,
             os.path.join(ROOT, "bench", source)])
    text = command(["nm", path])
    return path, [int(re.search(rf"^([0-9a-f]+) T {name}$", text, re.M).group(1), 16)
                  for name in ("bench_mark_begin", "bench_mark_end")]


def initramfs(folder, programs, loaded):
    """busybox, bench/linux_init, `programs` (name in the archive: path), and modules to load in
    this order."""
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    programs = {"init": os.path.join(ROOT, "bench", "linux_init"),
                "bin/busybox": tree_find(r"^busybox$")["busybox"], **programs}
    entries = [(name, stat.S_IFDIR | 0o755, b"", (0, 0))
               for name in ("bin", "lib", "dev", "proc", "sys", "modules")]
    entries += [("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
                ("lib64", stat.S_IFLNK | 0o777, b"lib", (0, 0))]
    entries += [(name, stat.S_IFREG | 0o755, read(path), (0, 0)) for name, path in programs.items()]
    entries += [(f"modules/{number:02}-{name}", stat.S_IFREG | 0o644, data, (0, 0))
                for number, (name, data) in enumerate(loaded)]
    entries += [(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox", (0, 0))
                for name in ("sh", "mount", "sleep", "awk", "cat", "ip", "insmod", "poweroff")]
    path = os.path.join(folder, "initramfs")
    archive(path, entries)
    return path


def obvm():
    """Our launcher, whose devices both sides have."""
    loader = importlib.machinery.SourceFileLoader("obvm", os.path.join(ROOT, "obvm"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("obvm", loader))
    loader.exec_module(module)
    return module


def boot(version, initrd, devices, line, plugin):
    """What the machine says on its serial line until it powers off, and what QEMU says. `line` is what
    bench/linux_init is told, and more options for the kernel."""
    arguments = [os.environ.get("OBVM_QEMU", "qemu-system-x86_64"), "-accel", "tcg",
                 "-machine", "q35,kernel-irqchip=split", "-cpu", "max,-cx16", "-m", "1024",
                 "-smp", "1", "-display", "none", "-no-reboot", "-monitor", "none",
                 *(() if "-netdev" in devices else ("-net", "none")),
                 "-serial", "stdio", "-device", "intel-iommu,intremap=on,caching-mode=on", *devices,
                 "-kernel", tree_find(f"^vmlinuz-{re.escape(version)}$")[f"vmlinuz-{version}"],
                 "-initrd", initrd, "-append",
                 f"intel_iommu=on no_timer_check quiet mitigations=off panic=-1 console=ttyS0 {line}",
                 "-plugin", plugin]
    try:
        run = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True,
                             timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as expired:
        text = (expired.stdout or b"").decode(errors="replace")
        die(f"not done after {TIMEOUT} s; the machine's last words: {text[-500:]}")
    return [output.decode(errors="replace").replace("\r", "")
            for output in (run.stdout, run.stderr)]


def run(folder, library, marks, version, initrd, devices, line, jobs, intervals):
    """Jobs (tuples, as linux_init reads them) in one boot. For each of them: how many interrupts there
    were, what it said, and what user and kernel executed in each of its `intervals`."""
    counts = os.path.join(folder, "counts")
    plugin = (f"{library},out={counts},begin={marks[0]:#x},end={marks[1]:#x},"
              f"user=0,kernel={1 << 63:#x}")
    line += f" bench_jobs={','.join(':'.join(map(str, job)) for job in jobs)}"
    text, errors = boot(version, initrd, devices, line, plugin)
    answers = re.findall(r"^bench: job (\S+) interrupts (\d+)\n(.*?)^bench: end$", text,
                         re.M | re.S)
    if [answer[0] for answer in answers] != [":".join(map(str, job)) for job in jobs]:
        die(f"{len(answers)} of {len(jobs)} jobs were done; the machine's last words: "
            f"{text[-500:]}{errors[-500:]}")
    with open(counts, encoding="ascii") as file:
        columns = {line.split()[0]: list(map(int, line.split()[1:])) for line in file}
    if any(len(column) != intervals * len(jobs) for column in columns.values()):
        die("the plugin saw other marks than the machine passed")
    return [(int(interrupts), report, {who: column[intervals * at:intervals * (at + 1)]
                                       for who, column in columns.items()})
            for at, (_, interrupts, report) in enumerate(answers)]
