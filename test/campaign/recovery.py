# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a kill is felt: from the last completion before it to the first after it, in virtual time, and from the kill to
that completion in instructions that the machine executes. The former is by the processor's ticks, which are nanoseconds of
virtual time where instructions are counted: one for each, and what the machine waits with nothing to do. Then it is this
machine's disk that it waits for, or a driver that sleeps, which is counted as well. The disk is to be in this machine's memory
(TMPDIR=/dev/shm); QEMU's thread for it has to get a processor all the same, and each time that the guest is idle meanwhile its
clock goes on to the next tick at once. The kernel's own clock is no measure: under QEMU it goes twice as fast as virtual time."""
import os
import re
import sys

from stand import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench"))
import outboard  # noqa: E402

OPERATIONS = 3500  # for each kill: more than are done until the next


def arguments(stand):
    counts = os.path.join(stand.folder, "counts")
    words = [outboard.plugin(stand.folder), f"out={counts}", f"begin={outboard.symbols('supervisor')['kill_next'][0]:#x}",
             f"end={outboard.symbols('shell')['churn_recovered'][0]:#x}"]
    words += [f"{name}={address:#x}" for address, name in outboard.places(stand.driver.rstrip("0"))]
    driver = outboard.symbols(stand.driver.rstrip("0"))
    words += [f"@sleeps={driver['clock_sleep'][0]:#x}"] if "clock_sleep" in driver else []
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
    found = re.search(r"^churn: silent for ([\d ]+) thousand ticks$", out, re.M)
    if not found or not re.search(r"^churn: \d+ done, 0 failed, 0 wrong before, 0 wrong;", out, re.M):
        return out
    silences = list(map(int, found[1].split()))
    # The first kill is before the load, the last may be after it; one that found no driver running is one with the next.
    intervals = outboard.counts_read(counts)[1:len(silences)]
    if not intervals:
        return out
    executed = [sum(count for name, count in interval.items() if name[0] != "@") for interval in intervals]
    show("from the last completion before a kill to the first after it", silences, "us of virtual time")
    show("from a kill to the next request done", executed, "instructions")
    idle = [interval for interval in intervals if interval["@halts"] > 0]
    print(f"the machine had to wait in {len(idle)} of them; drivers slept {sum(i.get('@sleeps', 0) for i in intervals)} times")
    names = sorted((name for name in intervals[0] if name[0] != "@"),
                   key=lambda name: -sum(interval[name] for interval in intervals))
    print("of which, on average: " + ", ".join(f"{name} {sum(interval[name] for interval in intervals) // len(intervals):,}"
                                              for name in names[:5]))
    return None
