# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that looks for completions leaves the processor to others who have something to do."""
import re

from machine.vm import MachineTest

MIB = 1 << 20


def rate(found):
    """Rounds in a millisecond."""
    return sum(rounds for rounds, _ in found) / sum(milliseconds for _, milliseconds in found)


class Polling(MachineTest):
    def test_beside_a_task_that_computes(self):
        """One request at a time, which is polled for: who computes gets its third at least, beside driver and client."""
        ran = self.run_machine("sleep 1500; bench nvme0n1 randread 20000 1; drivers", "--count",
                               "--image", self.hostile_image("greedy"), "--disk", f"nvme:{self.blank_image('a.img', 16 * MIB)}",
                               "--qemu-arg=-device", "--qemu-arg=edu")
        self.assert_status(ran)
        took = int(re.search(r"^20000 operations in (\d+) us", ran.output, re.M)[1])
        found = [(int(rounds), int(milliseconds)) for rounds, milliseconds in
                 re.findall(r"computed (\d+) rounds in (\d+) ms", ran.log)]
        alone, beside = rate(found[2:10]), rate(found[15:])
        self.assertGreater(beside, alone / 3, str(ran))
        self.assertLess(took, 20000 * 1000, str(ran))  # nor has each to wait for a quantum
