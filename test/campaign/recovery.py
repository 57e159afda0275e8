# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a kill is felt: from the last request that was completed before it to the first after it, in virtual time; and
the instructions that the machine executes from the kill to there. Virtual time is one nanosecond for each, and flies while
the machine waits for its disk: that is to be in this one's memory (TMPDIR=/dev/shm), or the wait for it is what is measured."""
import os
import re
import sys

from stand import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench"))
import outboard  # noqa: E402

OPERATIONS = 1000  # for each kill


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
    show("a kill is felt for", silences, "us of virtual time")
    show("from a kill to the next request done", [sum(interval.values()) for interval in intervals], "instructions")
    names = sorted(intervals[0], key=lambda name: -sum(interval[name] for interval in intervals))
    print("of which, on average: " + ", ".join(f"{name} {sum(interval[name] for interval in intervals) // len(intervals):,}"
                                              for name in names[:5]))
    return None
