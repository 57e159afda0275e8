# SPDX-License-Identifier: GPL-2.0-or-later
"""One fault after the other in a driver, each with a load and then a new driver: what became of it."""
import collections
import os
import random
import re

import deeds
import faults
from stand import BUILD

AT_ONCE = 200  # faults of one boot
RESTARTS = r"(?m)^%s +(\d+) +\d+ +\d+ +\d+ +\d+ +\d+ +\d+ +\d+$"  # of stats, for that driver: the board has an ahci0
OUTCOMES = ("no effect", "recovered", "failed", "wrong data")
KINDS = {"faults": faults.KINDS, "deeds": deeds.KINDS}


def sources(stand, part):
    """Who draws the faults, and the boot image with the program that they are for."""
    if part == "faults":
        return faults.Program(os.path.join(BUILD, "boot", stand.options.driver)), stand.image("plain")
    path = os.path.join(BUILD, "boot", "wicked")
    with open(path, "rb") as file:
        return deeds.Orders(path), stand.image("wicked", {"nvme": file.read()})


def files_load(i):
    return [f"cp /big /copy{i % 7}", f"mkdir /d{i}", f"sha256sum /copy{i % 7}", f"rm /copy{(i - 3) % 7}" if i % 7 == 3 else "sync"]


def boot(stand, image, chosen, seed):
    """Outcomes of as many of those as there was something to be seen of, and completions that clients refused."""
    files = stand.options.filter == "mirror"  # one disk has only errors to offer for what was written over
    stand.disk_make(files)
    churn = f"churn {stand.device} 512"
    commands = [*["mount checked1"] * files, f"{churn} 100 8", "stats"]
    for i, (_, address, code) in enumerate(chosen):
        commands += [f"fault {stand.driver} {address:#x} {code.hex()}", f"{churn} 150 16 {seed + i}",
                     *files_load(i) * files, "stats", f"kill {stand.driver}", "sleep 30", f"{churn} 0 16"]
    out, _ = stand.boot([*commands, f"{churn} 100 8", *["umount /"] * files], 60 + 15 * len(chosen), image)
    found = stand.churn_judge(out, 2 * len(chosen) + 2)
    if files:
        stand.files_judge(out)
        stand.file_system_check(stand.mirror)
    if re.search(r"^(fault|kill): ", out, re.M):
        stand.problem("a fault was not put in, or its driver not ended afterwards", out)
    if stand.problems:
        return [], 0
    restarts = [int(count) for count in re.findall(RESTARTS % stand.driver, out)]
    outcomes = []
    for i in range(len(chosen)):
        counts, after = found[2 * i + 1], found[2 * i + 2]
        if after["no disk"] and not stand.table_is_whole():
            # It wrote over the partition table: from here on there is nothing to be seen. About what is not its own the filter is
            # not asked; its client has errors.
            outcomes.append("failed" if stand.options.filter else "wrong data")
            break
        replaced = restarts[i + 1] - restarts[i] > (i > 0)  # not only by our kill
        outcomes.append("wrong data" if counts["wrong"] or after["wrong before"] else "failed" if counts["failed"] else
                        "recovered" if replaced else "no effect")
    return outcomes, sum(counts["rejected"] for counts in found)


def draw_all(program, part, number, seed):
    draw = random.Random(seed)
    chosen = []
    for _ in range(number):
        kind = KINDS[part][draw.randrange(len(KINDS[part]))]
        chosen.append((kind, *program.draw(kind, draw)))
    return chosen


def wrong(results):
    """The faults that gave wrong data, of an earlier run with the same build."""
    return [(kind, address, bytes.fromhex(code)) for result in results for kind, address, code, outcome in result["outcomes"]
            if outcome == "wrong data"]


def run(stand, part, number, seed, chosen=None):
    """So many (or those), in one boot if the disk stays whole; (kind, address, bytes, outcome) of each, and completions that
    clients refused."""
    program, image = sources(stand, part)
    chosen = chosen or draw_all(program, part, number, seed)
    outcomes, rejected = [], 0
    while len(outcomes) < number and not stand.problems:
        more, refused = boot(stand, image, chosen[len(outcomes):], seed + len(outcomes))
        outcomes += more
        rejected += refused
    rows = [(kind, address, code.hex(), outcome) for (kind, address, code), outcome in zip(chosen, outcomes)]
    for kind, address, code, outcome in rows:
        if outcome in ("wrong data", "failed"):
            print(f"campaign: seed {seed}: {kind} at {address:#x}: {code}: {outcome}", flush=True)
    return {"outcomes": rows, "rejected": rejected}


def report(part, results):
    outcomes = [outcome for result in results for outcome in result["outcomes"]]
    table = collections.Counter((kind, outcome) for kind, _, _, outcome in outcomes)
    print(f"{part:14} {'events':>7}" + "".join(f" {name:>11}" for name in OUTCOMES))
    for kind in (*KINDS[part], "all"):
        row = [sum(count for (k, o), count in table.items() if o == name and kind in (k, "all")) for name in OUTCOMES]
        print(f"{kind:14} {sum(row):7}" + "".join(f" {count:11}" for count in row))
    print(f"completions that clients refused: {sum(result['rejected'] for result in results)}")
