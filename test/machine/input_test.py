# SPDX-License-Identifier: GPL-2.0-or-later
"""Keyboard and mouse: what QEMU's monitor does to them comes as events, also while the driver dies."""
import re

from machine.monitored import MonitoredTest

KEYBOARD, MOUSE = "ps20kbd", "ps20mouse"
A, LEFTSHIFT, F12, UP, KPENTER, RIGHTALT, DELETE, BTN_LEFT = 30, 42, 88, 103, 96, 100, 111, 272


def keys(ran):
    return [(int(key), what) for key, what in re.findall(r"key (\d+) (pressed|released)", ran.output)]


def typed(*codes):
    return [(code, what) for code in codes for what in ("pressed", "released")]


class Input(MonitoredTest):
    def test_keys(self):
        names = {"a": A, "f12": F12, "up": UP, "kp_enter": KPENTER, "alt_r": RIGHTALT, "delete": DELETE}
        machine = self.start(f"input; input-watch {KEYBOARD} 20000 {4 * len(names) + 4}; sleep 500; devices -v")
        self.assertTrue(machine.wait_for("watching"))
        for name in 2 * list(names):
            machine.tell(f"sendkey {name} 1")
            self.assertTrue(machine.wait_for("released"), machine.output)
        machine.tell("sendkey shift-a 1")
        ran = machine.end()
        self.assert_status(ran)
        expected = typed(*names.values(), *names.values()) + [(LEFTSHIFT, "pressed"), (A, "pressed")]
        self.assertEqual(keys(ran)[:len(expected)], expected, str(ran))
        self.assertEqual(sorted(keys(ran)[len(expected):]), [(A, "released"), (LEFTSHIFT, "released")])
        self.assert_says(ran, f"^{KEYBOARD}: PS/2 keyboard\n^{MOUSE}: PS/2 mouse with a wheel")
        # By its interrupt, though the kernel has a handler of its own for that line. What is acknowledged together the
        # authority counts when it looks, every 100 ms.
        self.assert_says(ran, r"interrupt 0 +line 1, attached, [1-9]\d* taken")

    def test_a_held_key_repeats(self):
        machine = self.start(f"input-watch {KEYBOARD} 20000 6")
        self.assertTrue(machine.wait_for("watching"))
        machine.tell("sendkey a 5000")
        ran = machine.end()
        self.assert_status(ran)
        self.assertEqual(re.findall(r"key 30 (\w+)", ran.output), ["pressed"] + ["repeated"] * 5, str(ran))

    def test_mouse(self):
        machine = self.start(f"input-watch {MOUSE} 20000 22; devices -v")
        self.assertTrue(machine.wait_for("watching"))
        machine.tell("mouse_move 30 -20")
        self.assertTrue(machine.wait_for("y -20"), machine.output)
        machine.tell("mouse_move 0 0 1")
        self.assertTrue(machine.wait_for("wheel"), machine.output)
        machine.tell("mouse_move -100 50")
        self.assertTrue(machine.wait_for("y 50"), machine.output)
        machine.tell("mouse_move 1 0")
        for _ in range(8):
            machine.tell("mouse_button 1")
            self.assertTrue(machine.wait_for("pressed"), machine.output)
            machine.tell("mouse_button 0")
            self.assertTrue(machine.wait_for("released"), machine.output)
        ran = machine.end()
        self.assert_status(ran)
        self.assertEqual(keys(ran), 8 * typed(BTN_LEFT), str(ran))
        self.assertEqual(sum(map(int, re.findall(r" x (-?\d+)", ran.output))), -69, str(ran))
        self.assertEqual(sum(map(int, re.findall(r" y (-?\d+)", ran.output))), 30, str(ran))
        self.assert_says(ran, r"interrupt 1 +line 12, attached, [1-9]\d* taken")

    def test_text(self):
        """What the same keys type by two layouts, with Shift, AltGr, Caps Lock, Num Lock and a dead key."""
        us = (("y", "y"), ("shift-2", "@"), ("bracket_left", "["), ("alt_r-q", ""), ("esc", "^["), ("caps_lock", ""),
              ("z", "Z"))
        de = (("y", "z"), ("shift-2", '"'), ("bracket_left", "ü"), ("alt_r-q", "@"), ("equal", ""), ("e", "é"),
              ("caps_lock", ""), ("bracket_left", "Ü"), ("kp_7", ""), ("num_lock", ""), ("kp_7", "7"), ("ret", "\n"))
        events = [sum(2 * len(name.split("-")) for name, _ in keys) for keys in (us, de)]
        machine = self.start(f"input; input-watch {KEYBOARD} 60000 {events[0]} -t; "
                             f"input-watch {KEYBOARD} 60000 {events[1]} -t de; "
                             f"input-watch {KEYBOARD} 1000 -t xx; input-watch {KEYBOARD} 1 -t de us")
        for keys in us, de:
            self.assertTrue(machine.wait_for("watching .*\n"), machine.output)
            for name, text in keys:
                machine.tell(f"sendkey {name} 1")
                self.assertTrue(machine.wait_for(re.escape(text)), machine.output)
        ran = machine.end()
        self.assert_status(ran, 1)
        self.assert_says(ran, "^layouts: us .*\\bde .*\\bfr ")
        self.assert_says(ran, rf"^y@\[\^\[Z\n{events[0]} events, 0 drivers died")
        self.assert_says(ran, f'^z"ü@éÜ7\n\n{events[1]} events, 0 drivers died')
        self.assert_says(ran, "^input-watch: xx: no such layout\nlayouts: us ")
        self.assert_says(ran, "^usage: input-watch ")

    def test_a_key_is_released_when_the_driver_dies(self):
        machine = self.start(f"kill ps20 1000 1200 7; input-watch {KEYBOARD} 60000")
        self.assertTrue(machine.wait_for("watching"))
        machine.tell("sendkey f12 100000")
        self.assertTrue(machine.wait_for("key 88 pressed"), machine.output)
        self.assertTrue(machine.wait_for("key 88 released"), machine.output)
        machine.kill()
        self.assertIn("ps20: running again", machine.logged())

    def test_shift_is_released_when_the_driver_dies(self):
        """So what is typed then is in small letters, though nobody has let go of the key."""
        def send(key, *downs):
            for down in downs:
                event = {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": key}}}
                machine.do("input-send-event", events=[event])

        machine = self.start(f"kill ps20 1000 2000 7; input-watch {KEYBOARD} 60000 -t")
        self.assertTrue(machine.wait_for("watching .*\n"), machine.output)
        for _ in range(10):  # should it die between the two
            send("shift", False, True)
            send("a", True, False)
            if machine.wait_for("A", 2):
                break
        for _ in range(30):  # each waits for a second or so
            send("b", True, False)
            if machine.wait_for("b", 0.1):
                break
        machine.kill()
        self.assertRegex(machine.output, rb"\n[aA]*AB*b+")
        self.assertIn("ps20: running again", machine.logged())

    def test_leds(self):
        ran = self.run_machine(f"input-leds {KEYBOARD} caps num; input-leds {KEYBOARD}; input-leds {MOUSE} num")
        self.assert_status(ran, 1)
        self.assert_says(ran, f"input-leds: {MOUSE}: ")
        self.assertNotIn(f"input-leds: {KEYBOARD}", ran.output)

    def test_without_a_controller(self):
        """QEMU's microvm has none; here its ports are another's, and it is no error that it is not there."""
        ran = self.run_machine("input; devices", "--qemu-arg=-machine", "--qemu-arg=i8042=off", "--iommu", "none")
        self.assert_status(ran)
        self.assertNotIn("ps2", ran.output)
