# SPDX-License-Identifier: GPL-2.0-or-later
"""deeds - what a driver does wrong by design: test/hostile/wicked.c, which takes orders through its memory."""
import re
import subprocess

KINDS = ("repeated", "reordered", "stray", "stale", "cut", "nonsense", "withheld", "flood", "forged",
         "leak-memory", "leak-pool", "leak-ports", "unacknowledged", "ignored")


class Orders:
    def __init__(self, path):
        symbols = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
        self.address = int(re.search(r"^([0-9a-f]+) \S wicked_order$", symbols, re.M)[1], 16)

    def draw(self, kind, random):
        """(address, bytes) of an order: the deed, and how often."""
        often = 0 if kind.startswith(("leak", "unacknowledged")) else random.choice((0, 3, 15, 63))
        return self.address, bytes([1 + KINDS.index(kind), often])
