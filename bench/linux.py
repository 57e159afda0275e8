# SPDX-License-Identifier: GPL-2.0-or-later
"""linux - the Linux peer of bench/run: fio on io_uring, on the same machine and the same disk.

Kernel, busybox and fio are Debian's, of this machine's own release, fetched and unpacked below
build/linux without being installed. What happens once, however many operations there are, is left
out by running every job twice, first with a twentieth of its operations: the difference counts.
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PLACE = os.path.join(ROOT, "build", "linux")
TREE = os.path.join(PLACE, "tree")
MARK_BASE = 0x100000000000  # above static programs, far below where Linux puts libraries
DISK_SIZE = 1 << 30
TIMEOUT = 300
DEPTHS = (1, 4, 32, 128)
PART = 20  # the shorter run of a job has one operation in so many
KINDS = (("randread", 4096, 8000), ("randwrite", 4096, 8000), ("read", 131072, 2000))
NAMES = {"read": "seqread"}  # fio's word: ours
BATCHES = "--iodepth_batch_submit=0,--iodepth_batch_complete_max=128,--fixedbufs,--registerfiles"
# What is measured: name, completion, options for the kernel, options for fio. Each is a boot.
SYSTEMS = (("linux-io_uring", "interrupt", "", ""),
           ("linux-io_uring-batched", "interrupt", "", BATCHES),
           ("linux-io_uring-hipri", "polled", "nvme.poll_queues=1", "--hipri=1"))


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
    """fio with the libraries that it needs in turn, busybox, and the metapackage's kernel."""
    needs, package = {}, None
    for line in command(["apt-cache", "depends", "-i", "--recurse", "fio"],
                        env=environment).splitlines():
        match = re.match(r"[ |]+(?:Pre)?Depends: ([^<\s]+)", line)
        if match:
            needs[package].append(match.group(1))
        elif line[:1].isalnum():
            package = line.strip()
            needs[package] = []
    wanted, found = ["fio"], []
    while wanted:
        package = wanted.pop()
        if package not in found:
            found.append(package)
            wanted += [name for name in needs.get(package, ()) if re.match(r"lib|zlib", name)]
    kernel = re.search(r"Depends: (linux-image-\S+)",
                       command(["apt-cache", "depends", "-i", "linux-image-cloud-amd64"],
                               env=environment))
    if not kernel:
        die("linux-image-cloud-amd64 names no kernel: is Debian in this machine's apt sources?")
    return [*found, "busybox-static", kernel.group(1)]


def fetch():
    """Unpack everything into build/linux/tree, once."""
    if os.path.isdir(TREE):
        return
    print("bench: fetching Linux and fio", flush=True)
    folder, environment = apt_configuration()
    command(["apt-get", "-qq", "update"], env=environment)
    downloads = os.path.join(folder, "packages")
    command(["apt-get", "-qq", "download", *packages(environment)], env=environment, cwd=downloads)
    shutil.rmtree(TREE + ".new", ignore_errors=True)
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


def kernel():
    """The kernel that was fetched; Debian builds the disk's driver into this one."""
    for builtin in tree_find(r"^modules\.builtin$").values():
        with open(builtin, encoding="ascii") as file:
            if "/nvme.ko" in file.read():
                return next(iter(tree_find("^vmlinuz-").values()))
    die(f"the kernel in {TREE} has no nvme driver built in: this bench loads no modules")


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


def mark_build(folder):
    """The program that passes the marks, and where they are in it."""
    path = os.path.join(folder, "mark")
    command(["gcc", "-static", "-nostdlib", f"-Wl,-Ttext-segment={MARK_BASE:#x}", "-o", path,
             os.path.join(ROOT, "bench", "mark.S")])
    text = command(["nm", path])
    return path, [int(re.search(rf"^([0-9a-f]+) T {name}$", text, re.M).group(1), 16)
                  for name in ("bench_mark_begin", "bench_mark_end")]


