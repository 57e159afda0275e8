# SPDX-License-Identifier: GPL-2.0-or-later
"""outboard - our own figures for bench/run: the shell's `bench` command on each kind of disk, and the floor.

All measurements of one machine are made in one boot; bench/count.c keeps them apart. Waiting in a
loop for the device (kit/core/block.c, block_spin) is counted apart from work, as `spin`.
"""
import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

from rounds import ROUNDS, cheapest

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = os.path.join(ROOT, "build")
KERNEL = 1 << 63
PROGRAMS = ("root", "io", "pci", "supervisor", "fs", "partition", "device", "shell") # and the driver
OTHERS = ("root", "pci", "supervisor", "fs", "partition", "device")


class Driver(NamedTuple):
    kind: str        # of disk, for obvm
    device: str      # its name in the shell
    command: str     # the function that makes one for the device
    spinning: tuple  # functions that only wait


DRIVERS = {
    "nvme": Driver("nvme", "nvme0n1", "nvme_io_submit",
                   ("block_spin", "nvme_io_is_ready")),
    "ahci": Driver("ahci", "ahci0p0", "ahci_command_fill", ("block_spin", "io_is_ready", "active_get.isra.0")),
    "virtio-blk": Driver("virtio", "virtio-blk0", "virtio_queue_add",
                         ("block_spin", "io_is_ready", "virtio_queue_is_ready")),
}
# Pattern, bytes, operations, depths, modes, clients.
DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NVME_SETS = (("randread", 4096, 4000, DEPTHS, ("hybrid",), (1,)),
        ("randread", 4096, 4000, (1, 32), ("interrupt", "polled"), (1,)),
        ("randread", 4096, 4000, (32,), ("hybrid",), (2, 4, 8)),
        ("randwrite", 4096, 4000, DEPTHS, ("hybrid",), (1,)),
        ("randwrite", 4096, 4000, (32,), ("hybrid",), (4,)),
        ("seqread", 131072, 1000, (1, 8, 32), ("hybrid",), (1,)),
        ("seqwrite", 131072, 1000, (1, 8, 32), ("hybrid",), (1,)))
APART_SETS = (("randread", 4096, 4000, (1, 32), ("polled",), (1,)),)
SETS = (("randread", 4096, 4000, (1, 4, 32), ("hybrid",), (1,)),
        ("randread", 4096, 4000, (1, 32), ("interrupt",), (1,)),
        ("randwrite", 4096, 4000, (1, 4, 32), ("hybrid",), (1,)))


def plugin(folder):
    """Debian 12's QEMU 7.2 speaks version 1 of the interface, Debian 13's 10.0 from 2 on."""
    text = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True,
                          text=True).stdout
    version = 1 if int(re.search(r"version (\d+)", text).group(1)) < 8 else 2
    out = os.path.join(folder, "count.so")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", f"-DPLUGIN_VERSION={version}", "-o", out,
                    os.path.join(ROOT, "bench", "count.c")], check=True)
    return out


def symbols(program):
    """Name: (address, size), for the functions of a linked program."""
    text = subprocess.run(["nm", "-S", os.path.join(BUILD, "boot", program)], check=True,
                          capture_output=True, text=True).stdout
    found = re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\S+)$", text, re.M)
    return {name: (int(address, 16), int(size, 16)) for address, size, name in found}


def base(program):
    text = subprocess.run(["readelf", "-lW", os.path.join(BUILD, "boot", program)], check=True,
                          capture_output=True, text=True).stdout
    return min(int(line.split()[2], 16) for line in text.splitlines() if line.split()[:1] == ["LOAD"])


def places(driver, programs=PROGRAMS):
    """Where each program begins; the driver's waiting is a program of its own inside it."""
    found = [(base(name), name) for name in programs] + [(KERNEL, "kernel"), (base(driver), "driver")]
    spinning = DRIVERS[driver].spinning if driver in DRIVERS else DRIVERS["nvme"].spinning
    waits = [(driver, "driver", name) for name in (*spinning, "block_server_spin", "block_is_ready")]
    waits += [(name, name, "block_client_spin") for name in programs]
    for program, label, name in waits:
        if name in symbols(program):
            address, size = symbols(program)[name]
            found += [(address, "spin"), (address + size, label)]
    return sorted(found)


