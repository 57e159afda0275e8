# SPDX-License-Identifier: GPL-2.0-or-later
"""linux_disk - the Linux peer's disks: fio on io_uring, for the kernel's driver of each kind.

What happens once, however many operations there are, is left out by running every job twice, first
with a twentieth of its operations: the difference counts.
"""
import json
import os
from typing import NamedTuple

import linux
from rounds import ROUNDS, cheapest

PART = 20  # the shorter run of a job has one operation in so many
NAMES = {"read": "seqread"}  # fio's word: ours
BATCHES = "--iodepth_batch_submit=0,--iodepth_batch_complete_max=128,--fixedbufs,--registerfiles"


class Driver(NamedTuple):
    kind: str        # of disk, for obvm
    modules: tuple
    device: str
    interrupts: str  # what those for its requests are called in /proc/interrupts
    depths: tuple
    patterns: tuple  # fio's word, bytes, operations


RANDOM = (("randread", 4096, 4000), ("randwrite", 4096, 4000))
DRIVERS = {
    # Queue 0 is the controller's own.
    "nvme": Driver("nvme", ("nvme",), "nvme0n1", "nvme[0-9]+q[1-9]", (1, 4, 32, 128),
                   (*RANDOM, ("read", 131072, 1000))),
    "ahci": Driver("ahci", ("ahci", "sd_mod"), "sda", "ahci", (1, 4, 32), RANDOM),
    "virtio-blk": Driver("virtio", ("virtio_pci", "virtio_blk"), "vda", "virtio[0-9]+-req", (1, 4, 32),
                         RANDOM),
}
# What is measured: name, completion, options for the kernel, options for fio. Each is a boot.
SYSTEMS = (("linux-io_uring", "interrupt", "", ""),
           ("linux-io_uring-batched", "interrupt", "", BATCHES))
POLLED = ("linux-io_uring-hipri", "polled", "nvme.poll_queues=1", "--hipri=1")


def result(driver, system, completion, job, interrupts, text, counts):
    """One object for bench/results.json. `counts` has each program's short run and long run."""
    pattern, size, depth, operations = job
    report = json.loads(text)
    fio = report["jobs"][0]["write" if "write" in pattern else "read"]
    if fio["total_ios"] != operations or report["jobs"][0]["error"]:
        linux.die(f"{pattern} of {size} at depth {depth}: fio did {fio['total_ios']} operations "
                  f"instead of {operations}, error {report['jobs'][0]['error']}")
    difference = operations - operations // PART
    split = {name: round((long - short) / difference, 1) for name, (short, long) in counts.items()}
    latency = fio["clat_ns"]["percentile"]
    return {
        "system": system, "driver": driver, "pattern": NAMES.get(pattern, pattern), "size": size,
        "depth": depth, "clients": 1, "iommu": "vtd", "completion": completion,
        "instructions_per_op": round(sum(split.values()), 1),
        "ops_per_second": round(fio["iops"]),
        "p50_us": round(latency["50.000000"] / 1000, 1),
        "p99_us": round(latency["99.000000"] / 1000, 1),
        "interrupts_per_op": round(interrupts / operations, 3),
        "split": {"client": split["user"], "driver": 0, "io": 0, "kernel": split["kernel"]},
    }


def report(one):
    print(f"{one['system']:22} {one['driver']:10} {one['pattern']:9} {one['size']:6} {one['depth']:5} "
          f"{one['instructions_per_op']:13.0f} {one['split']['client']:8.0f} "
          f"{one['split']['kernel']:9.0f} {one['interrupts_per_op']:10.3f} "
          f"{one['ops_per_second']:7} {one['p50_us']:8} {one['p99_us']:8}", flush=True)


def measure(folder, library, disk, driver, system):
    """One boot, all jobs ROUNDS times."""
    about, (name, completion, kernel_options, fio_options) = DRIVERS[driver], system
    mark, marks = linux.program_build(folder, "mark.S", "-nostdlib")
    version, loaded = linux.kernel_for(about.modules)
    fio = os.path.join(linux.TREE, "usr", "bin", "fio")
    initrd = linux.initramfs(folder, {
        "bin/fio": fio, "bin/mark": mark,
        **{f"lib/{name}": path for name, path in linux.libraries(fio).items()}}, loaded)
    jobs = [(pattern, size, depth, operations) for pattern, size, operations in about.patterns
            for depth in about.depths] * ROUNDS
    line = (f"bench=disk bench_device={about.device} bench_interrupts={about.interrupts} "
            f"bench_part={PART} bench_options={fio_options} {kernel_options}")
    done = linux.run(folder, library, marks, version, initrd,
                     linux.obvm().disk_arguments(f"{about.kind}:{disk}", 0), line, jobs, 2)
    return [result(driver, name, completion, job, *one) for job, one in zip(jobs, done)]


def results(folder, library, disk, driver):
    """All measurements of a driver, each boot's printed together; `library` is the plugin, `folder`
    scratch, `disk` an image."""
    linux.fetch()
    print(f"{'system':22} {'driver':10} {'pattern':9} {'size':>6} {'depth':>5} {'instructions':>13} "
          f"{'client':>8} {'kernel':>9} {'interrupts':>10} {'ops/s':>7} {'p50 us':>8} {'p99 us':>8}")
    found = []
    for system in SYSTEMS + ((POLLED,) if driver == "nvme" else ()):
        for one in measure(folder, library, disk, driver, system):
            report(one)
            found.append(one)
    return cheapest(found)