def initramfs(folder, mark):
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    fio = os.path.join(TREE, "usr", "bin", "fio")
    shared = libraries(fio)
    programs = {"init": os.path.join(ROOT, "bench", "linux_init"), "bin/fio": fio, "bin/mark": mark,
                "bin/busybox": tree_find(r"^busybox$")["busybox"],
                **{f"lib/{name}": path for name, path in shared.items()}}
    entries = [(name, stat.S_IFDIR | 0o755, b"", (0, 0))
               for name in ("bin", "lib", "dev", "proc", "sys")]
    entries += [("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
                ("lib64", stat.S_IFLNK | 0o777, b"lib", (0, 0))]
    entries += [(name, stat.S_IFREG | 0o755, read(path), (0, 0)) for name, path in programs.items()]
    entries += [(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox", (0, 0))
                for name in ("sh", "mount", "sleep", "awk", "cat", "poweroff")]
    path = os.path.join(folder, "initramfs")
    archive(path, entries)
    return path


def disk_arguments(disk):
    """Our launcher's own, so that both sides have the same disk."""
    loader = importlib.machinery.SourceFileLoader("obvm", os.path.join(ROOT, "obvm"))
    obvm = importlib.util.module_from_spec(importlib.util.spec_from_loader("obvm", loader))
    loader.exec_module(obvm)
    return obvm.disk_arguments(f"nvme:{disk}", 0)


def boot(initrd, disk, plugin, kernel_options, fio_options, jobs):
    """What the machine says on its serial line until it powers off, and what QEMU says."""
    line = ("intel_iommu=on quiet mitigations=off panic=-1 console=ttyS0 "
            f"{kernel_options} bench_options={fio_options} bench_part={PART} "
            f"bench_jobs={','.join(':'.join(map(str, job)) for job in jobs)}")
    arguments = [os.environ.get("OBVM_QEMU", "qemu-system-x86_64"), "-accel", "tcg",
                 "-machine", "q35,kernel-irqchip=split", "-cpu", "max,-cx16", "-m", "1024",
                 "-smp", "1", "-display", "none", "-no-reboot", "-net", "none", "-monitor", "none",
                 "-serial", "stdio", "-device", "intel-iommu,intremap=on,caching-mode=on",
                 *disk_arguments(disk), "-kernel", kernel(), "-initrd", initrd, "-append", line,
                 "-plugin", plugin]
    try:
        run = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True,
                             timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as expired:
        text = (expired.stdout or b"").decode(errors="replace")
        die(f"not done after {TIMEOUT} s; the machine's last words: {text[-500:]}")
    return [output.decode(errors="replace").replace("\r", "")
            for output in (run.stdout, run.stderr)]


def result(system, completion, job, interrupts, report, counts):
    """One object for bench/results.json. `counts` has each program's short run and long run."""
    pattern, size, depth, operations = job
    fio = report["jobs"][0]["write" if "write" in pattern else "read"]
    if fio["total_ios"] != operations or report["jobs"][0]["error"]:
        die(f"{pattern} of {size} at depth {depth}: fio did {fio['total_ios']} operations "
            f"instead of {operations}, error {report['jobs'][0]['error']}")
    difference = operations - operations // PART
    split = {name: round((long - short) / difference, 1) for name, (short, long) in counts.items()}
    latency = fio["clat_ns"]["percentile"]
    return {
        "system": system, "driver": "nvme", "pattern": NAMES.get(pattern, pattern), "size": size,
        "depth": depth, "clients": 1, "iommu": "vtd", "completion": completion,
        "instructions_per_op": round(sum(split.values()), 1),
        "ops_per_second": round(fio["iops"]),
        "p50_us": round(latency["50.000000"] / 1000, 1),
        "p99_us": round(latency["99.000000"] / 1000, 1),
        "interrupts_per_op": round(interrupts / operations, 3),
        "split": {"client": split["user"], "driver": 0, "io": 0, "kernel": split["kernel"]},
    }


def measure(folder, library, initrd, marks, system):
    name, completion, kernel_options, fio_options = system
    disk, counts = os.path.join(folder, "linux.img"), os.path.join(folder, "counts")
    with open(disk, "wb") as file:
        file.truncate(DISK_SIZE)
    jobs = [(pattern, size, depth, operations) for pattern, size, operations in KINDS
            for depth in DEPTHS]
    plugin = (f"{library},out={counts},begin={marks[0]:#x},end={marks[1]:#x},"
              f"user=0,kernel={1 << 63:#x}")
    text, errors = boot(initrd, disk, plugin, kernel_options, fio_options, jobs)
    answers = re.findall(r"^bench: job (\S+) interrupts (\d+)\n(.*?)^bench: end$", text,
                         re.M | re.S)
    if [answer[0] for answer in answers] != [":".join(map(str, job)) for job in jobs]:
        die(f"{len(answers)} of {len(jobs)} jobs were done; the machine's last words: "
            f"{text[-500:]}{errors[-500:]}")
    with open(counts, encoding="ascii") as file:
        columns = {line.split()[0]: list(map(int, line.split()[1:])) for line in file}
    if any(len(column) != 2 * len(jobs) for column in columns.values()):
        die("the plugin saw other marks than the machine passed")
    return [result(name, completion, job, int(interrupts), json.loads(report),
                   {who: column[2 * at:2 * at + 2] for who, column in columns.items()})
            for at, (job, (_, interrupts, report)) in enumerate(zip(jobs, answers))]


def results(folder, library):
    """All measurements, each boot's printed together; `library` is the plugin, `folder` scratch."""
    fetch()
    mark, marks = mark_build(folder)
    initrd = initramfs(folder, mark)
    found = []
    print(f"{'system':22} {'pattern':9} {'size':>6} {'depth':>5} {'instructions':>13} "
          f"{'client':>8} {'kernel':>9} {'interrupts':>10} {'ops/s':>7} {'p50 us':>8} "
          f"{'p99 us':>8}")
    for system in SYSTEMS:
        for one in measure(folder, library, initrd, marks, system):
            print(f"{one['system']:22} {one['pattern']:9} {one['size']:6} {one['depth']:5} "
                  f"{one['instructions_per_op']:13.0f} {one['split']['client']:8.0f} "
                  f"{one['split']['kernel']:9.0f} {one['interrupts_per_op']:10.3f} "
                  f"{one['ops_per_second']:7} {one['p50_us']:8} {one['p99_us']:8}", flush=True)
            found.append(one)
    return found
