# SPDX-License-Identifier: GPL-2.0-or-later
"""Network cards: frames of all sizes, bursts and floods, filters, the link, and drivers that die."""
import os
import re
import struct

from machine.monitored import Monitored
from machine.nic import NAMES, NicTest
from machine.vm import ROOT, back
from machine.wire import BROADCAST, PEER, TAKE

OWN = bytes.fromhex("525400123456")
OTHER = bytes.fromhex("525400999999")
GROUP, GROUPS = bytes.fromhex("01005e010203"), bytes.fromhex("333300000001")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def arp_request(own, wanted):
    return (BROADCAST + PEER + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + PEER + own
            + bytes(6) + wanted + bytes(18))


def echo_request(source, target, text):
    icmp = struct.pack("!BBHHH", 8, 0, 0, 1, 2) + text
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0) + source + target
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return OWN + PEER + b"\x08\x00" + header + icmp


class Net(NicTest):
    def test_frames_of_all_sizes(self):
        for kind in NAMES:
            for iommu in ("vtd", "none"):
                with self.subTest(kind=kind, iommu=iommu):
                    wire = self.wire()
                    ran = self.run_on(wire, kind, "net-bench NIC echo 3000; net-bench NIC transmit 2000;"
                                      "net-bench NIC receive 2000; net-bench NIC echo 300 60; net-bench NIC "
                                      "echo 300 1514; net NIC", "--iommu", iommu)
                    self.assert_bench(ran, "echo", 3000)
                    self.assert_bench(ran, "receive", 2000)
                    self.assert_bench(ran, "echo", 300)
                    self.assertEqual((wire.taken, wire.wrong, wire.echoed), (2000, 0, 3600), str(ran))
                    self.assert_says(ran, r"sent \d+ frames, \d+ bytes, 0 errors")
                    self.assert_says(ran, r"received \d+ frames, \d+ bytes, 0 errors, 0 missed; refused 0")
                    self.assert_says(ran, f"^{NAMES[kind]}: 52:54:00:12:34:56, link up,.* MTU 1500, ")

    def test_load(self):
        """What bench/outboard_net.py measures. Each runs twice, after four batches."""
        for kind in NAMES:
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "net-load NIC tx 640 60 32; net-load NIC rx 640 1514 32;"
                                  "net-load NIC echo 640 1514 32; net-load NIC echo 64 60 1; net-load NIC echo 65 60 32")
                self.assertEqual(len(re.findall(r" (?:640|64) frames in \d+ us; of batches p50 ", ran.output)), 4,
                                 str(ran))
                self.assertEqual((wire.taken, wire.echoed), (2 * 640 + 4 * 32, 2 * 640 + 4 * 32 + 2 * 64 + 4),
                                 str(ran))
                self.assert_status(ran, 2)  # 65 is no multiple of 32

    def test_long_frames(self):
        wire = self.wire(9014)
        ran = self.run_on(wire, "virtio", "net-bench NIC echo 1000; net-bench NIC receive 500 9014",
                          options=",mtu=9000")
        self.assert_bench(ran, "echo", 1000)
        self.assert_bench(ran, "receive", 500)
        wire = self.wire(9014)
        with open(os.path.join(ROOT, "server/supervisor/supervisor.conf"), "rb") as file:
            conf = file.read().replace(b"mtu=1500", b"mtu=9000")
        image = self.make_image("long.iso", {"supervisor.conf": conf})
        ran = self.run_on(wire, "e1000e", "net-bench NIC echo 1000", "--image", image)
        self.assert_bench(ran, "echo", 1000)

    def test_virtio_devices_of_all_kinds(self):
        """Less than the usual: no event index, no indirect descriptors, no control queue, one message for
        all, no message at all (a line), more than one pair of queues, an old interface beside the new one."""
        for properties in ("event_idx=off", "indirect_desc=off", "event_idx=off,indirect_desc=off", "ctrl_vq=off",
                           "ctrl_rx=off", "vectors=1", "vectors=2", "vectors=0", "mrg_rxbuf=off", "packed=on",
                           "csum=off", "page-per-vq=on", "rx_queue_size=1024,tx_queue_size=256", "speed=10000,duplex=full"):
            with self.subTest(properties=properties):
                wire = self.wire()
                device = f"virtio-net-pci,disable-legacy=on,iommu_platform=on,netdev=n,romfile=,{properties}"
                ran = self.run_machine("net-bench virtio-net0 echo 500; net", *(f"--qemu-arg={word}" for word in (
                    "-netdev", wire.netdev.replace("stream,", "stream,id=n,"), "-device", device)))
                self.assert_bench(ran, "echo", 500)
                if properties.startswith("speed"):
                    self.assert_says(ran, "link up, 10000 Mbit/s full duplex")

    def test_a_device_that_bypasses_the_iommu_is_refused(self):
        ran = self.run_machine("net; net-bench virtio-net0 echo 1", *(f"--qemu-arg={word}" for word in (
            "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,disable-legacy=on,netdev=n,romfile=")))
        self.assert_status(ran, 1)
        self.assert_says(ran, "virtio-net0: error: the device bypasses the IOMMU", "log")

    def test_ping(self):
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                ran = self.run_machine(f"ping {name} 10.0.2.15 10.0.2.2 8; ping {name} 10.0.2.15 10.0.2.2 4 1472",
                                       "--nic", kind)
                self.assert_status(ran)
                self.assert_says(ran, "^10.0.2.2: 8 of 8 answered, ")
                self.assert_says(ran, "^10.0.2.2: 4 of 4 answered, ")
                ran = self.run_machine(f"ping {name} 10.0.2.15 10.0.9.9", "--nic", kind)
                self.assert_status(ran, 1)
                self.assert_says(ran, "nobody says to have that address")

    def test_it_answers(self):
        own, peer = bytes((10, 1, 0, 7)), bytes((10, 1, 0, 9))
        text = bytes(range(200)) * 5
        for kind in NAMES:
            with self.subTest(kind=kind):
                wire = self.wire()
                self.in_background(wire, lambda w=wire: w.send(
                    arp_request(peer, own), echo_request(peer, own, text), echo_request(peer, own, text)[:90]))
                ran = self.run_on(wire, kind, "net-answer NIC 10.1.0.7 600; kill NIC 8 40 5;"
                                  f"until NIC 4 net-answer NIC 10.1.0.7 500; kill NIC 0; {back('NIC')};"
                                  "net-answer NIC 10.1.0.7 500")
                wire.close()
                self.assert_status(ran)
                answered = [int(count) for count in re.findall(r": (\d+) answered$", ran.output, re.M)]
                self.assertTrue(len(answered) >= 3 and answered[0] > 0 and sum(answered[1:-1]) > 0 and answered[-1] > 0, str(ran))
                arp = PEER + OWN + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + OWN + own + PEER + peer
                self.assertTrue(any(frame.startswith(arp) for frame in wire.others), str(ran))
                self.assertTrue(any(frame[:14] == PEER + OWN + b"\x08\x00" and frame[34] == 0 and
                                    frame[42:] == text for frame in wire.others), str(ran))

    def test_filters(self):
        for kind in NAMES:
            with self.subTest(kind=kind):
                wire = self.wire()
                self.in_background(wire, lambda w=wire: w.send(
                    *(w.made(TAKE, 1, 100, to) for to in (OWN, BROADCAST, GROUP, GROUPS, OTHER))))
                listen = "net-listen NIC 400"
                ran = self.run_on(wire, kind, f"{listen}; {listen} all-multicast; {listen} promiscuous;"
                                  f"{listen} 01:00:5e:01:02:03; {listen}; kill NIC; {listen} 01:00:5e:01:02:03")
                wire.close()
                self.assert_status(ran)
                seen = [tuple(map(int, row)) for row in re.findall(
                    r": (\d+) to it, (\d+) to all, (\d+) to groups, (\d+) to others$", ran.output, re.M)]
                self.assertEqual(len(seen), 6, str(ran))
                self.assertTrue(all(row[0] > 0 and row[1] > 0 for row in seen), str(ran))
                own, every, promiscuous, one, again, restarted = seen
                for row in (own, again):
                    self.assertEqual(row[2:], (0, 0), str(ran))
                self.assertTrue(every[2] > every[1] and every[3] == 0, str(ran))
                self.assertTrue(promiscuous[2] > promiscuous[1] and promiscuous[3] > 0, str(ran))
                for row in (one, restarted):
                    self.assertTrue(0 < row[2] <= row[1] + 2 and row[3] == 0, str(ran))

    def test_sums_of_what_comes(self):
        """Those that are right are told, and a frame whose are not comes all the same."""
        def datagram(text, wrong):
            source, target = bytes((10, 1, 0, 9)), bytes((10, 1, 0, 7))
            udp = struct.pack("!HHHH", 5, 6, 8 + len(text), 0) + text
            total = checksum(source + target + struct.pack("!HH", 17, len(udp)) + udp)
            udp = udp[:6] + struct.pack("!H", total ^ wrong) + udp[8:]
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + target
            return OWN + PEER + b"\x08\x00" + header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp

        for wrong in (0, 0x100):
            with self.subTest(wrong=wrong):
                wire = self.wire()
                self.in_background(wire, lambda w=wire, x=wrong: w.send(datagram(bytes(range(200)), x)))
                ran = self.run_on(wire, "e1000e", "net-listen NIC 500")
                wire.close()
                self.assert_says(ran, "^e1000e0: [1-9]\\d* to it, 0 to all, 0 to groups, 0 to others"
                                 + ("$" if wrong else "; sums of [1-9]\\d* are right$"))

    def test_traffic_goes_on_under_kills(self):
        for kind in NAMES:
            with self.subTest(kind=kind):
                wire = self.wire()
                ran = self.run_on(wire, kind, "kill NIC 20 60 3; until NIC 4 net-bench NIC echo 4000; kill NIC 0;"
                                  f"{back('NIC')}; net-bench NIC echo 1000; net NIC")
                self.assert_status(ran)
                right = re.findall(r"echo: 4000 sent, (\d+) right, 0 wrong, \d+ stray, \d+ lost", ran.output)
                self.assertTrue(right and min(map(int, right)) > 2000, str(ran))
                self.assert_says(ran, r"^.*: [1-9]\d* drivers took another's place, \d+ frames dropped, "
                                 r"\d+ buffers posted again, 0 completions for nothing$")
                self.assert_says(ran, "echo: 1000 sent, 1000 right, 0 wrong, 0 stray, 0 lost")

    def test_floods(self):
        """More than it can take, and what is no frame for it: with nobody there, and with somebody."""
        for kind in NAMES:
            with self.subTest(kind=kind):
                wire = self.wire()
                flood = [wire.made(TAKE, n, size, to) for n, size, to in (
                    (1, 60, OWN), (2, 1514, OWN), (3, 1514, BROADCAST), (4, 1518, OWN), (5, 1600, OWN),
                    (6, 4000, OWN), (7, 20000, OWN), (8, 60, OTHER))] * 4
                flood += [OWN + PEER, OWN, b"\xff"]

                def act(w=wire, frames=flood):
                    w.send(*frames)
                self.in_background(wire, act)
                ran = self.run_on(wire, kind, "sleep 500; net-listen NIC 1500; net-listen NIC 500 promiscuous;"
                                  "net-bench NIC echo 200; drivers")
                wire.close()
                self.assert_status(ran)
                self.assert_says(ran, r"echo: 200 sent, \d+ right, 0 wrong")
                self.assert_says(ran, f"^{NAMES[kind]} +driver +running +\\d+ +\\d+ +[\\d.]+ +0 ")

    def test_the_link(self):
        for kind, name in NAMES.items():
            with self.subTest(kind=kind):
                looks = f"net {name}; sleep 100; " * 60
                machine = Monitored(self, f"{looks} net-bench {name} echo 100", "--nic", f"{kind},{self.wire().netdev}")

                def wait_for(pattern):
                    self.assertTrue(machine.wait_for(pattern), f"{pattern} did not come:\n{machine.output.decode()}")

                wait_for("link up")
                machine.do("set_link", name="net0", up=False)
                wait_for("link down")
                machine.do("set_link", name="net0", up=True)
                ran = machine.end()
                self.assert_bench(ran, "echo", 100)
                states = re.findall("link (up|down)", ran.output)
                self.assertEqual(re.sub(r"(\w+ )\1+", r"\1", " ".join(states) + " "), "up down up ", str(ran))
