# SPDX-License-Identifier: GPL-2.0-or-later
"""Random bytes: from QEMU's virtio entropy device, also while the driver dies, and of a device that is refused."""
import re

from machine.vm import MachineTest

NAME = "virtio-rng0"
USUAL = "disable-legacy=on,iommu_platform=on"


class Random(MachineTest):
    def run_device(self, commands, properties=USUAL, *arguments):
        return self.run_machine(commands, "--qemu-arg=-device", f"--qemu-arg=virtio-rng-pci,{properties}", *arguments)

    def test_bytes_come_and_differ(self):
        ran = self.run_device(f"stream-read {NAME} 256; stream-read {NAME} 256; devices -v")
        self.assert_status(ran)
        lines = re.findall("^[0-9a-f]{64}$", ran.output, re.M)
        self.assertEqual(len(set(lines)), 16, str(ran))
        # Of 512 random bytes some 221 values are there; fewer than 150 come never.
        self.assertGreater(len(set(bytes.fromhex("".join(lines)))), 150, str(ran))
        self.assert_says(ran, f"driver {NAME} \\(running\\)")
        self.assert_says(ran, f"^ +port +{NAME} \\(random\\)")
        driver = ran.output[ran.output.index(f"driver {NAME} "):]
        self.assertRegex(driver.splitlines()[1], "bus master .*, confined")

    def test_reading_while_the_driver_dies(self):
        ran = self.run_device(f"kill {NAME} 1000 200 3; until {NAME} 4 stream-read {NAME} 1000000; kill {NAME} 0;"
                              f"stream-read {NAME} 32; drivers")
        self.assert_status(ran)
        died = sum(map(int, re.findall(rf"^{NAME}: 1000000 bytes, (\d+) drivers died", ran.output, re.M)))
        self.assertGreater(died, 0, str(ran))
        self.assert_says(ran, "^[0-9a-f]{64}$")
        restarts = int(re.search(rf"^{NAME} +driver +running +\d+ +\d+ +[\d.]+ +(\d+) ", ran.output, re.M)[1])
        self.assertGreaterEqual(restarts, died, str(ran))

    def test_the_next_driver_goes_on(self):
        ran = self.run_device(f"stream-read {NAME} 32; kill {NAME}; stream-read {NAME} 32; drivers")
        self.assert_status(ran)
        self.assertEqual(len(set(re.findall("^[0-9a-f]{64}$", ran.output, re.M))), 2, str(ran))
        self.assert_says(ran, rf"^{NAME} +driver +running .* 1  ")

    def test_devices_of_all_kinds(self):
        """One that is slow, one message for all, no message at all (a line), without event index, without an IOMMU."""
        for properties, arguments in ((USUAL + ",max-bytes=64,period=50", ()), (USUAL + ",vectors=1", ()),
                                      (USUAL + ",vectors=0", ()), (USUAL + ",event_idx=off,indirect_desc=off", ()),
                                      ("disable-legacy=off", ("--iommu", "none"))):
            with self.subTest(properties=properties):
                ran = self.run_device(f"stream-read {NAME} 700", properties, *arguments)
                self.assert_status(ran)
                self.assert_says(ran, f"^{NAME}: 700 bytes, 0 drivers died")

    def test_a_device_that_bypasses_the_iommu_is_refused(self):
        ran = self.run_device(f"stream-read {NAME} 32", "disable-legacy=on")
        self.assert_status(ran, 1)
        self.assert_says(ran, f"{NAME}: error: the device bypasses the IOMMU", "log")
