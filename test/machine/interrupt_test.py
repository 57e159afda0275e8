# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts that are not acknowledged to the kernel one by one: how it is made to forget them, and drivers that
do not play along (test/hostile/owing.c)."""
import os
import re

from machine.monitored import MonitoredTest
from machine.vm import BUILD, ROOT

# Each driver's last word, and the kernel's on the lines of two.
SAID = (r"owing0: \d+ came, \d+ of them lately\s", r"owing1: attached again: \d+\s", r"owing2: \d+ came later\s",
        r"owing3: full, attached again: \d+\s", r"owing4: masked: .* afterwards\s")
FORGETS = r"still (\d+) unacked irqs"


class Interrupt(MonitoredTest):
    def owe(self):
        files = {}
        for path in (("build", "boot", "owing"), ("test", "hostile", "owing.manifest"), ("driver", "e1000e", "e1000e.manifest")):
            with open(os.path.join(BUILD if path[0] == "build" else os.path.join(ROOT, path[0]), *path[1:]), "rb") as file:
                files[path[-1]] = file.read()
        files["e1000e.manifest"] = files["e1000e.manifest"].replace(b"8086:10d3", b"8086:ffff")
        image = self.make_image("owing.iso", files)
        nics = [word for number in range(5) for word in ("--nic", f"e1000e,hubport,hubid={number}")]
        machine = self.start("sleep 1000000", "--image", image, *nics)
        for pattern, count in (*((pattern, 1) for pattern in SAID), (FORGETS, 2)):
            self.assertTrue(machine.wait_for_log(pattern, count), machine.logged())
        machine.do("quit")
        return machine.end()

    def numbers(self, ran, pattern):
        self.assert_says(ran, pattern, "log")
        return [int(number) for number in re.search(pattern, ran.log).groups()]

    def test_the_kernel_forgets(self):
        ran = self.owe()
        # An honest driver hears of its device afterwards as before.
        came, lately = self.numbers(ran, r"owing0: (\d+) came, (\d+) of them lately")
        self.assertGreater(lately, came // 17, str(ran))
        forgotten = [int(number) for number in re.findall(FORGETS, ran.log)]
        self.assertGreater(max(forgotten, default=0), came // 4, str(ran))
        # From one that keeps the line nothing comes until it gives it back, and then not to a port that it can send to.
        before, since = self.numbers(ran, r"owing1: wanted back: (\d+) before, (\d+) since")
        self.assertGreater(before, 500, str(ran))
        self.assertLess(since, before // 20, str(ran))
        self.assert_says(ran, "owing1: attached again: 0", "log")
        # Those that wait in it are no such right.
        self.assert_says(ran, "owing3: full, attached again: 1", "log")
        self.assertEqual(len(forgotten), 2, str(ran))
        # Of what one does not receive no more is kept than what comes until the authority has looked twice.
        flood, kept = self.numbers(ran, r"owing2: of (\d+) that were raised (\d+) were kept")
        self.assertLess(kept, flood // 2, str(ran))
        later, = self.numbers(ran, r"owing2: (\d+) came later")
        self.assertGreater(later, 100, str(ran))
        # What a device raises while its driver has it masked waits until it is let go.
        self.assertIn(self.numbers(ran, r"owing4: masked: (\d+) of (\d+) came, and (\d+) afterwards"), ([0, 4, 1], [0, 4, 2]))
