# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that runs while its test does something to it, through QEMU's monitor."""
import re
import selectors
import subprocess
import time

from machine.monitor import Monitor
from machine.vm import LIMIT, MachineTest, OBVM, Ran


class Monitored:
    """obvm with commands, in the background: what it says so far, and QEMU's monitor."""

    def __init__(self, test, commands, *arguments):
        self.log, path = test.path("machine.log"), test.path("monitor")
        with open(self.log, "wb"):
            pass
        self.output = b""
        self.process = subprocess.Popen(
            [OBVM, "--timeout", str(LIMIT), "--log", self.log, "--monitor", path, *arguments, "-c", commands],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        test.addCleanup(self.kill)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.monitor, self.path = None, path

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.monitor:
            self.monitor.socket.close()

    def wait_for(self, pattern, limit=LIMIT):
        """Until its output, from where the last wait ended, has that; whether it did, within so many seconds."""
        deadline = time.monotonic() + limit
        start = getattr(self, "seen", 0)
        while time.monotonic() < deadline:
            found = re.search(pattern.encode(), self.output[start:], re.M)
            if found:
                self.seen = start + found.end()
                return True
            if not self.selector.select(1):
                continue
            data = self.process.stdout.read1(65536)
            if not data:
                return False
            self.output += data
        return False

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for_log(self, pattern, count=1):
        """Until the log has that so often; whether it has, when the machine has ended or the time is up."""
        deadline = time.monotonic() + LIMIT
        while len(re.findall(pattern, self.logged(), re.M)) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                return len(re.findall(pattern, self.logged(), re.M)) >= count
            time.sleep(0.05)
        return True

    def do(self, command, **arguments):
        """A command of QMP."""
        if not self.monitor:
            self.monitor = Monitor(self.path)
        return self.monitor.do(command, **arguments)

    def take_out(self, device):
        self.do("device_del", id=device)
        self.monitor.wait("DEVICE_DELETED", device=device)

    def tell(self, *commands):
        """Commands for people (sendkey, mouse_move); each has been carried out when this returns."""
        for command in commands:
            self.do("human-monitor-command", **{"command-line": command})

    def end(self):
        rest, complaint = self.process.communicate(timeout=LIMIT + 90)
        return Ran(self.process.returncode, (self.output + rest).decode(errors="replace"), self.logged(),
                   complaint.decode(errors="replace"))


class MonitoredTest(MachineTest):
    def start(self, commands, *arguments):
        return Monitored(self, commands, *arguments)
