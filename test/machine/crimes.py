# SPDX-License-Identifier: GPL-2.0-or-later
"""What hostile drivers attempt, what has to come of it with VT-d and without an IOMMU, and by which
defence: the rows of the table in doc/security.md."""
import os
import re

from machine.vm import ROOT

REFUSED, CONTAINED, SUCCEEDED, DIED = "refused", "contained", "SUCCEEDED", "task ended"
STOPPED, SLOWED, TAKEN_BACK = "driver stopped", "line slowed down", "all taken back"
NO_OTHER = "no other line"
CHANCE = "by chance"  # without an IOMMU: what happens to be there

# By test/hostile/hostile.h's driver, with QEMU's edu device.
EDU = {
    "own-memory (no crime)": (SUCCEEDED, SUCCEEDED, "leased memory is mapped in the domain"),
    "dma-read-kernel": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "dma-write-elsewhere": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "dma-after-release": (CONTAINED, SUCCEEDED, "unmapped and invalidated before the memory is free"),
    "dma-after-revocation": (CONTAINED, SUCCEEDED, "unmapped, leases void, the address kept free"),
    "dma-anothers-buffer": (CONTAINED, CHANCE, "each device has a domain of its own"),
    "dma-past-the-page": (CONTAINED, CHANCE, "nothing else is mapped in the domain"),
    "forged-remapped-interrupt": (CONTAINED, CONTAINED,
        "remapping entries verify the source (not by QEMU, for DMA)"),
    "forged-plain-interrupt": (CONTAINED, CONTAINED, "remapping refuses the old format (not in QEMU)"),
    "privileged-names": (REFUSED, REFUSED, "a task looks up only what it was granted"),
    "privileged-calls": (REFUSED, REFUSED, "the privileged ports exist only in io"),
    "other-interfaces": (REFUSED, REFUSED, "a port serves its own interface only"),
    "windows-outside": (REFUSED, REFUSED, "ranges checked against the window"),
    "ports-outside": (REFUSED, REFUSED, "only the ports of its BARs"),
    "interrupts-of-others": (REFUSED, REFUSED, "only its own vectors"),
    "line-kept": (REFUSED, REFUSED, "who is told of a line's end is the authority's to say"),
    "forged-leases": (REFUSED, REFUSED, "a lease is a port that io made"),
    "configuration-outside": (REFUSED, REFUSED, "its own function, aligned, in range"),
    "bar-moved": (REFUSED, REFUSED, "a filter per register: over memory, over another device"),
    "mastering-by-hand": (REFUSED, REFUSED, "the same; the right to enable comes with the domain"),
    "message-by-hand": (REFUSED, REFUSED, "the same"),
    "bus-calls": (REFUSED, REFUSED, "a port serves its own interface only"),
    "neighbours-registers": (REFUSED, REFUSED, "ranges checked against the window"),
    "registers-below": (REFUSED, REFUSED, "no memory object of registers is a driver's, nor its task's port"),
    "registers-far-below": (REFUSED, REFUSED, "the same"),
    "registers-anywhere": (REFUSED, REFUSED, "the same: IO-APIC, remapping unit, configuration space"),
    "more-tasks": (REFUSED, REFUSED, "only the calls that a driver needs are passed to the kernel"),
    "memory-outside": (REFUSED, REFUSED, "the authority maps, and checks the range"),
    "object-of-our-own": (REFUSED, REFUSED, "only memory that was lent is mapped; memory in messages refused"),
    "publish-as-another": (REFUSED, REFUSED, "names are checked and carry the instance's"),
    "memory-at-once": (REFUSED, REFUSED, "no more than the kernel has in one piece"),
    "memory-exhaustion": (REFUSED, REFUSED, "a quota per task"),
    "ordinary-memory": (REFUSED, REFUSED, "a bound for a driver's address space"),
    "table-exhaustion": (REFUSED, REFUSED, "a bounded table per device"),
    "lease-exhaustion": (REFUSED, REFUSED, "a bound per task"),
    "names-without-end": (REFUSED, REFUSED, "64 withdrawals in 10 s"),
    "random-messages": (CONTAINED, CONTAINED, "MIG's checks, then the routine's"),
    "foreign-port": (DIED, DIED, "the kernel's permission bitmap: an exception"),
}

