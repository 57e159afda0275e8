# SPDX-License-Identifier: GPL-2.0-or-later
"""A short campaign; `make campaign` runs a long one."""
import os
import re
import subprocess
import tempfile
import unittest

from machine.vm import ROOT


NOTHING = ("--kills", "0", "--faults", "0", "--deeds", "0", "--power", "0", "--recoveries", "0", "--throughput", "0")


class Campaign(unittest.TestCase):
    def run_campaign(self, *arguments):
        run = subprocess.run([os.path.join(ROOT, "test", "campaign", "run"), *NOTHING, *arguments],
                             text=True, capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def test_kills(self):
        out = self.run_campaign("--kills", "150", "--seed", "7")
        self.assertRegex(out, r"(?m)^kills +150 +lost 0 +failed requests 0 +wrong blocks 0 ")
        self.assertRegex(out, r"(?m)^last completion before a kill to the first after it, virtual us: p50 \d+, p99 \d+, max \d+ \([1-9]")

    def test_the_other_drivers(self):
        for driver in ("ahci", "virtio-blk"):
            out = self.run_campaign("--kills", "60", "--faults", "15", "--seed", "7", "--driver", driver)
            self.assertRegex(out, r"(?m)^kills +60 +lost 0 +failed requests 0 +wrong blocks 0 ")
            row = re.search(r"^all +15 +\d+ +(\d+) +\d+ +\d+$", out, re.M)
            self.assertTrue(row, out)
            self.assertGreater(int(row[1]), 2, out)

    def test_what_is_done_is_not_done_again(self):
        with tempfile.TemporaryDirectory() as folder:
            results = os.path.join(folder, "results")
            first = self.run_campaign("--faults", "4", "--seed", "7", "--results", results)
            again = self.run_campaign("--faults", "4", "--seed", "7", "--results", results)
        self.assertIn("campaign: 1 of 1 boots", first)
        self.assertNotIn("boots", again)
        self.assertEqual(first[first.index("faults "):], again[again.index("faults "):])

    def test_faults(self):
        out = self.run_campaign("--faults", "50", "--seed", "7")
        row = re.search(r"^all +50 +(\d+) +(\d+) +(\d+) +(\d+)$", out, re.M)
        self.assertTrue(row, out)
        self.assertGreater(int(row[2]), 5, out)  # else the faults meet nothing

    def test_faults_behind_the_integrity_filter(self):
        """So many that enough of them have an effect (a seventh to a third) whatever code the seed meets."""
        out = self.run_campaign("--faults", "150", "--seed", "400002", "--filter", "mirror")
        row = re.search(r"^all +150 +\d+ +(\d+) +\d+ +(\d+)$", out, re.M)
        self.assertTrue(row, out)
        self.assertGreater(int(row[1]), 10, out)
        self.assertEqual(int(row[2]), 0, out)  # without it three of them are wrong data

    def test_a_driver_that_misbehaves(self):
        out = self.run_campaign("--deeds", "50", "--seed", "7")
        rows = {name: list(map(int, counts.split())) for name, counts in
                re.findall(r"^(\S+) +((?:\d+ +){4}\d+)$", out, re.M)}
        self.assertEqual(rows["all"][0], 50, out)
        for name, (_, _, _, failed, wrong) in rows.items():
            self.assertEqual(failed, 0, f"{name}:\n{out}")
            if name not in ("forged", "all"):  # nobody can tell without the integrity filter
                self.assertEqual(wrong, 0, f"{name}:\n{out}")
        self.assertGreater(rows["all"][2], 10, out)

    def test_power_failures(self):
        out = self.run_campaign("--power", "3", "--seed", "7")
        found = re.search(r"^power failures 3: (\d+) files had been acknowledged as synced, all there$", out, re.M)
        self.assertTrue(found and int(found[1]) > 0, out)
