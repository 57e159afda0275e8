# SPDX-License-Identifier: GPL-2.0-or-later
"""A short campaign; `make campaign` runs a long one."""
import os
import re
import subprocess
import unittest

from machine.vm import ROOT


NOTHING = ("--kills", "0", "--faults", "0", "--power", "0", "--throughput", "0")


class Campaign(unittest.TestCase):
    def run_campaign(self, *arguments):
        run = subprocess.run([os.path.join(ROOT, "test", "campaign", "run"), *NOTHING, *arguments],
                             text=True, capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def test_kills(self):
        out = self.run_campaign("--kills", "150", "--seed", "7")
        self.assertRegex(out, r"(?m)^kills +150 +lost 0 +failed requests 0 +wrong blocks 0 ")

    def test_faults(self):
        out = self.run_campaign("--faults", "50", "--seed", "7")
        row = re.search(r"^all +50 +(\d+) +(\d+) +(\d+) +(\d+)$", out, re.M)
        self.assertTrue(row, out)
        self.assertGreater(int(row[2]), 5, out)  # else the faults meet nothing

    def test_faults_behind_the_integrity_filter(self):
        out = self.run_campaign("--faults", "25", "--seed", "1001", "--filter", "mirror")
        row = re.search(r"^all +25 +\d+ +(\d+) +\d+ +(\d+)$", out, re.M)
        self.assertTrue(row, out)
        self.assertGreater(int(row[1]), 5, out)
        self.assertEqual(int(row[2]), 0, out)  # without it two of them are wrong data

    def test_power_failures(self):
        out = self.run_campaign("--power", "3", "--seed", "7")
        found = re.search(r"^power failures 3: (\d+) files had been acknowledged as synced, all there$", out, re.M)
        self.assertTrue(found and int(found[1]) > 0, out)
