# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks that are taken out and put in while the machine works with them."""
import time

from machine.monitored import MonitoredTest
from machine.vm import LIMIT, back

MIB = 1 << 20
NVME = {"driver": "nvme", "id": "nvme0", "serial": "outboard0", "bus": "slot0", "drive": "disk0"}
EMPTY_SLOT = ("--qemu-arg=-device", "--qemu-arg=pcie-root-port,id=slot1,chassis=9,slot=9")


class HotPlug(MonitoredTest):
    def run_with(self, commands, act, *arguments):
        """Run commands, and `act` with the machine at the same time."""
        machine = self.start(commands, *arguments)
        act(machine)
        return machine.end()

    def logged(self, machine, pattern, count=1):
        self.assertTrue(machine.wait_for_log(pattern, count), machine.logged())

    def requests_wait(self, machine, more):
        """Until the disks have had so many more requests."""
        def requests():
            return sum(disk["stats"]["rd_operations"] + disk["stats"]["wr_operations"] for disk in machine.do("query-blockstats")
                       if "nvme0" in disk.get("qdev", ""))
        begun, deadline = requests(), time.monotonic() + LIMIT
        while requests() < begun + more:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_the_same_disk_comes_back_and_its_client_goes_on(self):
        image = self.blank_image("a.img", 32 * MIB)

        def act(machine):
            for i in range(3):
                self.requests_wait(machine, 300)
                machine.take_out("nvme0")
                machine.do("device_add", **NVME)
                self.logged(machine, "nvme0: running again", i + 1)

        ran = self.run_with("write-pattern nvme0n1 5000 3000 4; until nvme0 3 churn nvme0n1 4000 10000 16;"
                            "verify-pattern nvme0n1 5000 3000 4; drivers", act, "--disk", f"nvme:{image},slot")
        self.assert_status(ran)
        self.assertEqual(ran.output.count(" done, "),
                         ran.output.count("\nchurn: 10000 done, 0 failed, 0 wrong before, 0 wrong;"), str(ran))
        self.assert_says(ran, "^nvme0n1: 3000 of 3000 blocks as written$")
        self.assert_says(ran, r"^nvme0 +driver +running .* 3  ")

    def test_another_disk_in_its_place_is_not_written_to(self):
        image, other = self.blank_image("a.img", 32 * MIB), self.blank_image("b.img", 32 * MIB)

        def act(machine):
            self.requests_wait(machine, 300)
            machine.do("blockdev-add", **{"node-name": "other", "driver": "raw", "file": {"driver": "file", "filename": other}})
            machine.take_out("nvme0")
            machine.do("device_add", **{**NVME, "serial": "another", "drive": "other"})

        ran = self.run_with("until nvme0 1 churn nvme0n1 4000 10000 16; hexdump nvme0n1 0 1; drivers", act, "--disk", f"nvme:{image},slot")
        self.assert_says(ran, r"^churn: \d+ done, [1-9]\d* failed, 0 wrong before, 0 wrong;.*; it ended early: No such device")
        self.assert_says(ran, r"nvme0n1: another disk is in its place \(serial another, was outboard0\): nothing is written to it", "log")
        self.assert_says(ran, r"^nvme0 +driver +running .* 1  ")
        with open(other, "rb") as file:
            self.assertEqual(file.read(), bytes(32 * MIB))

    def test_an_integrity_filter_that_nobody_uses_notices(self):
        """Its session with the disk waits for the next client, and goes with the disk."""
        image, other = self.blank_image("a.img", 32 * MIB), self.blank_image("b.img", 32 * MIB)

        def act(machine):
            self.requests_wait(machine, 500)
            time.sleep(1)  # it is over
            machine.do("blockdev-add", **{"node-name": "other", "driver": "raw", "file": {"driver": "file", "filename": other}})
            machine.take_out("nvme0")
            machine.do("device_add", **{**NVME, "serial": "another", "drive": "other"})

        filtered = self.make_image("filter.iso", {"supervisor.conf": b"[integrity]\nchecked0 = nvme0n1\n"})
        ran = self.run_with("bench checked0 randread 500 1 4096; until nvme0 1 sleep 50; write-pattern checked0 0 100 4", act,
                            "--image", filtered, "--disk", f"nvme:{image},slot")
        self.assert_says(ran, "^write-pattern: checked0: ")
        self.assert_says(ran, r"disk0: another disk is in its place \(serial another, was outboard0\): nothing is written to it", "log")
        with open(other, "rb") as file:
            self.assertEqual(file.read(), bytes(32 * MIB))

    def test_what_does_not_come_back_is_an_error_and_what_comes_later_is_there(self):
        image = self.blank_image("a.img", 32 * MIB)

        def act(machine):
            self.requests_wait(machine, 300)
            machine.take_out("nvme0")
            self.logged(machine, "nvme0: its device does not come back")
            machine.do("device_add", **NVME)
            machine.do("blockdev-add", **{"node-name": "second", "driver": "raw",
                                          "file": {"driver": "file", "filename": self.blank_image("b.img", 16 * MIB)}})
            machine.do("device_add", driver="virtio-blk-pci", id="second", bus="slot1", drive="second", serial="second",
                       **{"disable-legacy": "on", "iommu_platform": True})

        ran = self.run_with(f"until nvme0 1 churn nvme0n1 4000 10000 16; {back('nvme0')}; churn nvme0n1 4000 300 16;"
                            f"{back('virtio-blk0', 0)}; write-pattern virtio-blk0 0 3000 4; verify-pattern virtio-blk0 0 3000 4; devices", act, "--disk", f"nvme:{image},slot",
                            *EMPTY_SLOT)
        self.assert_says(ran, r"^churn: \d+ done, [1-9]\d* failed, .*; it ended early: No such device")
        self.assert_says(ran, r"^churn: 300 done, 0 failed, 0 wrong before, 0 wrong;")
        self.assert_says(ran, "^virtio-blk0: 3000 of 3000 blocks as written$")
        self.assert_says(ran, r"driver virtio-blk0 \(running\), virtio-blk0$")
