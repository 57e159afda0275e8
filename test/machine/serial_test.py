# SPDX-License-Identifier: GPL-2.0-or-later
"""Serial ports that the kernel does not sit on: bytes both ways, with interrupts and polled, with kills."""
import hashlib
import os
import re
import socket
import threading

from machine.vm import MachineTest

# The third port has an interrupt, the fourth does without (driver/uart/uart.manifest).
PORTS = {"uart0": (2, 0x3e8, 5), "uart1": (3, 0x2e8, 3)}


class Peer:
    """The other end of a port, on a socket: sends what it was given, when the driver is there, and keeps what
    comes."""

    def __init__(self, path):
        self.path, self.got, self.connection = path, b"", None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.sends = b""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.connection = self.listener.accept()[0]
        while True:
            try:
                data = self.connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            if not self.got and self.sends:
                threading.Thread(target=self.connection.sendall, args=(self.sends,), daemon=True).start()
            self.got += data

    def end(self):
        self.thread.join(10)
        self.listener.close()
        if self.connection:
            self.connection.close()
        return self.got


def lines(count):
    return b"".join(b"line %06d abcdefghijklmnopqr\n" % number for number in range(count))


def in_doubt(ran):
    """How many drivers died under those who sent lines, and how many lines may be missing."""
    rows = re.findall(r"(\d+) drivers died, (\d+) lines are in doubt", ran.output)
    return [sum(map(int, column)) for column in zip(*rows)] or [0, 0]


class Serial(MachineTest):
    def run_ports(self, commands, sends=b""):
        peers, arguments = {}, []
        for name, (index, port, line) in PORTS.items():
            path = self.path(name)
            if os.path.exists(path):
                os.unlink(path)
            peers[name] = Peer(path)
            peers[name].sends = sends
            arguments += ["-chardev", f"socket,id=s{index},path={path}", "-device",
                          f"isa-serial,iobase={port:#x},irq={line},chardev=s{index},index={index}"]
        ran = self.run_machine(commands, *(f"--qemu-arg={word}" for word in arguments))
        return ran, {name: peer.end() for name, peer in peers.items()}

    def test_bytes_out(self):
        ran, got = self.run_ports("serial; serial-send uart0 300; serial-send uart1 300; serial; devices -v")
        self.assert_status(ran)
        for name in PORTS:
            self.assertEqual(got[name], lines(300), str(ran))
            self.assert_says(ran, f"^{name}: 16550A, .*FIFO of 16, 115200 bit/s, CTS, DSR, DCD")
        self.assert_says(ran, "^ +ports 0 +03e8-03ef, granted\n +interrupt 0 +line 5, attached")
        self.assert_says(ran, "^ +ports 0 +02e8-02ef, granted\n +port +uart1")

    def test_bytes_in(self):
        data = lines(100)
        ran, _ = self.run_ports("".join(
            f"serial-receive {name} {len(data)} 30000 send=go; serial {name};" for name in PORTS), data)
        self.assert_status(ran)
        sums = re.findall(r"^(\d+) bytes, 0 breaks, 0 overruns, 0 drivers died, sha256 (\w+)", ran.output, re.M)
        self.assertEqual(sums, [(str(len(data)), hashlib.sha256(data).hexdigest())] * 2, str(ran))

    def test_the_kernels_ports_are_refused(self):
        ran = self.run_machine("devices; serial")
        self.assert_status(ran)
        self.assertNotIn("3f8-", ran.output)
        self.assert_says(ran, "the device at ports 3f8-3ff is not ours to drive", "log")
        self.assert_says(ran, "the device at ports 2f8-2ff is not ours to drive", "log")

    def test_sending_while_the_driver_dies(self):
        ran, got = self.run_ports("kill uart0 1000 200 3; until uart0 4 serial-send uart0 2000; kill uart0 0")
        self.assert_status(ran)
        died, doubtful = in_doubt(ran)
        runs = ran.output.count("uart0: sent in ")
        whole = re.findall(rb"line (\d{6}) abcdefghijklmnopqr\n", got["uart0"])
        self.assertLess(sum(after <= before for before, after in zip(whole, whole[1:])), runs, str(ran))
        missing = 2000 * runs - len(whole)
        self.assertTrue(0 < died and missing <= doubtful <= died, f"{missing} lines are missing\n{ran}")
