# SPDX-License-Identifier: GPL-2.0-or-later
"""The parallel port: bytes to QEMU's printer, also while the driver dies."""
import re

from machine.serial_test import in_doubt, lines
from machine.vm import MachineTest

NAME = "parport0"


class Parallel(MachineTest):
    def run_printer(self, commands):
        path = self.path("printed")
        ran = self.run_machine(commands, "--qemu-arg=-parallel", f"--qemu-arg=file:{path}")
        with open(path, "rb") as file:
            return ran, file.read()

    def test_printing(self):
        ran, printed = self.run_printer(f"parallel; print {NAME} 200; parallel; devices -v")
        self.assert_status(ran)
        self.assertEqual(printed, lines(200), str(ran))
        self.assert_says(ran, f"^{NAME}: SPP, with interrupts, online, sent 6200 bytes")
        self.assert_says(ran, "what is connected does not say what it is")
        self.assert_says(ran, "^ +ports 0 +0378-037f, granted\n( +ports 1 .*\n)? +interrupt 0 +line 7, attached")

    def test_printing_while_the_driver_dies(self):
        ran, printed = self.run_printer(f"kill {NAME} 1000 300 3; until {NAME} 4 print {NAME} 1000; kill {NAME} 0")
        self.assert_status(ran)
        died, doubtful = in_doubt(ran)
        whole = re.findall(rb"line (\d{6}) abcdefghijklmnopqr\n", printed)
        missing = 1000 * ran.output.count(": printed, ") - len(whole)
        self.assertTrue(0 < died and missing <= doubtful <= died, f"{missing} lines are missing\n{ran}")
