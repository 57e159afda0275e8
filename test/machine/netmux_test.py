# SPDX-License-Identifier: GPL-2.0-or-later
"""A card that several clients share: addresses, who gets what, and deaths on the way."""
import os
import re

from machine.nic import NAMES, NicTest
from machine.vm import ROOT, back


def shared_conf(kind, clients=4):
    """The configuration by which a card of that kind is shared."""
    with open(os.path.join(ROOT, "server/supervisor/supervisor.conf"), "rb") as file:
        return file.read() + f"{NAMES[kind]}m = {NAMES[kind]} clients={clients}\n".encode()


class NetMux(NicTest):
    def shared_image(self, kind):
        return self.make_image(f"shared-{kind}.iso", {"supervisor.conf": shared_conf(kind)})

    def test_each_client_has_its_own(self):
        """Traffic with the peer under every address; between two of them; nothing under a stolen one. No more is received at
        a time than the card's queue and the client's have room for: what a client has no buffer for is lost, and all of it may
        come before the client runs."""
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "net; net-bench NICm0 echo 500; net-bench NICm3 echo 500;"
                                  "net-bench NICm1 transmit 500; net-bench NICm2 receive 200; net-share NICm1 NICm2 300;"
                                  "net NICm1", "--image", self.shared_image(kind))
                self.assert_status(ran)
                self.assertEqual(len(re.findall(r": echo: 500 sent, 500 right, 0 wrong, 0 stray, 0 lost", ran.output)), 2,
                                 str(ran))
                self.assert_bench(ran, "receive", 200)
                self.assertEqual((wire.taken, wire.wrong, wire.echoed), (500, 0, 1000), str(ran))
                addresses = re.findall(f"^{name}m[0-3]: ([0-9a-f:]+), link", ran.output, re.M)
                self.assertEqual(addresses[:4], ["52:54:00:12:34:56"] + [f"52:5{n}:00:12:34:56" for n in (5, 6, 7)])
                self.assert_says(ran, f"^{name}m1: 300 to it, 300 to all, 0 to its group, 0 under its own address, "
                                 "0 wrong; of its own 900 sent, 300 refused$")
                self.assert_says(ran, f"^{name}m2: 300 to it, 300 to all, 300 to its group, 0 under its own address, "
                                 "0 wrong; of its own 900 sent, 300 refused$")
                self.assertFalse([frame for frame in wire.others if frame[12:15] == b"\x88\xb6\x03"], str(ran))

    def test_deaths(self):
        """Of the card's driver, and of the multiplexer."""
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "kill NIC 10 60 3; until NIC 4 net-bench NICm1 echo 3000; kill NIC 0; "
                                  f"{back('NIC')}; kill NICm 10 60 4; until NICm 4 net-bench NICm2 echo 3000; kill NICm 0;"
                                  f"{back('NICm')}; net-bench NICm0 echo 500", "--image", self.shared_image(kind))
                self.assert_status(ran)
                for client in (1, 2):
                    under = re.findall(rf"^{name}m{client}: echo: 3000 sent, (\d+) right, 0 wrong, \d+ stray, \d+ lost",
                                       ran.output, re.M)
                    self.assertTrue(under and min(map(int, under)) > 1000, str(ran))
                self.assert_says(ran, "echo: 500 sent, 500 right, 0 wrong, 0 stray, 0 lost")

    def test_a_card_that_is_not_there(self):
        ran = self.run_machine("net", "--image", self.shared_image("virtio"))
        self.assert_status(ran)
        self.assert_says(ran, "virtio-net0m: not there, as its card is not: virtio-net0 clients=4", "log")
