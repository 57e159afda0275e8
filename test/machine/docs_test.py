# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents point to is there."""
import glob
import os
import re
import subprocess
import unittest

from machine.vm import ROOT

FOLDERS = "bench|boot|doc|driver|host|interface|kit|server|service|test"
THE_READERS = "driver/edu/"  # what the driver guide has its reader make


class Documents(unittest.TestCase):
    def test_links_and_paths(self):
        for document in [os.path.join(ROOT, "README.md"), *glob.glob(os.path.join(ROOT, "doc", "*.md"))]:
            with open(document, encoding="utf-8") as file:
                text = file.read()
            links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
            missing = [link for link in links
                       if not os.path.exists(os.path.join(os.path.dirname(document), link))]
            paths = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
            missing += [path for path in paths if not path.startswith(THE_READERS) and
                        not os.path.exists(os.path.join(ROOT, path))]
            self.assertEqual(missing, [], os.path.basename(document))

    def test_the_trusted_code(self):
        """Fewer lines of it than the documents say, which all say the same."""
        counted = subprocess.run([os.path.join(ROOT, "test", "tcb")], capture_output=True, text=True)
        self.assertEqual(counted.returncode, 0, counted.stdout + counted.stderr)
        bound = re.search(r"lines of trusted code \(at most (\d+)\)$", counted.stdout, re.M).group(1)
        said = []
        for document in glob.glob(os.path.join(ROOT, "doc", "*.md")):
            with open(document, encoding="utf-8") as file:
                said += re.findall(r"fewer than (\d,\d{3}) lines", file.read())
        self.assertEqual({int(number.replace(",", "")) - 1 for number in said}, {int(bound)})
        self.assertGreaterEqual(len(said), 2)

    def test_the_drivers_table(self):
        counted = subprocess.run([os.path.join(ROOT, "test", "lines")], check=True, capture_output=True, text=True)
        counted = {name: [int(lines), int(headers)]
                   for lines, headers, name in re.findall(r"^ *(\d+) +(\d+)  (\w+)$", counted.stdout, re.M)}
        with open(os.path.join(ROOT, "doc", "drivers.md"), encoding="utf-8") as file:
            table = {name: [int(lines), int(headers)] for name, lines, headers
                     in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", file.read(), re.M)}
        self.assertEqual(table.keys(), counted.keys())
        far = {name: (table[name], found) for name, found in counted.items()
               if any(abs(said - number) > number / 10 for said, number in zip(table[name], found))}
        self.assertEqual(far, {})
