# SPDX-License-Identifier: GPL-2.0-or-later
"""rounds - each measurement is made so many times, and the cheapest counts, of ours as of all others.

The kernel's clock ticks 100 or 250 times in a second of real time, in which an emulated machine executes a few
million instructions and a real one some thousand million: how much of an operation is the clock's depends on how
busy the machine that measures is. The cheapest of a few runs has the least of it.
"""
ROUNDS = 3
IDENTITY = ("system", "driver", "pattern", "size", "depth", "clients", "iommu", "completion")


def identity(result):
    return tuple(result[field] for field in IDENTITY)


def cheapest(results):
    """Of those of the same measurement the one with the fewest instructions."""
    found = {}
    for result in results:
        known = found.setdefault(identity(result), result)
        if result["instructions_per_op"] < known["instructions_per_op"]:
            found[identity(result)] = result
    return list(found.values())
