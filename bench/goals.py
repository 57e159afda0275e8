# SPDX-License-Identifier: GPL-2.0-or-later
"""goals - what bench/results.json has to show, and whether it does."""
from typing import NamedTuple


class Goal(NamedTuple):
    text: str
    most: float  # of the ratio
    ours: dict   # the result that is measured
    other: dict  # and the one that it is measured by; None: one
    field: str = "instructions_per_op"


READ = {"system": "outboard", "driver": "nvme", "pattern": "randread", "size": 4096, "depth": 32,
        "clients": 1, "iommu": "vtd", "completion": "hybrid"}
LINUX = {**READ, "system": "linux-io_uring", "completion": "interrupt"}
DEVICE_READ = {**READ, "pattern": "device_read", "depth": 1}
HURD = {"system": "hurd-path", "size": 4096}


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
    Goal("nvme, depth 1, polled, a processor each: of Linux's io_uring", 0.1,
         {**READ, "depth": 1, "completion": "polled-apart"}, {**LINUX, "depth": 1}),
    Goal("nvme, depth 32, VT-d: of the same without", 1.05, READ, {**READ, "iommu": "none"}),
    *(Goal(f"nvme, depth 32, {clients} clients: of one", 1.1, {**READ, "clients": clients}, READ)
      for clients in (2, 4, 8)),
    Goal("nvme, 128 KiB sequential reads: commands per request", 1,
         {**READ, "pattern": "seqread", "size": 131072}, None, "commands_per_op"),
    Goal("nvme, device_read: of the Hurd's page-in by seven messages", 0.5, DEVICE_READ,
         {**HURD, "pattern": "page-in", "driver": "edu"}),
    Goal("nvme, device_read, polled: of the Hurd's page-in by seven messages", 0.5, {**DEVICE_READ, "completion": "polled"},
         {**HURD, "pattern": "page-in", "driver": "edu"}),
    Goal("nvme, device_read under a Hurd: of the Hurd's page-in by seven messages", 0.5, {**DEVICE_READ, "system": "outboard-hurd"},
         {**HURD, "pattern": "page-in", "driver": "edu"}),
    *disk_goals("ahci"), *disk_goals("virtio-blk"),
    *net_goals("virtio-net"), *net_goals("e1000e"),
)


def find(results, wanted, field):
    for result in results:
        if all(result.get(name) == value for name, value in wanted.items()):
            return result.get(field)
    return None


def judged(results):
    """For each goal that was measured: its text, the most it may be, the two figures, their ratio, and whether it is
    reached."""
    for goal in GOALS:
        ours = find(results, goal.ours, goal.field)
        other = find(results, goal.other, goal.field) if goal.other else 1
        if ours is not None and other is not None:
            yield goal.text, goal.most, ours, other, ours / other, ours <= goal.most * other


def report(results):
    """One line for each goal; what misses says so."""
    measured = list(judged(results))
    for text, most, ours, other, ratio, reached in measured:
        print(f"  {'reached' if reached else 'MISSED':8} {text}: {ratio:.3f} ({ours:.0f} of {other:.0f}), at most {most:g}")
    for text in {goal.text for goal in GOALS} - {one[0] for one in measured}:
        print(f"  {'unknown':8} {text}: not measured")
