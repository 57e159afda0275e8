# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents point to is there."""
import glob
import os
import re
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
