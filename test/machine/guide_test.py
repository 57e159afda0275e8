# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver of doc/driver-guide.md, built from that page, does on the machine what the page shows."""
import os
import re
import shlex
import subprocess

from machine.vm import BUILD, ROOT, MachineTest

GUIDE = os.path.join(ROOT, "doc", "driver-guide.md")
EXTRACT = os.path.join(ROOT, "test", "guide", "extract")


def blocks(kind):
    with open(GUIDE, encoding="utf-8") as file:
        return re.findall(rf"^```{kind}\n(.*?)^```$", file.read(), re.M | re.S)


def pattern_of(lines):
    """A regular expression for printed lines, where "..." stands for anything."""
    pattern = ""
    for line in lines:
        pattern += r"(?:.*\n)*?" if line == "..." else \
            ".*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return pattern


class Guide(MachineTest):
    def image(self):
        manifest = self.path("edu.manifest")
        subprocess.run([EXTRACT, GUIDE, "edu.manifest", manifest], check=True)
        files = {}
        for name, path in (("edu", os.path.join(BUILD, "boot", "edu")), ("edu.manifest", manifest)):
            with open(path, "rb") as file:
                files[name] = file.read()
        return self.make_image("guide.iso", files)

    def test_the_printed_session(self):
        printed, logged = (block.splitlines() for block in blocks("console"))
        program, *arguments, option, commands = shlex.split(printed[0].removeprefix("$ "))
        self.assertEqual((program, option), ("./obvm", "-c"))
        ran = self.run_machine(commands, "--image", self.image(), *arguments)
        self.assert_status(ran)
        self.assertRegex(ran.output, r"\A" + pattern_of(printed[1:]), str(ran))
        said = "".join(line + "\n" for line in re.findall(r"^\[ *[\d.]+\] (edu0: .*?)\r?$", ran.log, re.M))
        self.assertRegex(said, r"\A" + pattern_of(logged) + r"\Z", str(ran))

    def test_under_kills(self):
        """What the page promises: a reader does not notice that the driver dies."""
        session = "write-pattern edu0n1 0 7 1; kill edu0; verify-pattern edu0n1 0 7 1; drivers"
        ran = self.run_machine(session, "--image", self.image(), "--qemu-arg=-device",
                               "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assert_says(ran, "edu0n1: 7 of 7 blocks as written")
        self.assert_says(ran, r"^edu0 +driver +running .* 1  ")

    def test_what_is_shown_of_a_driver_is_in_it(self):
        """Line by line; "..." stands for what is left out."""
        with open(GUIDE, encoding="utf-8") as file:
            shown = re.findall(r"^```c (driver/\S+)\n(.*?)^```$", file.read(), re.M | re.S)
        self.assertGreaterEqual(len(shown), 3)
        for path, block in shown:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                text = file.read()
            for part in re.split(r"^\.\.\.\n", block, flags=re.M):
                self.assertIn(part, text)
                text = text[text.index(part) + len(part):]

    def test_the_printed_build_entry(self):
        entry, = blocks("meson")
        with open(os.path.join(ROOT, "test", "guide", "meson.build"), encoding="utf-8") as file:
            self.assertIn(entry.replace("files('edu/edu.c')", "guide_edu"), file.read())
