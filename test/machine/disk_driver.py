# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of every driver for disks in the same way."""
import hashlib
import re

from machine.monitored import MonitoredTest

MIB = 1 << 20


class DiskDriverTest(MonitoredTest):
    """Of the driver DRIVER, its disk DISK, which obvm attaches as a KIND."""
    DRIVER = DISK = KIND = None

    def pattern(self, start, count, seed):
        return f"write-pattern {self.DISK} {start} {count} {seed}; verify-pattern {self.DISK} {start} {count} {seed}"

    def assert_pattern(self, ran, count):
        self.assert_status(ran)
        self.assert_says(ran, f"^{self.DISK}: {count} of {count} blocks as written$")

    def check_same_bytes_as_nvme(self):
        """The same commands leave the same image."""
        images = self.blank_image("a.img", 8 * MIB), self.blank_image("b.img", 8 * MIB)
        ran = self.run_machine(f"write-pattern nvme0n1 5 9001 6; write-pattern {self.DISK} 5 9001 6",
                               "--disk", f"nvme:{images[0]}", "--disk", f"{self.KIND}:{images[1]}")
        self.assert_status(ran)
        contents = []
        for image in images:
            with open(image, "rb") as file:
                contents.append(file.read())
        self.assertEqual(*contents)
        self.assertEqual(contents[1][:5 * 512], bytes(5 * 512))
        self.assertNotEqual(contents[1][5 * 512:6 * 512], bytes(512))
        self.assertNotEqual(contents[1][9005 * 512:9006 * 512], bytes(512))
        self.assertEqual(contents[1][9006 * 512:], bytes(8 * MIB - 9006 * 512))

    def check_patterns_under_kills(self):
        image = self.blank_image("a.img", 64 * MIB)
        for iommu in ("vtd", "none"):
            ran = self.run_machine(f"kill {self.DRIVER} 1000 60 3; until {self.DRIVER} 3 write-pattern {self.DISK} 5 60001 4;"
                                   f"until {self.DRIVER} 6 verify-pattern {self.DISK} 5 60001 4", "--disk", f"{self.KIND}:{image}", "--iommu", iommu)
            self.assert_pattern(ran, 60001)

    def failing_reads(self, image, sector, more=""):
        """The image for QEMU, but that reading that sector is an error."""
        rules = self.path("rules")
        with open(rules, "w", encoding="ascii") as file:
            file.write(f'[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "{sector}"\n{more}')
        return f"blkdebug:{rules}:{image}"

    def assert_sums(self, ran, path, count):
        """It printed so many SHA-256 sums, each of them that of the file."""
        with open(path, "rb") as file:
            wanted = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(re.findall(r"^([0-9a-f]{64}) ", ran.output, re.M), [wanted] * count, str(ran))
