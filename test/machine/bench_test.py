# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench, as far as nothing has to be measured: the figures in the documentation are the results."""
import os
import re
import subprocess
import unittest

from machine.vm import ROOT


class Bench(unittest.TestCase):
    def run_bench(self, *arguments):
        return subprocess.run(arguments, cwd=os.path.join(ROOT, "bench"), capture_output=True, text=True, check=False)

    def test_the_tables_are_the_results(self):
        run = self.run_bench("./tables", "--check")
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_parts(self):
        run = self.run_bench("./run", "--list")
        self.assertEqual(run.returncode, 0, run.stderr)
        for part in ("outboard-nvme", "outboard-e1000e", "floor", "gnumach-ahci", "linux-virtio-blk", "linux-virtio-net"):
            self.assertTrue(re.search(f"^{part}$", run.stdout, re.M), run.stdout)
        self.assertNotEqual(self.run_bench("./run", "--only", "nothing-of-that-name").returncode, 0)
