# SPDX-License-Identifier: GPL-2.0-or-later
"""goals - what bench/results.json has to show, and whether it does."""
from typing import NamedTuple


class Goal(NamedTuple):
    text: str
    most: float  # of the ratio
    ours: dict   # the result that is measured
    other: dict  # and the one that it is measured by


READ = {"system": "outboard", "driver": "nvme", "pattern": "randread", "size": 4096, "depth": 32,
        "clients": 1, "iommu": "vtd", "completion": "hybrid"}
LINUX = {**READ, "system": "linux-io_uring", "completion": "interrupt"}


def disk_goals(driver):
    for pattern in ("randread", "randwrite"):
        for depth, most in ((32, 0.5), (1, 1)):
            yield Goal(f"{driver}, {pattern}, depth {depth}: of Linux's io_uring", most,
                       {**READ, "driver": driver, "pattern": pattern, "depth": depth},
                       {**LINUX, "driver": driver, "pattern": pattern, "depth": depth})


PACKETS = {"system": "outboard", "size": 64, "clients": 1, "iommu": "vtd"}


def net_goals(driver):
    for pattern in ("net-tx", "net-rx", "net-echo"):
        for size in (64, 1500):
            for depth, most in ((32, 0.5), (1, 1)):
                ours = {**PACKETS, "driver": driver, "pattern": pattern, "size": size, "depth": depth}
                yield Goal(f"{driver}, {pattern}, {size} bytes, {depth} at a time: of Linux's packet socket", most,
                           ours, {**ours, "system": "linux-packet"})


GOALS = (
    Goal("nvme, depth 32: of Linux's io_uring", 0.1, READ, LINUX),
    Goal("nvme, depth 32: of the floor", 3, READ, {**READ, "system": "floor", "completion": "polled"}),
    Goal("nvme, depth 1, interrupts: of Linux's io_uring", 0.5,
         {**READ, "depth": 1, "completion": "interrupt"}, {**LINUX, "depth": 1}),
    Goal("nvme, depth 1, polled: of Linux's io_uring", 0.1,
         {**READ, "depth": 1, "completion": "polled"}, {**LINUX, "depth": 1}),
    Goal("nvme, depth 32, VT-d: of the same without", 1.05, READ, {**READ, "iommu": "none"}),
    *(Goal(f"nvme, depth 32, {clients} clients: of one", 1.1, {**READ, "clients": clients}, READ)
      for clients in (2, 4, 8)),
    *disk_goals("ahci"), *disk_goals("virtio-blk"),
    Goal("ahci, device_read: of the same by GNU Mach's own driver", 1,
         {**READ, "driver": "ahci", "pattern": "device_read", "depth": 1},
         {**READ, "system": "gnumach-in-kernel", "driver": "ahci", "pattern": "device_read", "depth": 1,
          "iommu": "none", "completion": "interrupt"}),
    Goal("ahci, depth 1, interrupts: of device_read by GNU Mach's own driver", 1,
         {**READ, "driver": "ahci", "depth": 1, "completion": "interrupt"},
         {**READ, "system": "gnumach-in-kernel", "driver": "ahci", "pattern": "device_read", "depth": 1,
          "iommu": "none", "completion": "interrupt"}),
    *net_goals("virtio-net"), *net_goals("e1000e"),
)


def find(results, wanted):
    for result in results:
        if all(result.get(field) == value for field, value in wanted.items()):
            return result["instructions_per_op"]
    return None


def report(results):
    """One line for each goal; what misses says so."""
    for goal in GOALS:
        ours, other = find(results, goal.ours), find(results, goal.other)
        if ours is None or other is None:
            print(f"  {'not measured':12} {goal.text}")
            continue
        verdict = "reached" if ours <= goal.most * other else "MISSED"
        print(f"  {verdict:12} {goal.text}: {ours / other:.3f} ({ours:.0f} of {other:.0f}), at most "
              f"{goal.most:g}")