# By a driver with an NVMe controller.
NVME = {
    "nvme-own-memory (no crime)": (SUCCEEDED, SUCCEEDED, "leased memory is mapped in the domain"),
    "nvme-read-kernel": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "nvme-write-elsewhere": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "nvme-list-entry": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "nvme-just-past": (CONTAINED, CHANCE, "nothing else is mapped in the domain"),
    "nvme-after-release": (CONTAINED, SUCCEEDED, "unmapped and invalidated before the memory is free"),
    "nvme-msix-by-dma": (CONTAINED, CHANCE, "registers are not mapped in the domain"),
    "nvme-msix-by-window": (REFUSED, REFUSED, "the table's page is never lent"),
    "nvme-queue-elsewhere": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
}

# By a driver with an 82574L, looped back.
CARD = {
    "card-own-memory (no crime)": (SUCCEEDED, SUCCEEDED, "leased memory is mapped in the domain"),
    "card-read-kernel": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "card-write-elsewhere": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "card-after-release": (CONTAINED, SUCCEEDED, "unmapped and invalidated before the memory is free"),
    "card-ring-elsewhere": (CONTAINED, SUCCEEDED, "nothing else is mapped in the domain"),
    "card-msix-by-dma": (CONTAINED, CHANCE, "registers are not mapped in the domain"),
}

# By drivers that are hostile in one way each.
STORM = {
    "interrupts-not-received": (STOPPED, STOPPED, "what nobody acknowledges is counted"),
    "interrupts-not-claimed": (STOPPED, STOPPED, "what nobody claims is counted"),
    "interrupts-acknowledged-only": (STOPPED, STOPPED, "a driver whose queue stays full is found out"),
}
LINE = {
    "line-never-acknowledged": (STOPPED, STOPPED, "who is late is skipped, and the third time stopped"),
    "line-left-raised": (SLOWED, SLOWED, "a line that nobody claims is quarantined"),
}
GIVEN = {
    "line-given-away": (NO_OTHER, NO_OTHER, "whose line does not come home gets none"),
}
DYING = {
    "dying-at-each-step": (TAKEN_BACK, TAKEN_BACK, "what was lent comes home"),
}
# By a client that can reach what the operator's shell can.
FLOOD = {
    f"messages-to-{name}": (CONTAINED, CONTAINED, "MIG's checks, then the routine's")
    for name in ("driver", "integrity", "device", "fs", "supervisor", "io")
}
FLOOD_NET = {
    f"messages-to-{name}": (CONTAINED, CONTAINED, "MIG's checks, then the routine's")
    for name in ("net-driver", "netmux", "netdevice", "stream-driver")
}
# By a driver of a fixed device, which has not all the ports that one on the PCI bus has.
FIXED = {
    "fixed-random-messages": (CONTAINED, CONTAINED, "MIG's checks, then the routine's"),
}
# By a Hurd on top.
HURD = {
    "messages-to-hurd": (CONTAINED, CONTAINED, "MIG's checks, then the routine's"),
}
EVERY = {**EDU, **NVME, **CARD, **STORM, **LINE, **GIVEN, **DYING, **FLOOD, **FLOOD_NET, **FIXED, **HURD}

HEAD = ["| crime | defence | `--iommu vtd` | `--iommu none` |", "|---|---|---|---|"]


def is_expected(found, expected):
    return found in (CONTAINED, SUCCEEDED) if expected == CHANCE else found == expected


def wrong(found, crimes, column):
    """Of what was found (crime: outcome), what should not be."""
    return {name: found.get(name) for name, row in crimes.items()
            if not is_expected(found.get(name), row[column])}


def table(columns):
    """Lines of Markdown; each column is what was found."""
    lines = list(HEAD)
    for name, row in EVERY.items():
        cells = [expected if is_expected(column.get(name), expected) else column.get(name, "not attempted")
                 for expected, column in zip(row, columns)]
        lines.append(f"| {name} | {row[2]} | {cells[0]} | {cells[1]} |")
    return lines


def documented():
    """The table in doc/security.md."""
    with open(os.path.join(ROOT, "doc", "security.md"), encoding="utf-8") as file:
        text = file.read()
    return re.search(r"^\| crime \|.*\n(?:\|.*\n)+", text, re.M).group().splitlines()