def events(driver):
    return {"@interrupts": (driver, "interrupt_message"), "@wake_client": ("shell", "session_link_wait"),
            "@wake_driver": (driver, "serve_block_link_wake"),
            "@commands": (driver, DRIVERS[driver].command)}


def plugin_arguments(library, counts, marks, driver, watched, more=(), programs=PROGRAMS):
    where = symbols(marks)
    words = [library, f"out={counts}", *more, f"begin={where['bench_mark_begin'][0]:#x}",
             f"end={where['bench_mark_end'][0]:#x}"]
    words += [f"{name}={address:#x}" for address, name in places(driver, programs)]
    words += [f"{event}={symbols(program)[name][0]:#x}" for event, (program, name) in watched.items()]
    return ",".join(words)


def counts_read(path):
    """For each interval, name: count; a program that is in several places is added up."""
    intervals = []
    with open(path, encoding="ascii") as file:
        for line in file:
            name, *values = line.split()
            intervals += [{} for _ in range(len(values) - len(intervals))]
            for interval, value in zip(intervals, values):
                interval[name] = interval.get(name, 0) + int(value)
    return intervals


def configurations(sets):
    return [(pattern, size, operations, depth, mode, clients)
            for pattern, size, operations, depths, modes, many in sets
            for mode in modes for clients in many for depth in depths]


