# SPDX-License-Identifier: GPL-2.0-or-later
"""How much is done while the driver is killed every so often, beside how much without."""
import re

from stand import REAL_WAITS

PERIODS = (None, 10000, 1000, 100)  # ms of virtual time
MOST = 1000000  # that the shell's bench does in one go


def measure(stand, operations):
    """4 KiB random reads, 32 in flight; rows of (period, kills, operations a second, of the undisturbed)."""
    rows = []
    for period in PERIODS:
        kill = [f"kill {stand.driver} 100000 {period} 7"] if period else []
        runs = max(1, operations // MOST)
        each = min(operations, MOST)
        out, _ = stand.boot([*kill, *[f"bench {stand.whole} randread {each} 32"] * runs, "drivers"], 3600, counted=False,
                            arguments=REAL_WAITS)
        took = re.findall(rf"^{each} operations in (\d+) us", out, re.M)
        killed = re.search(rf"^{stand.driver} +driver +\w+ .* (\d+)  \S+$", out, re.M)
        if len(took) != runs or not killed:
            return rows, out
        rate = runs * each * 1000000 / sum(map(int, took))
        rows.append((period, int(killed[1]), rate, rate / rows[0][2] if rows else 1.0))
        print(f"throughput: a kill {f'every {period} ms' if period else 'never'}: {int(killed[1])} kills, "
              f"{rate:,.0f} reads a second of virtual time, {rows[-1][3]:.1%}", flush=True)
    return rows, None
