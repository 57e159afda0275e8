# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests whose data is in several places of memory."""
import re

from machine.vm import MachineTest

MIB = 1 << 20
WELL = "0 failed, 0 wrong before, 0 wrong;"


class Scatter(MachineTest):
    def test_every_driver_takes_parts(self):
        """`churn` cuts what it reads and writes into up to five parts, the last one first in memory."""
        names = {"nvme": "nvme0n1", "virtio": "virtio-blk0", "ahci": "ahci0p0"}
        disks = [argument for kind in names
                 for argument in ("--disk", f"{kind}:{self.blank_image(kind + '.img', 8 * MIB)}")]
        # The second run finds what the first one wrote, with other parts, and whole.
        ran = self.run_machine("; ".join(f"churn {name} 4000 1500 16 {seed} {parts}" for name in names.values()
                                         for seed, parts in ((1, 5), (2, 2), (3, 1))), *disks)
        self.assert_status(ran)
        self.assertEqual(len(re.findall(f"^churn: 1500 done, {WELL}", ran.output, re.M)), 9, str(ran))

    def test_parts_go_on_under_kills(self):
        """What is in flight is submitted again, and what was written and not flushed is written again."""
        for kind, name, driver in (("nvme", "nvme0n1", "nvme0"), ("virtio", "virtio-blk0", "virtio-blk0")):
            image = self.blank_image(kind + ".img", 8 * MIB)
            ran = self.run_machine(f"kill {driver} 1000 80 12; until {driver} 4 churn {name} 4000 6000 16 1 5; kill {driver} 0;"
                                   f"churn {name} 4000 0 1", "--disk", f"{kind}:{image}")
            self.assert_status(ran)
            found = re.findall(rf"^churn: \d+ done, {WELL} (\d+) drivers died, (\d+) replayed, (\d+) rewritten",
                               ran.output, re.M)
            self.assertEqual(len(found), ran.output.count(" done, "), str(ran))
            for counts in zip(*found):
                self.assertGreater(sum(map(int, counts)), 0, str(ran))