def boot(folder, arguments, iommu, disk, command, image=None, cpus=1):
    """`disk` is obvm's, KIND:FILE. What the shell said, and the log."""
    log = os.path.join(folder, "log")
    run = subprocess.run([os.path.join(ROOT, "obvm"), "--disk", disk, "--iommu", iommu,
                          "--timeout", "300", "--log", log, "--cpus", str(cpus), *(["--in-turns"] if cpus > 1 else []),
                          *(["--image", image] if image else []), "--qemu-arg=-plugin",
                          f"--qemu-arg={arguments}", "-c", command],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if run.returncode:
        sys.exit(f"bench: the machine did not answer (status {run.returncode}): {run.stdout}"
                 f"{run.stderr}{text}")
    return run.stdout, text


RPC = ("device_read", 4096, 2000, 1)  # the kernel's own interface: pattern, bytes, operations, depth


def result_make(driver, configuration, iommu, counts, times):
    pattern, size, operations, depth, mode, clients = configuration
    per = {name: count / operations for name, count in counts.items()}
    spin = per.get("spin", 0)
    split = {"client": per["shell"], "driver": per["driver"], "io": per["io"], "kernel": per["kernel"],
             "other": sum(per[name] for name in OTHERS)}
    return {
        "system": "outboard", "driver": driver, "pattern": pattern, "size": size, "depth": depth,
        "clients": clients, "iommu": iommu, "completion": mode,
        "instructions_per_op": round(sum(split.values()), 1), "spin_per_op": round(spin, 1),
        "ops_per_second": round(operations / (times[0] / 1e6)), "p50_us": times[1],
        "p99_us": times[2], "interrupts_per_op": round(per["@interrupts"], 3),
        "wakeups_per_op": round(per["@wake_client"] + per["@wake_driver"], 3),
        "commands_per_op": round(per["@commands"], 3),
        "context_switches_per_op": round(per["@switches"], 3),
        "split": {name: round(value, 1) for name, value in split.items()},
    }


def report_head():
    print("pattern      bytes depth mode      clients iommu instructions  client  driver    io   "
          "kernel   spin  intr.  wakes   ops/s p50/us  p99/us")


def report(result):
    split = result["split"]
    print(f"{result['pattern']:11} {result['size']:6} {result['depth']:5} {result['completion']:9} "
          f"{result['clients']:7} {result['iommu']:5} {result['instructions_per_op']:12.0f} "
          f"{split['client']:7.0f} {split['driver']:7.0f} {split['io']:5.0f} {split['kernel']:8.0f} "
          f"{result['spin_per_op']:6.0f} {result['interrupts_per_op']:6.2f} "
          f"{result['wakeups_per_op']:6.2f} {result['ops_per_second']:7} {result['p50_us']:6} "
          f"{result['p99_us']:7}", flush=True)


def floor(folder, library, disk):
    """The driver's hot path and its client in one task (bench/floor.c)."""
    sys.path.insert(0, os.path.join(ROOT, "test"))
    from machine import image as images
    with open(os.path.join(BUILD, "boot", "floor"), "rb") as file:
        image = images.make(os.path.join(folder, "floor.iso"), {"nvme": file.read()}, (), None)
    counts = os.path.join(folder, "counts")
    _, log = boot(folder, plugin_arguments(library, counts, "floor", "floor", {}), "vtd",
                  f"nvme:{disk}", "sleep 20000", image)
    found = []
    lines = re.findall(r"floor: depth (\d+): (\d+) operations in (\d+) us, 0 failed", log)
    for (depth, operations, time), interval in zip(lines, counts_read(counts), strict=True):
        per = {name: count / int(operations) for name, count in interval.items()}
        spin = per.pop("spin")
        found.append({
            "system": "floor", "driver": "nvme", "pattern": "randread", "size": 4096,
            "depth": int(depth), "clients": 1, "iommu": "vtd", "completion": "polled",
            "instructions_per_op": round(per["driver"] + per["kernel"], 1), "spin_per_op": round(spin, 1),
            "ops_per_second": round(int(operations) / (int(time) / 1e6)),
            "split": {"client": 0, "driver": round(per["driver"], 1), "io": 0, "kernel": round(per["kernel"], 1)}})
        print(f"floor: depth {depth}: {per['driver']:.0f} instructions, and {per['kernel']:.0f} of the "
              f"kernel's clock; spin {spin:.0f}", flush=True)
    return cheapest(found)


def measure(folder, library, disk, driver, iommu, sets, image=None):
    """One boot: a bench for each configuration, ROUNDS times. In `image`, if there is one, the driver has a processor of its own."""
    counts, about = os.path.join(folder, "counts"), DRIVERS[driver]
    chosen = configurations(sets) * ROUNDS
    command = "; ".join(f"bench {about.device} {pattern} {operations} {depth} {size} {mode} {clients}"
                        for pattern, size, operations, depth, mode, clients in chosen)
    out, _ = boot(folder, plugin_arguments(library, counts, "shell", driver, events(driver)), iommu,
                  f"{about.kind}:{disk}", command, image, 2 if image else 1)
    times = [tuple(map(int, match)) for match in
             re.findall(r"operations in (\d+) us, p50 (\d+) us, p99 (\d+) us", out)]
    if image:
        chosen = [(*rest, f"{mode}-apart", clients) for *rest, mode, clients in chosen]
    found = []
    for configuration, interval, time in zip(chosen, counts_read(counts), times, strict=True):
        found.append(result_make(driver, configuration, iommu, interval, time))
        report(found[-1])
    return cheapest(found)


def image_with(folder, name, change):
    """An image whose policy (supervisor.conf) is changed."""
    sys.path.insert(0, os.path.join(ROOT, "test"))
    from machine import image as images
    with open(os.path.join(ROOT, "server", "supervisor", "supervisor.conf"), "rb") as file:
        return images.make(os.path.join(folder, name), {"supervisor.conf": change(file.read())}, (), None)


# The policy of one mode: polled for each request, or for none below poll-from; as it comes: while the device is quick.
MODES = {"hybrid": None, "polled": (b"poll-from=4", b"poll-from=1"), "interrupt": (b"poll-few=4000", b"poll-few=0")}


def device_read(folder, library, disk, driver, mode, iommu="vtd"):
    """The kernel's own interface, one read at a time."""
    counts, about = os.path.join(folder, "counts"), DRIVERS[driver]
    image = image_with(folder, "policy.iso", lambda policy: policy.replace(*MODES[mode])) if MODES[mode] else None
    pattern, size, operations, depth = RPC
    out, _ = boot(folder, plugin_arguments(library, counts, "shell", driver, events(driver)), iommu,
                  f"{about.kind}:{disk}", "; ".join([f"device-bench {about.device} {operations} {size} {depth}"] * ROUNDS), image)
    found = []
    for took, interval in zip(re.findall(r"operations in (\d+) us$", out, re.M), counts_read(counts), strict=True):
        found.append(result_make(driver, (pattern, size, operations, depth, mode, 1), iommu, interval, (int(took), 0, 0)))
        report(found[-1])
    return cheapest(found)[0]


def device_read_hurd(folder, library):
    """The same with a Hurd on top, played by test/hurd, where the memory of all our tasks is wired."""
    counts, log, programs, disk = (os.path.join(folder, name) for name in ("counts", "log", "hurd", "hurd.img"))
    os.makedirs(programs, exist_ok=True)
    for name in ("ext2fs.static", "exec.static"):
        shutil.copy(os.path.join(BUILD, "boot", "stand-in"), os.path.join(programs, name))
    with open(disk, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext2", "-b", "4096", disk], check=True)
    pattern, size, operations, depth = RPC
    arguments = plugin_arguments(library, counts, "stand-in", "nvme", {}, programs=(*PROGRAMS, "hurd", "stand-in"))
    found = []
    for _ in range(ROUNDS):
        subprocess.run([os.path.join(ROOT, "obvm"), "--hurd", programs, "--disk", f"nvme:{disk}", "--timeout", "120", "--log", log,
                        "--hurd-arg=--seconds=1", f"--hurd-arg=--price={operations}", "--hurd-arg=--end=reboot",
                        "--qemu-arg=-plugin", f"--qemu-arg={arguments}", "-c", "sleep 100000"],
                       stdin=subprocess.DEVNULL, capture_output=True, check=False)
        with open(log, encoding="ascii", errors="replace") as file:
            text = file.read()
        if not re.search(r"^stand-in: \d+ checks, 0 failed", text, re.M):
            sys.exit(f"bench: the stand-in of a Hurd did not come to a good end: {text}")
        per = {name: count / operations for name, count in counts_read(counts)[0].items()}
        split = {"client": per["stand-in"], "driver": per["driver"], "io": per["io"], "kernel": per["kernel"],
                 "other": sum(per[name] for name in (*OTHERS, "shell", "hurd"))}
        found.append({"system": "outboard-hurd", "driver": "nvme", "pattern": pattern, "size": size, "depth": depth, "clients": 1,
                      "iommu": "vtd", "completion": "hybrid", "instructions_per_op": round(sum(split.values()), 1),
                      "spin_per_op": round(per.get("spin", 0), 1), "split": {name: round(value, 1) for name, value in split.items()}})
        print(f"device_read under a Hurd: {found[-1]['instructions_per_op']:.0f} instructions, {per['kernel']:.0f} of them the kernel's",
              flush=True)
    return cheapest(found)[0]


def device_reads(folder, library, disk):
    report_head()
    return [device_read(folder, library, disk, "nvme", "hybrid"), device_read(folder, library, disk, "nvme", "polled"),
            device_read(folder, library, disk, "nvme", "interrupt"),
            device_read(folder, library, disk, "nvme", "hybrid", "none"), device_read(folder, library, disk, "ahci", "hybrid"),
            device_read(folder, library, disk, "virtio-blk", "hybrid"), device_read_hurd(folder, library)]


def image_apart(folder, driver, disk):
    """An image with the -smp kernel, in which the driver has a processor of its own. With two processors that
    kernel overwrites some memory while it boots; whose depends on the size of what GRUB loads, so try sizes."""
    sys.path.insert(0, os.path.join(ROOT, "test"))
    from machine import image as images
    with open(os.path.join(ROOT, "server", "supervisor", "supervisor.conf"), "rb") as file:
        policy = re.sub(rb"^(%s = .*)$" % driver.encode(), rb"\1 apart=1", file.read(), flags=re.M)
    for pad in range(8):
        image = images.make(os.path.join(folder, "apart.iso"), {
            "supervisor.conf": policy, "pad": bytes(pad * 20000)}, (), None, "smp")
        if subprocess.run([os.path.join(ROOT, "obvm"), "--image", image, "--cpus", "2", "--timeout", "20", "--disk", disk,
                           "-c", "help"], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False).returncode == 0:
            return image
    sys.exit("bench: the kernel for several processors does not boot")


def results(folder, library, disk, driver):
    report_head()
    found = []
    for iommu in ("vtd", "none") if driver == "nvme" else ("vtd",):
        found += measure(folder, library, disk, driver, iommu, NVME_SETS if driver == "nvme" else SETS)
    if driver == "nvme":
        image = image_apart(folder, driver, f"{DRIVERS[driver].kind}:{disk}")
        found += measure(folder, library, disk, driver, "vtd", APART_SETS, image)
    return found
