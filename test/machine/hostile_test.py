# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile drivers (test/hostile): what they attempt, and what comes of it.

While they are at it, another disk's contents are verified again and again.
"""
import os
import re

from machine.vm import BUILD, ROOT, MachineTest

MIB = 1 << 20

# What comes of each crime with an IOMMU and without: what the driver saw itself.
REFUSED, CONTAINED, SUCCEEDED, DIED = "refused", "contained", "SUCCEEDED", "attempted"
EXPECTED = {
    "own-memory (no crime)": (SUCCEEDED, SUCCEEDED),
    "dma-read-kernel": (CONTAINED, SUCCEEDED),
    "dma-write-elsewhere": (CONTAINED, SUCCEEDED),
    "dma-after-release": (CONTAINED, SUCCEEDED),
    "dma-past-the-page": (CONTAINED, SUCCEEDED),
    "forged-remapped-interrupt": (CONTAINED, CONTAINED),
    "forged-plain-interrupt": (CONTAINED, CONTAINED),
    "privileged-names": (REFUSED, REFUSED),
    "privileged-calls": (REFUSED, REFUSED),
    "other-interfaces": (REFUSED, REFUSED),
    "windows-outside": (REFUSED, REFUSED),
    "ports-outside": (REFUSED, REFUSED),
    "interrupts-of-others": (REFUSED, REFUSED),
    "forged-leases": (REFUSED, REFUSED),
    "configuration-outside": (REFUSED, REFUSED),
    "publish-as-another": (REFUSED, REFUSED),
    "memory-exhaustion": (REFUSED, REFUSED),
    "table-exhaustion": (REFUSED, REFUSED),
    "random-messages": (CONTAINED, CONTAINED),
    "foreign-port": (DIED, DIED),  # its task was ended by the exception
}

DEFENCES = {
    "own-memory (no crime)": "leased memory is mapped in the domain",
    "dma-read-kernel": "nothing else is mapped in the domain",
    "dma-write-elsewhere": "nothing else is mapped in the domain",
    "dma-after-release": "unmapped and invalidated before the memory is free",
    "dma-past-the-page": "nothing else is mapped in the domain",
    "forged-remapped-interrupt": "remapping entries verify the source (not by QEMU, for DMA)",
    "forged-plain-interrupt": "remapping refuses the old format (not in QEMU)",
    "privileged-names": "a task looks up only what it was granted",
    "privileged-calls": "the privileged ports exist only in io",
    "other-interfaces": "a port serves its own interface only",
    "windows-outside": "ranges checked against the window",
    "ports-outside": "only the ports of its BARs",
    "interrupts-of-others": "only its own vectors",
    "forged-leases": "a lease is a port that io made",
    "configuration-outside": "its own function, aligned, in range",
    "publish-as-another": "names are checked and carry the instance's",
    "memory-exhaustion": "a quota per task",
    "table-exhaustion": "a bounded table per device",
    "random-messages": "MIG's checks, then the routine's",
    "foreign-port": "the kernel's permission bitmap: an exception",
}


class Hostile(MachineTest):
    def commit(self, iommu):
        with open(os.path.join(BUILD, "boot", "hostile"), "rb") as file:
            program = file.read()
        with open(os.path.join(ROOT, "test", "hostile", "hostile.manifest"), "rb") as file:
            manifest = file.read()
        image = self.make_image("boot.iso", {"hostile": program, "hostile.manifest": manifest})
        disk = self.blank_image("a.img", 16 * MIB)
        rounds = "verify-pattern nvme0n1 0 8192 9; sleep 800; " * 32
        ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " + rounds + "drivers",
                               "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu,
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assertEqual(ran.output.count("8192 of 8192 blocks as written"), 32, str(ran))
        self.assert_says(ran, r"^nvme0 +driver +running")
        self.assert_says(ran, r"^hostile0 +driver +died")
        self.assert_says(ran, r"hostile0: (bad|exception|arith|emul|soft|break)[^\n]*its task is ended", "log")
        found = {}
        for name, outcome in re.findall(r"hostile0: crime: (.+?): (\w+)", ran.log):
            found[name] = outcome
        return found, ran

    def judge(self, iommu, column):
        found, ran = self.commit(iommu)
        wrong = {name: found.get(name) for name, expected in EXPECTED.items()
                 if found.get(name) != expected[column]}
        self.assertEqual(wrong, {}, str(ran))
        return ran

    def test_with_vtd(self):
        ran = self.judge("vtd", 0)
        for pattern in (r"DMA fault: hostile0: read at 1000000 blocked",
                        r"DMA fault: hostile0: (read|write) at ba000 blocked",
                        r"qemu: .*non-present IRTE"):
            self.assert_says(ran, pattern, "log")
        # Two things that a real unit refuses QEMU's lets through: a request in the old format, and
        # (as QEMU's devices do not say who they are when they write by DMA) one for another's entry.
        # What arrives is an interrupt that means nothing: no harm, as the rest of this test shows.

    def test_without_an_iommu(self):
        ran = self.judge("none", 1)
        self.assert_says(ran, "no IOMMU in use: DMA is not confined", "log")
