# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-net: frames in several buffers, and several pairs of queues."""
import re

from machine.netmux_test import shared_conf
from machine.nic import NAMES, NicTest
from machine.tap import NAME, TapWire, apart
from machine.vm import back
from machine.wire import TAKE

OWN = bytes.fromhex("525400123456")
CARD = NAMES["virtio"]


class NetQueues(NicTest):
    def run_card(self, netdev, properties, commands, *arguments):
        device = f"virtio-net-pci,disable-legacy=on,iommu_platform=on,netdev=n,romfile=,mac=52:54:00:12:34:56{properties}"
        words = ("-netdev", netdev, "-device", device)
        return self.run_machine(commands.replace("NIC", CARD), *(f"--qemu-arg={word}" for word in words), *arguments)

    def run_long(self, wire, properties, commands, *arguments):
        return self.run_card(wire.netdev.replace("stream,", "stream,id=n,"), ",host_mtu=9000" + properties, commands, *arguments)

    def test_long_frames(self):
        for properties in ("", ",mrg_rxbuf=off", ",event_idx=off,indirect_desc=off"):
            for iommu in ("vtd", "none"):
                with self.subTest(properties=properties, iommu=iommu):
                    wire = self.wire(9014)
                    ran = self.run_long(wire, properties, "net-bench NIC echo 2000; net-bench NIC receive 500;"
                                        "net-bench NIC receive 500 9014; net-bench NIC echo 200 60;"
                                        "net-bench NIC echo 200 2036; net-bench NIC echo 200 2037; net-load NIC rx 640 9014 32;"
                                        "net NIC", "--iommu", iommu)
                    self.assert_bench(ran, "receive", 500)
                    for count in (2000, 200):
                        self.assert_bench(ran, "echo", count)
                    self.assertNotRegex(ran.output, "[1-9][0-9]* (wrong|lost)")
                    self.assertEqual((wire.wrong, wire.echoed), (0, 2600), str(ran))
                    self.assert_says(ran, r"received \d+ frames, \d+ bytes, 0 errors, 0 missed; refused 0")

    def test_long_frames_under_kills(self):
        wire = self.wire(9014)
        ran = self.run_long(wire, "", "kill NIC 20 60 3; until NIC 4 net-bench NIC echo 3000; kill NIC 0;"
                            f"{back('NIC')}; net-bench NIC echo 500; net-bench NIC receive 500")
        self.assert_status(ran)
        right = re.findall(r"echo: 3000 sent, (\d+) right, 0 wrong, \d+ stray, \d+ lost", ran.output)
        self.assertTrue(right and min(map(int, right)) > 1000, str(ran))
        self.assert_says(ran, r"^.*: [1-9]\d* drivers took another's place, \d+ frames dropped, \d+ buffers posted again, "
                         "0 completions for nothing$")
        self.assert_says(ran, "echo: 500 sent, 500 right, 0 wrong, 0 stray, 0 lost")

    def test_frames_longer_than_any(self):
        """They come in more buffers than a frame can have, and between others."""
        wire = self.wire(9014)
        flood = [wire.made(TAKE, n, size, OWN) for n, size in enumerate((9014, 9015, 12000, 60, 16000, 2036, 9014, 1514))] * 4
        self.in_background(wire, lambda: wire.send(*flood))
        ran = self.run_long(wire, "", "sleep 300; net-listen NIC 1500; net-bench NIC echo 200; drivers")
        wire.close()
        self.assert_status(ran)
        self.assert_says(ran, r"echo: 200 sent, \d+ right, 0 wrong")
        self.assert_says(ran, "^virtio-net0: [1-9]\\d* to it, 0 to all, 0 to groups, 0 to others")
        self.assert_says(ran, f"^{CARD} +driver +running +\\d+ +\\d+ +[\\d.]+ +0 ")

    def test_long_frames_are_shared(self):
        image = self.make_image("shared.iso", {"supervisor.conf": shared_conf("virtio")})
        wire = self.wire(9014)
        ran = self.run_long(wire, "", "net-bench NICm0 echo 500; net-bench NICm1 receive 100; net-share NICm1 NICm2 300;"
                            "kill NIC 10 60 3; until NIC 4 net-bench NICm1 echo 1000; kill NIC 0", "--image", image)
        self.assert_status(ran)
        self.assert_bench(ran, "echo", 500)
        self.assert_bench(ran, "receive", 100)
        self.assert_says(ran, r"echo: 1000 sent, \d+ right, 0 wrong")

    def on_tap(self, queues, properties, commands, *arguments, most=9014):
        def act():
            wire = TapWire(queues, most)
            try:
                ran = self.run_card(f"tap,id=n,ifname={NAME},script=no,downscript=no,queues={queues}",
                                    f",mq=on,host_mtu={most - 14}{properties}", commands, *arguments)
            finally:
                wire.close()
            self.assertEqual(wire.wrong, 0)
            return ran
        return apart(act)

    def test_pairs_of_queues(self):
        for queues, used, properties in ((1, 1, ""), (2, 2, ",vectors=6"), (3, 3, ",vectors=2"), (4, 4, ",vectors=0"),
                                         (8, 4, ",vectors=18"), (2, 2, ",mrg_rxbuf=off"), (2, 1, ",ctrl_vq=off,mq=off"),
                                         (4, 4, ",event_idx=off,indirect_desc=off")):
            with self.subTest(queues=queues, properties=properties):
                ran = self.on_tap(queues, properties, "net-bench NIC echo 1000; net-bench NIC receive 200; net-bench NIC transmit 500; net NIC")
                self.assert_bench(ran, "echo", 1000)
                self.assert_bench(ran, "receive", 200)
                self.assert_says(ran, f"{CARD}: 52:54:00:12:34:56, frames of up to 9014 bytes, {used} pairs? of queues", "log")

    def test_pairs_for_clients(self):
        """Each client of a shared card sends by a pair of its own, under kills too."""
        image = self.make_image("shared.iso", {"supervisor.conf": shared_conf("virtio")})
        ran = self.on_tap(4, ",vectors=10", "net-bench NICm0 echo 500; net-bench NICm1 echo 500; net-bench NICm2 echo 500;"
                          "net-bench NICm3 echo 500; kill NIC 20 60 3; until NIC 4 net-bench NICm1 echo 1000; kill NIC 0;"
                          f"{back('NIC')}; net-bench NICm2 echo 400; net NIC", "--image", image)
        self.assert_status(ran)
        self.assertEqual(len(re.findall("echo: 500 sent, 500 right, 0 wrong, 0 stray, 0 lost", ran.output)), 4, str(ran))
        self.assert_bench(ran, "echo", 400)

    def test_pairs_as_set(self):
        conf = shared_conf("virtio").replace(b"[settings]", b"[settings]\nvirtio-net = pairs=2")
        ran = self.on_tap(4, "", "net-bench NICm1 echo 300", "--image", self.make_image("set.iso", {"supervisor.conf": conf}))
        self.assert_bench(ran, "echo", 300)
        self.assert_says(ran, "2 pairs of queues", "log")
