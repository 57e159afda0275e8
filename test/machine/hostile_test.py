# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile drivers (test/hostile): what they attempt, and what comes of it.

While they are at it, another disk's contents are verified again and again.
"""
import os
import re

from machine.vm import BUILD, ONCE, ROOT, MachineTest

MIB = 1 << 20

# What comes of each crime with an IOMMU and without: what the driver saw itself.
REFUSED, CONTAINED, SUCCEEDED, DIED = "refused", "contained", "SUCCEEDED", "attempted"
EITHER = "contained or SUCCEEDED"
EXPECTED = {
    "own-memory (no crime)": (SUCCEEDED, SUCCEEDED),
    "dma-read-kernel": (CONTAINED, SUCCEEDED),
    "dma-write-elsewhere": (CONTAINED, SUCCEEDED),
    "dma-after-release": (CONTAINED, SUCCEEDED),
    "dma-after-revocation": (CONTAINED, SUCCEEDED),
    "dma-anothers-buffer": (CONTAINED, EITHER),
    "dma-past-the-page": (CONTAINED, EITHER),  # without an IOMMU: what happens to be there
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
    "configuration-written": (REFUSED, REFUSED),
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
    "dma-after-revocation": "unmapped, leases void, the address kept free",
    "dma-anothers-buffer": "each device has a domain of its own",
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
    "configuration-written": "a filter per register, checked calls for the rest",
    "publish-as-another": "names are checked and carry the instance's",
    "memory-exhaustion": "a quota per task",
    "table-exhaustion": "a bounded table per device",
    "random-messages": "MIG's checks, then the routine's",
    "foreign-port": "the kernel's permission bitmap: an exception",
}


# The same for a driver with an NVMe controller: what, expected with VT-d and without, defence.
NOTHING_ELSE = "nothing else is mapped in the domain"
NVME = {
    "nvme-own-memory (no crime)": (SUCCEEDED, SUCCEEDED, "leased memory is mapped in the domain"),
    "nvme-read-kernel": (CONTAINED, SUCCEEDED, NOTHING_ELSE),
    "nvme-write-elsewhere": (CONTAINED, SUCCEEDED, NOTHING_ELSE),
    "nvme-list-entry": (CONTAINED, SUCCEEDED, NOTHING_ELSE),
    "nvme-just-past": (CONTAINED, EITHER, NOTHING_ELSE),
    "nvme-after-release": (CONTAINED, SUCCEEDED, "unmapped and invalidated before the memory is free"),
    "nvme-msix-by-dma": (CONTAINED, EITHER, "registers are not mapped in the domain"),
    "nvme-msix-by-window": (REFUSED, REFUSED, "the table's page is never lent"),
    "nvme-queue-elsewhere": (CONTAINED, SUCCEEDED, NOTHING_ELSE),
}


# A crime by DMA can take this driver seconds in which it listens to nobody: one asks whether it does seldom.
PATIENT = ONCE + b"watch = 60000\n"


class Hostile(MachineTest):
    def image_with(self, name, more=None):
        with open(os.path.join(BUILD, "boot", name), "rb") as file:
            program = file.read()
        with open(os.path.join(ROOT, "test", "hostile", name + ".manifest"), "rb") as file:
            manifest = file.read()
        return self.make_image(name + ".iso", {name: program, name + ".manifest": manifest,
                                               "supervisor.conf": PATIENT, **(more or {})})

    def commit(self, iommu):
        image = self.image_with("hostile")
        disk = self.blank_image("a.img", 16 * MIB)
        rounds = "verify-pattern nvme0n1 0 8192 9; sleep 800; " * 44
        ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " + rounds + "drivers",
                               "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu,
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assertEqual(ran.output.count("8192 of 8192 blocks as written"), 44, str(ran))
        self.assert_says(ran, r"^nvme0 +driver +running")
        self.assert_says(ran, r"^hostile0 +driver +died")
        self.assert_says(ran, r"hostile0: (bad|exception|arith|emul|soft|break)[^\n]*its task is ended", "log")
        found = {}
        for name, outcome in re.findall(r"hostile0: crime: (.+?): (\w+)", ran.log):
            found[name] = outcome
        return found, ran

    def commit_nvme(self, iommu):
        """Its own controller has an id of its own; the honest driver keeps the other."""
        with open(os.path.join(ROOT, "driver", "nvme", "nvme.manifest"), encoding="ascii") as file:
            honest = file.read().replace("class = 01:08:02", "ids = 1b36:0010").encode()
        image = self.image_with("hostile-nvme", {"nvme.manifest": honest})
        good, bad = (self.blank_image(name, 16 * MIB) for name in ("good.img", "bad.img"))
        rounds = "verify-pattern nvme0n1 0 8192 9; sleep 500; " * 8
        ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " + rounds + "drivers",
                               "--disk", f"nvme:{good}", "--image", image, "--iommu", iommu,
                               "--qemu-arg=-drive", f"--qemu-arg=if=none,id=bad,format=raw,file={bad}",
                               "--qemu-arg=-device",
                               "--qemu-arg=nvme,drive=bad,serial=bad,use-intel-id=on")
        self.assert_status(ran)
        self.assertEqual(ran.output.count("8192 of 8192 blocks as written"), 8, str(ran))
        return dict(re.findall(r"hostile-nvme0: crime: (.+?): (\w+)", ran.log)), ran

    def judge_nvme(self, iommu, column):
        found, ran = self.commit_nvme(iommu)
        wrong = {name: found.get(name) for name, expected in NVME.items()
                 if found.get(name, "nothing") not in expected[column]}
        self.assertEqual(wrong, {}, str(ran))
        return ran

    def test_nvme_with_vtd(self):
        ran = self.judge_nvme("vtd", 0)
        self.assert_says(ran, "DMA fault: hostile-nvme0: read at 1000000 blocked", "log")
        self.assert_says(ran, "DMA fault: hostile-nvme0: write at ba000 blocked", "log")

    def test_nvme_without_an_iommu(self):
        self.judge_nvme("none", 1)

    def judge(self, iommu, column):
        found, ran = self.commit(iommu)
        wrong = {name: found.get(name) for name, expected in EXPECTED.items()
                 if found.get(name, "nothing") not in expected[column]}
        self.assertEqual(wrong, {}, str(ran))
        return ran

    def test_with_vtd(self):
        ran = self.judge("vtd", 0)
        for pattern in (r"DMA fault: hostile0: read at 1000000 blocked",
                        r"DMA fault: hostile0: .*: its owner revoked that memory",
                        r"DMA fault: hostile0: (read|write) at ba000 blocked",
                        r"qemu: .*non-present IRTE"):
            self.assert_says(ran, pattern, "log")
        # Two things that a real unit refuses QEMU's lets through: a request in the old format, and
        # (as QEMU's devices do not say who they are when they write by DMA) one for another's entry.
        # What arrives is an interrupt that means nothing: no harm, as the rest of this test shows.

    def test_policy_that_stops_a_driver(self):
        image = self.image_with("hostile", {"supervisor.conf": b"[faults]\npolicy = stop\n" + PATIENT})
        ran = self.run_machine("sleep 6000; drivers", "--image", image,
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assert_says(ran, "hostile0: its device was refused to read 1000000 ", "log")
        self.assert_says(ran, "^hostile0 +driver +failed .* DMA fault$")

    def test_a_policy_that_is_none(self):
        image = self.image_with("hostile", {"supervisor.conf": b"[faults]\npolicy = shrug\n"})
        ran = self.run_machine("uptime", "--image", image)
        self.assert_status(ran)
        self.assert_says(ran, r"supervisor.conf: line 2: neither \[faults\] policy", "log")

    def test_dying_at_each_step(self):
        """Seven devices, whose drivers die one step later each; a disk works all the while."""
        image = self.image_with("dying", {"supervisor.conf": b"[restart]\ndeaths = 2\n"})
        disk = self.blank_image("a.img", 8 * MIB)
        devices = ["--qemu-arg=-device", "--qemu-arg=edu"] * 5
        for port in ("a", "b"):
            devices += ["--qemu-arg=-device", f"--qemu-arg=pcie-root-port,id={port},chassis={ord(port)}",
                        "--qemu-arg=-device", f"--qemu-arg=edu,bus={port}"]
        for iommu in ("vtd", "none"):
            ran = self.run_machine(
                "write-pattern nvme0n1 0 8192 9; sleep 1500; verify-pattern nvme0n1 0 8192 9; drivers;"
                "devices -v", "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu, *devices)
            self.assert_status(ran)
            for number in range(7):
                self.assert_says(ran, rf"dying{number}: dying ", "log")
                self.assert_says(ran, rf"^dying{number} +driver +died .* 2  ")
                self.assert_says(ran, rf"dying{number}: given up after 3 deaths: .*`restart dying{number}`", "log")
            self.assert_says(ran, "8192 of 8192 blocks as written")
            self.assertNotIn("cannot be taken back", ran.log)
            # Edu has no reset of its own; with a bus to itself it is reset with that. The board's AHCI
            # controller has none either.
            silenced = re.findall(r"pci (?!0000:00:1f\.2)\S+: has no reset: only silenced", ran.log)
            self.assertEqual(len(silenced), 5 * 3, str(ran))

    def test_a_shared_line(self):
        """Three drivers on one line: one honest, one that sits on it, one that lets it storm."""
        image = self.image_with("sharer")
        disk = self.blank_image("a.img", 8 * MIB)
        devices = [f"--qemu-arg={word}" for slot in ("10", "14", "18")
                   for word in ("-device", f"e1000,addr={slot},romfile=")]
        ran = self.run_machine(
            "write-pattern nvme0n1 0 8192 9; sleep 7000; verify-pattern nvme0n1 0 8192 9; drivers; devices -v",
            "--disk", f"nvme:{disk}", "--image", image, *devices)
        self.assert_status(ran)
        for times in (1, 2, 3):
            self.assert_says(ran, rf"line \d+: sharer1 sits on it: skipped \({times}\)", "log")
        self.assertNotIn("sits on it: skipped (4)", ran.log)
        self.assert_says(ran, "sharer1: stopped: it sits on interrupt line", "log")
        self.assert_says(ran, "^sharer1 +driver +failed .* sat on an interrupt line")
        self.assert_says(ran, r"line \d+ storms and nobody claims it: quarantined; sharer2 is on it", "log")
        self.assert_says(ran, r"line \d+ is quiet: out of quarantine", "log")
        self.assert_says(ran, "^sharer0 +driver +running")
        self.assert_says(ran, "^sharer2 +driver +running")
        after = ran.log[ran.log.index("out of quarantine"):]
        self.assertRegex(after, r"sharer0: \d+ interrupts")
        self.assert_says(ran, "8192 of 8192 blocks as written")

    def test_without_an_iommu(self):
        ran = self.judge("none", 1)
        self.assert_says(ran, "no IOMMU in use: DMA is not confined", "log")
