# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel really does, where the design rests on it (doc/architecture.md, "Interrupts"). Should a
kernel do better one day, these fail: then the design may become simpler."""
import os
import time

from machine.monitored import MonitoredTest
from machine.vm import BUILD


class Kernel(MonitoredTest):
    def dead_port(self, slot, last):
        """The log before and after the port has been dead for a while, up to what is to come last."""
        with open(os.path.join(BUILD, "boot", "dead-port"), "rb") as file:
            image = self.make_image("dead-port.iso", {"io": file.read()})
        machine = self.start("uptime", "--image", image, "--qemu-arg=-device", f"--qemu-arg=e1000,addr={slot:x},romfile=")
        self.assertTrue(machine.wait_for_log(last), machine.logged())
        time.sleep(2)
        machine.kill()
        log = machine.logged()
        self.assertRegex(log, "dead-port: first port: interrupts 1\n")
        before, after = log.split("first port: dead for a while")
        # The kernel does not look for dead ports by itself: only the next interrupt makes it.
        self.assertNotIn("release a dead delivery port", before)
        self.assertIn("release a dead delivery port", after)
        return after

    def test_a_port_that_dies_with_an_interrupt(self):
        """The next registration unmasks the line, which then is never masked again: it storms."""
        after = self.dead_port(16, r"still \d{2,} unacked irqs")
        # It may take all of the processor's time; if not, far more come than the one that is right.
        self.assertNotRegex(after, r"(?m)second port: interrupts [01]$")

    def test_a_port_that_dies_idle(self):
        """Its entry takes one more interrupt; then nobody masks the line. QEMU slows such a line down (its
        IO-APIC counts successive ends of interrupt), so that the machine goes on."""
        self.assertIn("still 1 unacked irqs", self.dead_port(20, "the machine goes on"))
