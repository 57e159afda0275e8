# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a network card and a peer on the wire."""
import os
import threading
import time

from machine.vm import MachineTest
from machine.wire import Wire, path_in

NAMES = {"virtio": "virtio-net0", "e1000e": "e1000e0"}


class NicTest(MachineTest):
    def wire(self, most=1514):
        folder = self.path(f"wire-{time.monotonic_ns()}")
        os.mkdir(folder)
        wire = Wire(path_in(folder), most)
        self.addCleanup(wire.close)
        return wire

    def run_on(self, wire, kind, commands, *arguments, options=""):
        return self.run_machine(commands.replace("NIC", NAMES[kind]), "--nic",
                                f"{kind}{options},{wire.netdev}", *arguments)

    def assert_bench(self, ran, mode, right):
        """Every frame is there, none wrong."""
        self.assert_status(ran)
        self.assert_says(ran, rf": {mode}: \d+ sent, {right} right, 0 wrong, 0 stray, 0 lost ")

    def in_background(self, wire, act):
        """Call `act` again and again once the machine is there, until it ends."""
        def loop():
            while not wire.closed:
                if wire.connection:
                    try:
                        act()
                    except OSError:
                        pass
                time.sleep(0.01)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
