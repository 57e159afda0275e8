# SPDX-License-Identifier: GPL-2.0-or-later
"""Running the machine from a test."""
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.path.join(ROOT, "build")
OBVM = os.path.join(ROOT, "obvm")
SBIN = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
LIMIT = 180  # seconds; what takes longer hangs
ONCE = b"[restart]\nquick = 0\ndeaths = 0\n"  # supervisor.conf: who died is not started again


def back(task, restarts=1):
    """A command that waits until that task runs and has been started again so often."""
    return f"until {task} {restarts} sleep 20"


class Ran:
    """What came of a run: exit status, output, the machine's log, obvm's own words."""

    def __init__(self, status, output, log, complaint):
        self.status, self.output, self.log, self.complaint = status, output, log, complaint

    def __str__(self):
        return (f"status {self.status}\n--- output\n{self.output}\n--- log\n{self.log}\n"
                f"--- obvm\n{self.complaint}")


class MachineTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="outboard-test-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def blank_image(self, name, size):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
        return self.path(name)

    def ext4_image(self, name, size="32M", source=None, options=()):
        command = ["mke2fs", "-q", "-F", *(options if "-t" in options else ("-t", "ext4", *options))]
        if source:
            command += ["-d", source]
        subprocess.run(command + [self.path(name), size], check=True, env=SBIN,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.path(name)

    def run_machine(self, commands, *arguments):
        """Run shell commands; `arguments` are obvm's."""
        log = self.path("machine.log")
        run = subprocess.run([OBVM, "--timeout", str(LIMIT), "--log", log, *arguments, "-c", commands],
                             stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT + 90,
                             check=False)
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return Ran(run.returncode, run.stdout.decode(errors="replace"), text,
                   run.stderr.decode(errors="replace"))

    def assert_clean(self, image):
        """e2fsck finds nothing."""
        run = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, env=SBIN,
                             check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def assert_status(self, ran, status=0):
        self.assertEqual(ran.status, status, str(ran))

    def assert_says(self, ran, pattern, where="output"):
        self.assertTrue(re.search(pattern, getattr(ran, where), re.M),
                        f"no {pattern!r} in the {where} of\n{ran}")

    def make_image(self, name, replace=None, leave_out=(), archive=None):
        """A boot image like the built one, with files of its archive replaced or left out, or with
        another archive altogether (a function from bytes to bytes)."""
        import machine.image as image
        return image.make(self.path(name), replace or {}, leave_out, archive)

    def hostile_image(self, name, more=None):
        """A boot image with a driver of test/hostile in it."""
        files = {}
        for file, folder in ((name, os.path.join(BUILD, "boot")),
                             (name + ".manifest", os.path.join(ROOT, "test", "hostile"))):
            with open(os.path.join(folder, file), "rb") as stream:
                files[file] = stream.read()
        return self.make_image(name + ".iso", {**files, **(more or {})})
