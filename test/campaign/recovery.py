# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a kill is felt: from it to the first request that is completed after it, in instructions that the machine executes
and in virtual time. That is a nanosecond for each, and what it waits for its disk: until the kernel's next tick, each time
that there is nothing to do, unless the disk answers before. The disk is to be in this machine's memory (TMPDIR=/dev/shm), or
the wait for it is what is measured. The kernel's own clock is no measure: under QEMU it goes twice as fast as virtual time."""
import os
import re
import sys

from stand import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench"))
import outboard  # noqa: E402

OPERATIONS = 3500  # for each kill: more than are done until the next
TICK = 5000000  # ns of virtual time: the kernel means it to be 10 ms


def arguments(stand):
    counts = os.path.join(stand.folder, "counts")
    words = [outboard.plugin(stand.folder), f"out={counts}", f"begin={outboard.symbols('supervisor')['kill_next'][0]:#x}",
             f"end={outboard.symbols('shell')['churn_recovered'][0]:#x}"]
    words += [f"{name}={address:#x}" for address, name in outboard.places(stand.driver.rstrip("0"))]
    return counts, ["--qemu-arg=-plugin", "--qemu-arg=" + ",".join(words)]


def show(what, values, unit):
    values = sorted(values)
    print(f"{what}: p50 {values[len(values) // 2]:,} {unit}, p99 {values[len(values) * 99 // 100]:,}, max {values[-1]:,} "
          f"({len(values)} of them)", flush=True)


def measure(stand, kills):
    """What was not as expected, or null."""
    stand.disk_make()
    counts, more = arguments(stand)
    out, _ = stand.boot([f"kill {stand.driver} {kills} {stand.options.period} {stand.options.seed}",
                         f"churn {stand.device} 4096 {OPERATIONS * kills} 16 {stand.options.seed}"], 3600, arguments=more)
    found = re.search(r"^churn: silent for ([\d ]+) us$", out, re.M)
    if not found or not re.search(r"^churn: \d+ done, 0 failed, 0 wrong before, 0 wrong;", out, re.M):
        return out
    silences = list(map(int, found[1].split()))
    # The first kill is before the load, the last may be after it; one that found no driver running is one with the next.
    intervals = outboard.counts_read(counts)[1:len(silences)]
    if not intervals:
        return out
    executed = [sum(count for name, count in interval.items() if name[0] != "@") for interval in intervals]
    waits = [interval["@halts"] for interval in intervals]
    show("from a kill to the next request done", executed, "instructions")
    show("and at most", [(count + halts * TICK) // 1000 for count, halts in zip(executed, waits)],
         f"us of virtual time, with a wait in {sum(halts > 0 for halts in waits)}")
    names = sorted((name for name in intervals[0] if name[0] != "@"),
                   key=lambda name: -sum(interval[name] for interval in intervals))
    print("of which, on average: " + ", ".join(f"{name} {sum(interval[name] for interval in intervals) // len(intervals):,}"
                                              for name in names[:5]))
    return None
