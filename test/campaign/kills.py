# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills at random times, under churn on one partition and file operations on another: nothing may be lost, no request
may fail."""
import collections
import random
import re

from stand import COUNTS

AT_ONCE = 1000  # kills of one boot


def remarkable(log):
    """The log without what is said at every restart."""
    return "".join(f"{line}\n" for line in log.splitlines()
                   if line.startswith("[") and not re.search(r"running again|blocks (of|from) \d+", line))


def run(stand, number, seed):
    """How many kills there were, what the loads counted, and how long recoveries took."""
    stand.disk_make(files=True)
    rounds = max(1, number * stand.options.period // 500)
    load = []
    for i in range(rounds):
        load += [f"churn {stand.device} 4096 6000 {random.Random(seed + i).choice((1, 4, 16, 64))} {seed + i}",
                 f"cp /big /copy{i % 7}", f"mkdir /d{i}", f"sha256sum /copy{i % 7}"]
        if i % 3 == 2:
            load += [f"rm /copy{(i - 1) % 7}", f"rm /d{i - 1}", "sync"]
    out, log = stand.boot([f"mount {stand.whole}p2", f"kill {stand.driver} {number} {stand.options.period} {seed}", *load,
                           "sleep 3000", "drivers", "umount /"], 3000)
    found = stand.churn_judge(out, rounds)
    if any(counts["failed"] or counts["wrong before"] or counts["wrong"] for counts in found):
        stand.problem("a load met with an error or wrong data", out + remarkable(log))
    stand.files_judge(out + remarkable(log))
    stand.file_system_check()
    started = [int(us) for us in re.findall(r"running again, (\d+) us after", log)]
    killed = re.search(rf"{stand.driver}: killed (\d+) times", log)
    totals = collections.Counter()
    for counts in found:
        totals.update({name: counts[name] for name in COUNTS})
    silent = [int(us) for line in re.findall(r"^churn: silent for ([\d ]+) thousand ticks$", out, re.M) for us in line.split()]
    return {"kills": int(killed[1]) if killed else len(started), "totals": totals, "started": started, "silent": silent}


def report(results, problems):
    done, totals, times = 0, collections.Counter(), {"started": [], "silent": []}
    for result in results:
        done += result["kills"]
        totals.update(result["totals"])
        for name in times:
            times[name] += result[name]
    print(f"kills       {done:6}  lost {problems}  failed requests {totals['failed']}  "
          f"wrong blocks {totals['wrong'] + totals['wrong before']}  of {totals['operations']} requests; "
          f"replayed {totals['replayed']}, rewritten {totals['rewritten']}")
    for name, what in (("started", "start of the driver to its readiness, us by the kernel's clock, which goes twice as fast"),
                       ("silent", "last completion before a kill to the first after it, virtual us")):
        taken = sorted(times[name])
        if taken:
            print(f"{what}: p50 {taken[len(taken) // 2]}, p99 {taken[len(taken) * 99 // 100]}, "
                  f"max {taken[-1]} ({len(taken)} of them)")
