# SPDX-License-Identifier: GPL-2.0-or-later
"""Network cards through the kernel's device interface: frames by device_write and net_rcv_msg, filters."""
import re

from machine.netmux_test import shared_conf
from machine.nic import NAMES, NicTest
from machine.vm import back
from machine.wire import TAKE

REFUSALS = """a filter for no direction: D_INVALID_OPERATION
a filter that goes back: D_INVALID_OPERATION
a filter for nobody: D_INVALID_OPERATION
a frame of 1 byte: D_INVALID_SIZE
a read: D_INVALID_OPERATION
an address in 1 word: D_INVALID_SIZE
another flavour: D_INVALID_OPERATION
promiscuous: D_SUCCESS
its flags: D_SUCCESS
flags 1143
not any more: D_SUCCESS
"""


class NetDevice(NicTest):
    def assert_all_right(self, ran, name, count, status=0):
        """`count` frames there and back, and ten more when one of the ports is dead."""
        self.assert_status(ran, status)
        self.assert_says(ran, f"^{name}: {count} sent, all: {count} right, 0 wrong, by BPF, 40 bytes: {count} right, "
                         f"0 wrong, ARP: 0 right, 0 wrong, going: {count} right, 0 wrong$")
        self.assert_says(ran, f"^{name}: {count + 10} sent, all: {count + 10} right, 0 wrong, by BPF, 40 bytes: "
                         f"{count} right, 0 wrong, ARP: 0 right, 0 wrong, going: {count} right, 0 wrong$")
        self.assertIn(REFUSALS, ran.output)

    def test_frames_there_and_back(self):
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "device-net NIC 500; device-net NIC 60 60; device-net NIC 60 1514;"
                                  "device-status NIC; device-net nothing 1")
                self.assert_all_right(ran, name, 500, status=1)  # of the last two
                self.assert_all_right(ran, name, 60, status=1)
                self.assert_says(ran, f"^{name}: 52:54:00:12:34:56, format 1, header 14, address 6, frames of 14 to "
                                 "1514, flags 1043$")
                self.assert_says(ran, "^device-status: .*: D_INVALID_OPERATION")
                self.assert_says(ran, "^device-net: nothing: D_NO_SUCH_DEVICE")
                self.assertEqual((wire.wrong, wire.echoed), (0, 650), str(ran))

    def test_one_of_several_clients(self):
        wire = self.wire()
        image = self.make_image("shared.iso", {"supervisor.conf": shared_conf("virtio")})
        ran = self.run_on(wire, "virtio", "device-net NICm2 300; device-net NIC 1; net-bench NICm1 echo 100",
                          "--image", image)
        self.assert_all_right(ran, "virtio-net0m2", 300, status=1)
        self.assert_says(ran, "^device-net: virtio-net0: D_ALREADY_OPEN$")
        self.assert_says(ran, "^virtio-net0m1: echo: 100 sent, 100 right, 0 wrong, 0 stray, 0 lost ")

    def test_long_frames_are_not_told(self):
        """Of what net_rcv_msg has no room for nobody hears, and no device says that it can be sent."""
        wire = self.wire(9014)
        ran = self.run_on(wire, "virtio", "device-net NIC 300", options=",mtu=9000")
        self.assert_all_right(ran, "virtio-net0", 300)
        self.assert_says(ran, "frames of 14 to 4105, ")

    def test_kills(self):
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "kill NIC 10 60 3; until NIC 4 device-net NIC 3000; kill NIC 0;"
                                  f"{back('NIC')}; device-net NIC 100")
                self.assert_all_right(ran, name, 100)
                under = re.findall(r": 3000 sent, all: (\d+) right, 0 wrong, by BPF, 40 bytes: (\d+) right, 0 wrong",
                                   ran.output)
                self.assertTrue(under and min(int(count) for counts in under for count in counts) > 1000, str(ran))

    def test_a_driver_that_does_not_come_back(self):
        """Whoever has the card finds its port dead."""
        wire = self.wire()
        image = self.make_image("once.iso", {"supervisor.conf": b"[restart]\nquick = 9\ndeaths = 1\n"})
        ran = self.run_on(wire, "virtio", "kill NIC 2 400 3; device-net NIC 1000000; device-net NIC 1", "--image", image)
        self.assert_status(ran, 1)
        self.assert_says(ran, "^device-net: virtio-net0: (?!D_NO_SUCH_DEVICE).*\ndevice-net: virtio-net0: D_NO_SUCH_DEVICE$")

    def test_a_flood(self):
        """What comes faster than anybody takes it is lost, and nothing else."""
        wire = self.wire()
        flood = [wire.made(TAKE, n, size, to) for n, size, to in (
            (1, 60, b"\xff" * 6), (2, 1514, b"\xff" * 6), (3, 1514, bytes.fromhex("525400123456")))] * 8
        self.in_background(wire, lambda: wire.send(*flood))
        ran = self.run_on(wire, "virtio", "sleep 200; device-net NIC 200; drivers")
        wire.close()
        self.assert_status(ran)
        self.assert_says(ran, r": 200 sent, all: [1-9]\d* right, \d+ wrong, by BPF")
        self.assert_says(ran, r"^netdevice +service +running +\d+ +\d+ +[\d.]+ +0 ")
