# SPDX-License-Identifier: GPL-2.0-or-later
"""A short campaign for network cards; test/campaign/cards runs a long one."""
import os
import re
import subprocess
import unittest

from machine.vm import ROOT


class Cards(unittest.TestCase):
    def test_kills_and_faults(self):
        for driver in ("virtio-net", "e1000e"):
            with self.subTest(driver=driver):
                run = subprocess.run([os.path.join(ROOT, "test", "campaign", "cards"), "--driver", driver, "--kills", "12",
                                      "--faults", "3", "--seed", "7"], text=True, capture_output=True, check=False)
                out = run.stdout + run.stderr
                self.assertEqual(run.returncode, 0, out)
                killed = re.search(r"^kills (\d+): of \d+ frames (\d+) came back, 0 wrong, .* all come back$", out, re.M)
                self.assertTrue(killed and int(killed[1]) > 5 and int(killed[2]) > 500, out)
                self.assertRegex(out, r"(?m)^all +3( +\d+){5}$")
