# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that fail: QEMU's blkdebug says EIO where it is told to."""
import os
import re
import subprocess

from machine.vm import SBIN, MachineTest

MIB = 1 << 20


class DiskErrors(MachineTest):
    def disk(self, image, *rules):
        """obvm's arguments for an NVMe disk on that image, with an error for each (event, sector or null, once)."""
        text = ""
        for event, sector, once in rules:
            text += f'[inject-error]\nevent = "{event}"\nerrno = "5"\nonce = "{"on" if once else "off"}"\n'
            text += f'sector = "{sector}"\n' if sector is not None else ""
        with open(self.path("rules"), "w", encoding="ascii") as file:
            file.write(text)
        node = f"driver=raw,node-name=bad,file.driver=blkdebug,file.config={self.path('rules')},file.image.driver=file,file.image.filename={image}"
        return ("--qemu-arg=-blockdev", "--qemu-arg=" + node, "--qemu-arg=-device", "--qemu-arg=nvme,serial=bad,drive=bad")

    def test_blocks_that_cannot_be_read_or_written_fail_alone(self):
        image = self.blank_image("a.img", 16 * MIB)
        ran = self.run_machine(
            "write-pattern nvme0n1 0 6000 4; verify-pattern nvme0n1 0 2000 4; verify-pattern nvme0n1 2000 400 4;"
            "verify-pattern nvme0n1 3000 3000 4; write-pattern nvme0n1 8000 1000 4; verify-pattern nvme0n1 0 2000 4; drivers",
            *self.disk(image, ("read_aio", 2100, False), ("write_aio", 8200, False)))
        self.assert_status(ran, 1)
        self.assertEqual(ran.output.count("2000 of 2000 blocks as written"), 2, str(ran))
        self.assert_says(ran, "^verify-pattern: nvme0n1: I/O error$")
        self.assert_says(ran, "^nvme0n1: 3000 of 3000 blocks as written$")
        self.assert_says(ran, "^write-pattern: nvme0n1: I/O error$")
        self.assert_says(ran, r"^nvme0 +driver +running .* 0  -$")  # it is not the driver's fault

    def test_a_load_meets_errors_and_nothing_wrong(self):
        image = self.blank_image("a.img", 16 * MIB)
        rules = [(event, sector, True) for event in ("read_aio", "write_aio") for sector in range(0, 4000, 37)]
        ran = self.run_machine("churn nvme0n1 4000 3000 16; churn nvme0n1 4000 3000 16; churn nvme0n1 4000 3000 16 2; drivers",
                               *self.disk(image, *rules))
        found = re.findall(r"^churn: \d+ done, (\d+) failed, 0 wrong before, 0 wrong;", ran.output, re.M)
        self.assertEqual(len(found), 3, str(ran))
        self.assertGreater(sum(map(int, found)), 20, str(ran))
        self.assert_says(ran, r"^nvme0 +driver +running .* 0  -$")

    def test_a_flush_that_fails_is_told(self):
        image = self.blank_image("a.img", 16 * MIB)
        ran = self.run_machine("churn nvme0n1 64 500 8; churn nvme0n1 64 500 8; kill nvme0; churn nvme0n1 64 0 1; drivers",
                               *self.disk(image, ("flush_to_disk", None, True)))
        ends = re.findall(r"^churn: (\d+) done, (\d+) failed, 0 wrong before, 0 wrong;.*?(; it ended early: I/O error)?$", ran.output, re.M)
        self.assertEqual([bool(early or int(failed)) for _, failed, early in ends], [True, False, False], str(ran))

    def test_a_file_on_bad_blocks_is_an_error_and_the_others_are_read(self):
        os.makedirs(self.path("tree"))
        for name in ("bad", "good"):
            with open(self.path("tree/" + name), "wb") as file:
                file.write(name.encode() * 40000)
        image = self.ext4_image("a.img", "16M", self.path("tree"))
        with open(image, "rb") as file:
            sector = file.read().index(b"bad" * 40000) // 512 + 16
        ran = self.run_machine("mount nvme0n1; sha256sum /bad; sha256sum /good; cp /good /copy; sha256sum /copy; umount /; drivers",
                               *self.disk(image, ("read_aio", sector, False)))
        self.assert_status(ran, 1)
        self.assert_says(ran, "^sha256sum: /bad: I/O error$")
        self.assertEqual(len(set(re.findall(r"^([0-9a-f]{64})  /(?:good|copy)$", ran.output, re.M))), 1, str(ran))
        self.assert_clean(image)

    def test_a_list_that_lacks_something_says_so(self):
        os.makedirs(self.path("tree"))
        for number in range(60):
            with open(self.path(f"tree/{number:02}"), "w", encoding="ascii") as file:
                file.write("x")
        image = self.ext4_image("a.img", "16M", self.path("tree"), ("-b", "1024", "-I", "256"))
        where = subprocess.run(["debugfs", "-R", "imap /59", image], env=SBIN, check=True, capture_output=True, text=True).stdout
        sector = 2 * int(re.search(r"located at block (\d+)", where)[1])
        ran = self.run_machine("mount nvme0n1 / ro; ls -l", *self.disk(image, ("read_aio", sector, False)))
        self.assert_status(ran, 1)
        self.assert_says(ran, "^ls: /59: I/O error$")
        self.assert_says(ran, "^-.* 1 00$")
