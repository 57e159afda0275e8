# SPDX-License-Identifier: GPL-2.0-or-later
"""linux_net - the Linux peer's network cards: a packet socket (bench/net_load.c) for the kernel's driver
of each kind, with the peer on the wire that ours has (test/machine/wire.py).
"""
import os
import re
import sys
from typing import NamedTuple

import linux

sys.path.insert(0, os.path.join(linux.ROOT, "test"))
from machine import wire

PATTERNS, SIZES, DEPTHS, FRAMES = ("tx", "rx", "echo"), (64, 1500), (1, 32), 3200


class Driver(NamedTuple):
    kind: str        # of card, for obvm
    modules: tuple
    interrupts: str  # what those of its queues are called in /proc/interrupts


DRIVERS = {
    "virtio-net": Driver("virtio", ("virtio_pci", "virtio_net"), "virtio[0-9]+-(in|out)put"),
    "e1000e": Driver("e1000e", ("e1000e",), "eth0-[rt]x"),
}


def jobs():
    return [(pattern, size, depth, FRAMES) for pattern in PATTERNS for size in SIZES for depth in DEPTHS]


def result(driver, job, interrupts, text, counts):
    """One object for bench/results.json; times are of a batch."""
    pattern, size, depth, frames = job
    took, p50, p99 = map(int, re.search(r"in (\d+) us; of batches p50 (\d+) us, p99 (\d+) us", text).groups())
    split = {name: round(interval[0] / frames, 1) for name, interval in counts.items()}
    return {
        "system": "linux-packet", "driver": driver, "pattern": "net-" + pattern, "size": size, "depth": depth,
        "clients": 1, "iommu": "vtd", "completion": "interrupt",
        "instructions_per_op": round(sum(split.values()), 1),
        "ops_per_second": round(frames / (took / 1e6)), "p50_us": p50, "p99_us": p99,
        # Of both runs that net_load makes, and of its start.
        "interrupts_per_op": round(interrupts / (2 * frames), 3),
        "split": {"client": split["user"], "driver": 0, "io": 0, "kernel": split["kernel"]},
    }


def results(folder, library, driver):
    """All measurements of a driver, in one boot."""
    linux.fetch()
    about = DRIVERS[driver]
    load, marks = linux.program_build(folder, "net_load.c")
    version, loaded = linux.kernel_for(about.modules)
    initrd = linux.initramfs(folder, {"bin/net_load": load}, loaded)
    path = os.path.join(folder, "linux-wire")
    peer = wire.Wire(path)
    try:
        done = linux.run(folder, library, marks, version, initrd,
                         linux.obvm().nic_arguments(f"{about.kind},{peer.netdev}", 0),
                         f"bench=net bench_device=eth0 bench_interrupts={about.interrupts} ipv6.disable=1",
                         jobs(), 1)
    finally:
        peer.close()
        os.remove(path)
    print(f"{'driver':10} {'pattern':9} {'size':>5} {'depth':>5} {'instructions':>13} {'client':>8} "
          f"{'kernel':>8} {'interrupts':>10} {'ops/s':>7} {'p50 us':>7} {'p99 us':>7}")
    found = []
    for job, answer in zip(jobs(), done):
        one = result(driver, job, *answer)
        print(f"{driver:10} {one['pattern']:9} {one['size']:5} {one['depth']:5} "
              f"{one['instructions_per_op']:13.0f} {one['split']['client']:8.0f} "
              f"{one['split']['kernel']:8.0f} {one['interrupts_per_op']:10.3f} {one['ops_per_second']:7} "
              f"{one['p50_us']:7} {one['p99_us']:7}", flush=True)
        found.append(one)
    return found
