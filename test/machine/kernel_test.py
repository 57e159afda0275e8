# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel really does, where the design rests on it (doc/architecture.md, "Interrupts"). Should a
kernel do better one day, these fail: then the design may become simpler."""
import os

from machine.vm import BUILD, MachineTest


class Kernel(MachineTest):
    def dead_port(self, slot):
        with open(os.path.join(BUILD, "boot", "dead-port"), "rb") as file:
            image = self.make_image("dead-port.iso", {"io": file.read()})
        ran = self.run_machine("uptime", "--image", image, "--timeout", "12", "--qemu-arg=-device",
                               f"--qemu-arg=e1000,addr={slot:x},romfile=")
        self.assert_says(ran, "dead-port: first port: interrupts 1$", "log")
        before, after = ran.log.split("first port: dead for a while")
        # The kernel does not look for dead ports by itself: only the next interrupt makes it.
        self.assertNotIn("release a dead delivery port", before)
        self.assertIn("release a dead delivery port", after)
        return ran, after

    def test_a_port_that_dies_with_an_interrupt(self):
        """The next registration unmasks the line, which then is never masked again: it storms."""
        ran, after = self.dead_port(16)
        self.assertRegex(after, r"still \d{2,} unacked irqs", str(ran))
        # It may take all of the processor's time; if not, far more come than the one that is right.
        self.assertNotRegex(after, r"second port: interrupts [01]$")

    def test_a_port_that_dies_idle(self):
        """Its entry takes one more interrupt; then nobody masks the line. QEMU slows such a line down (its
        IO-APIC counts successive ends of interrupt), so that the machine goes on."""
        ran, after = self.dead_port(20)
        self.assertIn("still 1 unacked irqs", after, str(ran))
        self.assertIn("the machine goes on", after, str(ran))
