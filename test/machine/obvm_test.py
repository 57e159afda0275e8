# SPDX-License-Identifier: GPL-2.0-or-later
"""The launcher: what it prints, and what it refuses."""
import os
import re
import signal
import subprocess

from machine.vm import OBVM, MachineTest


class Launcher(MachineTest):
    def refused(self, *arguments, environment=None):
        run = subprocess.run([OBVM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=20, check=False, env=environment)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(run.stdout, "")
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        return run.stderr

    def test_bad_usage_names_it_and_starts_nothing(self):
        self.assertIn("--bogus", self.refused("--bogus", "-c", "ls"))
        self.assertIn("floppy:x", self.refused("--disk", "floppy:x", "-c", "ls"))
        self.assertIn("/nowhere.img", self.refused("--disk", "nvme:/nowhere.img", "-c", "ls"))
        self.assertIn("fast", self.refused("--disk", f"nvme:{OBVM},fast", "-c", "ls"))
        self.assertIn("ne2000", self.refused("--nic", "ne2000", "-c", "ls"))
        self.assertIn("has no mtu", self.refused("--nic", "e1000e,mtu=9000", "-c", "ls"))
        self.assertIn("/nowhere.iso", self.refused("--image", "/nowhere.iso", "-c", "ls"))
        for memory in ("384", "3000"):
            self.assertIn("--memory", self.refused("--kernel", "smp", "--cpus", "2", "--memory", memory, "-c", "ls"))
        self.assertIn("no terminal", self.refused())
        self.assertIn("nosuch", self.refused("--qemu-arg=-device", "--qemu-arg=nosuch", "-c", "ls"))
        empty = self.blank_image("empty", 0)
        self.assertIn("empty", self.refused("--disk", f"nvme:{empty}", "-c", "ls"))
        self.assertIn("qemu-is-not-here", self.refused(
            "-c", "ls", environment=dict(os.environ, OBVM_QEMU="qemu-is-not-here")))

    def test_the_death_of_qemu_itself_is_told_from_the_machines(self):
        mortal = self.path("mortal")
        with open(mortal, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\n(until [ -s \"$LOG\" ]; do sleep 0.2; done; sleep 1; kill -SEGV $$) >/dev/null 2>&1 &\n"
                       "exec qemu-system-x86_64 \"$@\"\n")
        os.chmod(mortal, 0o755)
        run = subprocess.run([OBVM, "--timeout", "60", "--log", self.path("log"), "-c", "sleep 50000"], check=False,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, env=dict(os.environ, OBVM_QEMU=mortal, LOG=self.path("log")))
        self.assertEqual(run.returncode, 128 + signal.SIGSEGV, run.stderr)
        self.assertIn("QEMU itself died of signal 11", run.stderr)

    def test_output_is_exact_and_status_is_the_first_failure(self):
        ran = self.run_machine("nosuch one; mount 1 2 3 4; uptime -x")
        self.assert_status(ran, 127)
        self.assertEqual(ran.output, "nosuch: no such command; try help\n"
                         "usage: mount [DEVICE [PATH] [ro]]\nusage: uptime\n", str(ran))

    def test_time_runs_a_command_and_passes_its_status_on(self):
        ran = self.run_machine("time sleep 20; time nosuch one; time")
        self.assertEqual(ran.status, 127, str(ran))
        took = re.fullmatch(r"sleep took (\d+) us\nnosuch: no such command; try help\nnosuch took \d+ us\n"
                            r"usage: time COMMAND \[WORD...\]\n", ran.output)
        self.assertTrue(took, str(ran))
        self.assertGreaterEqual(int(took[1]), 20000, str(ran))

    def test_until_runs_a_command_until_a_task_is_as_it_is_said(self):
        ran = self.run_machine("until shell 0 sleep 1; until ps20 0 nosuch; restart ps20; until ps20 1 uptime; until ps20 x")
        self.assertEqual(ran.status, 127, str(ran))
        self.assertRegex(ran.output, r"\Anosuch: no such command; try help\n(\d+\.\d{3} s\n)+"
                         r"usage: until TASK RESTARTS\|STATE COMMAND \[WORD\.\.\.\]\n\Z")

    def test_binary_output_arrives_unchanged(self):
        data = bytes(range(256)) * 40 + b"\x10B\x10E0\n\x10\x10\r\n"
        os.mkdir(self.path("tree"))
        with open(self.path("tree/f"), "wb") as file:
            file.write(data)
        image = self.ext4_image("a.img", "8M", self.path("tree"))
        run = subprocess.run([OBVM, "--timeout", "60", "--log", self.path("log"),
                              "--disk", f"nvme:{image},ro", "-c", "mount nvme0n1 / ro; cat /f"],
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(run.stdout, data)

    def test_long_command_lines_arrive_whole(self):
        words = " ".join(f"/w{number}" for number in range(60))
        commands = "; ".join(f"ls {words[:200]} {number}" for number in range(20))
        ran = self.run_machine(commands)
        self.assertEqual(ran.output.count("ls: 19: nothing is mounted there"), 1, str(ran))

    def test_help_tells_of_one_command_too(self):
        ran = self.run_machine("help kill; help nosuch; help a b")
        self.assert_status(ran, 127)
        self.assert_says(ran, r"\Akill +DRIVER +\S.*\S\nnosuch: no such command; try help\nusage: help \[COMMAND\]\n\Z")

    def test_commands_from_a_disk(self):
        commands = "".join(f"ls /w{number}; " for number in range(3000)) + "nosuch; uptime -x"
        with open(self.path("script"), "wb") as file:
            file.write(commands.encode().ljust(65536, b"\0"))
        ran = self.run_machine("run nowhere; run virtio-blk0; uptime -y", "--disk", f"virtio:{self.path('script')},ro")
        self.assert_status(ran, 1)  # the first failure's
        lines = ran.output.splitlines()
        self.assertEqual(len(lines), 3004, str(ran))
        self.assertEqual([lines[0], lines[1], *lines[-4:]],
                         ["run: nowhere: No such file or directory", "ls: /w0: nothing is mounted there",
                          "ls: /w2999: nothing is mounted there", "nosuch: no such command; try help", "usage: uptime", "usage: uptime"])
        self.assertEqual(self.run_machine("run virtio-blk0", "--disk", f"virtio:{self.path('script')},ro").status, 1)

    def test_halt_as_the_last_command(self):
        ran = self.run_machine("uptime; halt")
        self.assert_status(ran)
        self.assert_says(ran, r"^\d+\.\d+ s$")
        self.assert_status(self.run_machine("nosuch; halt"), 127)

    def test_timeout_is_124(self):
        ran = self.run_machine("sleep 60000", "--timeout", "2")
        self.assert_status(ran, 124)
