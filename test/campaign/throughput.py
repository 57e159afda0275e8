# SPDX-License-Identifier: GPL-2.0-or-later
"""How much is done while the driver is killed every so often, beside how much without. The disk is QEMU's null-co, which has
what it is asked for at once: virtual time is then instructions, whatever else this machine does, but for how QEMU's two
threads meet, which decides how many requests go together. Undisturbed is therefore measured again before each."""
import re

PERIODS = (100, 1000, 10000)  # ms of virtual time
PER_SECOND = 500000  # reads of virtual time, about
NULL = ["--qemu-arg=-set", "--qemu-arg=drive.disk0.file=null-co://", "--qemu-arg=-set",
        "--qemu-arg=drive.disk0.file.read-zeroes=on"]


def rate(stand, operations, period):
    """(kills, reads a second), or null; and what the machine said."""
    kill = [f"kill {stand.driver} 100000 {period} 7"] if period else []
    out, _ = stand.boot([*kill, f"bench-rate {stand.whole} {operations} 32", "drivers"], 7200, arguments=NULL)
    took = re.search(rf"^{operations} operations in (\d+) us", out, re.M)
    killed = re.search(rf"^{stand.driver} +driver +\w+ .* (\d+)  \S+$", out, re.M)
    return (int(killed[1]), operations * 1000000 / int(took[1])) if took and killed else None, out


def measure(stand, operations):
    """4 KiB random reads, 32 in flight, as many as are asked for or as three periods take; rows of (period, kills, operations
    a second, of the undisturbed)."""
    rows, undisturbed = [], []
    for period in PERIODS:
        calm, out = rate(stand, operations, None)
        killed, out = rate(stand, max(operations, 3 * period * PER_SECOND // 1000), period) if calm else (None, out)
        if not killed:
            return rows, out
        undisturbed.append(calm[1])
        rows.append((period, *killed))
        print(f"throughput: {calm[1]:,.0f} reads a second of virtual time; with a kill every {period} ms ({killed[0]} kills) "
              f"{killed[1]:,.0f}", flush=True)
    mean = sum(undisturbed) / len(undisturbed)
    rows = [(*row, row[2] / mean) for row in rows]
    for period, _, _, part in rows:
        print(f"throughput: with a kill every {period} ms {part:.1%} of the undisturbed", flush=True)
    return rows, None
