# SPDX-License-Identifier: GPL-2.0-or-later
"""The integrity filter over drivers that lie and disks that are changed from outside."""
import os
import re
import shutil
import subprocess
import threading
import time

from machine.vm import BUILD, ONCE, SBIN, MachineTest

MIB = 1 << 20
UNIT = 512


class Integrity(MachineTest):
    def image_with(self, filters, settings="", lying=False):
        """Settings are the lying driver's (test/hostile/lying.c), which replaces the honest one."""
        text = f"[integrity]\n{filters}\n[restart]\nquick = 1000\n[settings]\n{settings}\n"
        files = {"supervisor.conf": text.encode()}
        if lying:
            with open(os.path.join(BUILD, "boot", "lying"), "rb") as file:
                files["nvme"] = file.read()
        return self.make_image("filter.iso", files)

    def corrupt(self, image, *blocks):
        with open(image, "r+b") as file:
            for block in blocks:
                file.seek(block * UNIT + 100)
                file.write(b"changed!")

    def assert_same(self, one, other):
        self.assertEqual(subprocess.run(["cmp", one, other], capture_output=True, check=False).returncode, 0)

    def complaints(self, ran, reason, device="nvme0n1"):
        return ran.log.count(f"checked0: complains of {device}: {reason}")

    def test_lies_are_found_and_the_data_is_right(self):
        """Of the 20 to 30 lies of each kind one in a hundred is about the same block as the one before: one repeat more
        than by default, or a run in two hundred has an I/O error, which is right and not the matter here."""
        disk = self.blank_image("a.img", 32 * MIB)
        image = self.image_with("checked0 = nvme0n1 sample=1 repeats=3", "nvme = read=100 write=100", lying=True)
        ran = self.run_machine("churn checked0 4000 3000 32; churn checked0 4000 0 1; drivers", "--image", image,
                               "--disk", f"nvme:{disk}")
        self.assert_status(ran)
        self.assert_says(ran, "^churn: 3000 done, 0 failed, 0 wrong before, 0 wrong;")
        self.assertGreater(self.complaints(ran, "it returns wrong data"), 7, str(ran))
        self.assertGreater(self.complaints(ran, "it does not write what it says"), 7, str(ran))

    def test_a_driver_that_offers_another_disk_costs_no_disk(self):
        """Each second one who wants to write is told another size: every session of the filter's but the first. It has
        another for each client, as none is kept of which something is not flushed."""
        churn = "bench checked0 randwrite 10 1 4096; " * 2 + "churn checked0 4000 300 16; "
        for filters, disks in (("nvme0n1", 1), ("nvme0n1 nvme1n1", 2)):
            image = self.image_with(f"checked0 = {filters}", "nvme = other=2", lying=True)
            ran = self.run_machine(churn + "drivers", "--image", image, *(
                f"--disk=nvme:{self.blank_image(name, 8 * MIB)}" for name in ("a.img", "b.img")[:disks]))
            self.assert_status(ran)
            self.assert_says(ran, "^churn: 300 done, 0 failed, 0 wrong before, 0 wrong;")
            self.assertNotIn("left out", ran.log)
            for disk in range(disks):
                self.assertGreater(self.complaints(ran, "it offers another disk", f"nvme{disk}n1"), 1, str(ran))

    def test_what_comes_late_reaches_no_client(self):
        """The device reads once more, to where a read that is done had gone. Whether something else is there by then is
        chance: in one run of five nothing is."""
        image = self.image_with("checked0 = nvme0n1 sample=1 repeats=5", "nvme = late=20", lying=True)
        met = 0
        for _ in range(5):
            disk = self.blank_image("a.img", 32 * MIB)
            ran = self.run_machine("write-pattern checked0 0 4200 5; churn checked0 4000 3000 32; churn checked0 4000 0 1",
                                   "--image", image, "--disk", f"nvme:{disk}")
            self.assert_says(ran, "^churn: 3000 done, 0 failed, 0 wrong before, 0 wrong;")
            met += ran.log.count("checked0: complains of nvme0n1: ")
            if met > 1:
                return
        self.fail(str(ran))

    def run_kept(self, filters, command, *names, arguments=()):
        """Disks of 8 MiB, which stay from run to run."""
        image = self.image_with(filters)
        disks = [self.path(name) for name in names]
        for disk in disks:
            if not os.path.exists(disk):
                self.blank_image(os.path.basename(disk), 8 * MIB)
        return self.run_machine(command, "--image", image, *(f"--disk=nvme:{disk}" for disk in disks), *arguments)

    def test_checksums_that_are_kept_outlive_the_machine(self):
        filters = "checked0 = nvme0n1 sums=nvme1n1"
        ran = self.run_kept(filters, "write-pattern checked0 0 6000 5", "a.img", "sums.img")
        self.assert_status(ran)
        self.assert_says(ran, "nvme1n1: is for the checksums of", "log")
        self.corrupt(self.path("a.img"), 100, 4321)
        ran = self.run_kept(filters, "verify-pattern checked0 0 96 5; verify-pattern checked0 200 4000 5; "
                            "verify-pattern checked0 96 16 5; verify-pattern checked0 4321 1 5", "a.img", "sums.img")
        self.assert_says(ran, "^checked0: 96 of 96 blocks as written")
        self.assert_says(ran, "^checked0: 4000 of 4000 blocks as written")
        self.assertEqual(len(re.findall("block (?:100|4321): it has other data than it should", ran.log)), 6, str(ran))
        self.assertEqual(ran.output.count("Input/output error") + ran.output.count("I/O error"), 2, str(ran))
        # What is written over it is right again, and stays so.
        ran = self.run_kept(filters, "write-pattern checked0 96 16 5", "a.img", "sums.img")
        ran = self.run_kept(filters, "verify-pattern checked0 0 4000 5", "a.img", "sums.img")
        self.assert_says(ran, "^checked0: 4000 of 4000 blocks as written")

    def test_a_mirror_with_checksums_that_are_kept_knows_which_copy_is_right(self):
        filters = "checked0 = nvme0n1 nvme1n1 sums=nvme2n1"
        names = ("a.img", "b.img", "sums.img")
        self.assert_status(self.run_kept(filters, "write-pattern checked0 0 6000 5", *names))
        self.corrupt(self.path("a.img"), 100, 300)
        self.corrupt(self.path("b.img"), 301, 5000)
        ran = self.run_kept(filters, "verify-pattern checked0 0 6000 5", *names)
        self.assert_says(ran, "^checked0: 6000 of 6000 blocks as written")
        self.assert_same(self.path("a.img"), self.path("b.img"))

    def test_checksums_that_are_kept_are_right_or_not_there_when_the_power_fails(self):
        """While it is written, and a while after it was, when they are saved."""
        filters = "checked0 = nvme0n1 sums=nvme1n1"
        for seconds in (1.6, 3, 7):
            self.run_kept(filters, "churn checked0 4000 1000000 16 2", "a.img", "sums.img",
                          arguments=("--timeout", str(seconds)))
            ran = self.run_kept(filters, "verify-pattern checked0 0 4000 5", "a.img", "sums.img")
            self.assert_says(ran, "^checked0: .* of 4000 blocks")
            self.assertNotIn("other data than it should", ran.log)

    def test_nothing_else_is_written_over_for_checksums(self):
        self.blank_image("sums.img", 8 * MIB)
        with open(self.path("sums.img"), "r+b") as file:
            file.write(b"something")
        ran = self.run_kept("checked0 = nvme0n1 sums=nvme1n1", "devices", "a.img", "sums.img")
        self.assert_says(ran, "nvme1n1: something else is on it", "log")
        ran = self.run_kept("checked0 = nvme0n1 sums=nvme0n1p1", "devices", "a.img", "sums.img")
        with open(self.path("sums.img"), "rb") as file:
            self.assertEqual(file.read(9), b"something")

    def test_without_the_filter_they_are_not(self):
        """Otherwise the tests above show nothing."""
        disk = self.blank_image("a.img", 32 * MIB)
        for settings in ("nvme = read=100 write=100", "nvme = late=20"):
            image = self.image_with("", settings, lying=True)
            ran = self.run_machine("churn nvme0n1 4000 3000 32", "--image", image, "--disk", f"nvme:{disk}")
            self.assertFalse(re.search("0 wrong before, 0 wrong;", ran.output), str(ran))

    def test_a_file_system_over_a_driver_that_lies(self):
        os.makedirs(self.path("tree"))
        with open(self.path("tree/big"), "wb") as file:
            file.write(os.urandom(3 * MIB))
        disk = self.blank_image("a.img", 96 * MIB)
        subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nstart=2048, size=64MiB\n", text=True,
                       check=True, env=SBIN)
        inner = self.ext4_image("fs.img", "64M", self.path("tree"))
        subprocess.run(["dd", f"if={inner}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc"], check=True,
                       capture_output=True)
        image = self.image_with("checked0 = nvme0n1p1 sample=1", "nvme = read=30 write=10", lying=True)
        ran = self.run_machine("mount checked0; mount nvme0n1p1 /x; cp /big /a; cp /a /b; rm /a; cp /b /c; sync;"
                               "sha256sum /big /b /c; umount /", "--image", image, "--disk", f"nvme:{disk}")
        self.assert_says(ran, "^mount: nvme0n1p1: Resource busy$")
        self.assertEqual(len(re.findall(r"^([0-9a-f]{64}) ", ran.output, re.M)), 3, str(ran))
        self.assertEqual(len(set(re.findall(r"^([0-9a-f]{64}) ", ran.output, re.M))), 1, str(ran))
        self.assertGreater(ran.log.count("checked0: complains of nvme0n1p1: "), 0, str(ran))
        subprocess.run(["dd", f"if={disk}", f"of={inner}", "bs=1M", "skip=1", "count=64"], check=True,
                       capture_output=True)
        self.assert_clean(inner)

    def test_what_stays_wrong_is_an_error(self):
        disk = self.blank_image("a.img", 32 * MIB)
        image = self.image_with("checked0 = nvme0n1 sample=0 repeats=3", "nvme = block=700", lying=True)
        ran = self.run_machine("write-pattern checked0 0 2000 4; verify-pattern checked0 512 400 4;"
                               "verify-pattern checked0 1024 900 4", "--image", image, "--disk", f"nvme:{disk}")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^verify-pattern: checked0: I/O error$")
        self.assert_says(ran, "^checked0: 900 of 900 blocks as written$")
        self.assert_says(ran, r"checked0: error: nvme0n1: read of \d+ blocks at 512: still wrong after 3 repeats", "log")
        self.assertEqual(self.complaints(ran, "it returns wrong data"), 3, str(ran))

    def test_kills_do_not_disturb_it(self):
        disk = self.blank_image("a.img", 32 * MIB)
        image = self.image_with("checked0 = nvme0n1 sample=8")
        ran = self.run_machine("kill nvme0 1000 60 3; until nvme0 40 churn checked0 4000 3000 16; kill nvme0 0; stats",
                               "--image", image, "--disk", f"nvme:{disk}")
        self.assert_status(ran)
        self.assert_says(ran, "^churn: ")
        self.assertEqual(ran.output.count(" done, "), ran.output.count(" 3000 done, 0 failed, 0 wrong before, 0 wrong;"), str(ran))
        self.assertEqual(ran.log.count("has other data"), 0, str(ran))
        self.assertEqual(ran.log.count("are not there"), 0, str(ran))
        for complaint in ("it returns wrong data", "it does not write what it says"):
            self.assertEqual(self.complaints(ran, complaint), 0, str(ran))
        died, recoveries, _, rewritten = map(int, re.search(r"^nvme0((?: +\d+){4})", ran.output, re.M)[1].split())
        self.assertGreater(min(died, recoveries), 20, str(ran))
        self.assertGreater(rewritten, 100, str(ran))

    def test_a_session_that_waits_holds_nobody_up(self):
        """The filter's own, between two clients': drivers come and go, and the next client has one that works."""
        disks = [self.blank_image(name, 32 * MIB) for name in ("a.img", "b.img")]
        ran = self.mirror_run("write-pattern checked0 0 2000 5; restart nvme0; restart nvme1; verify-pattern checked0 0 2000 5;"
                              "restart nvme0; kill nvme1; verify-pattern checked0 0 2000 5; churn checked0 4000 300 8;"
                              "churn checked0 4000 0 1", disks)
        self.assert_status(ran)
        self.assertEqual(ran.output.count("2000 of 2000 blocks as written"), 2, str(ran))
        self.assert_says(ran, "^churn: 300 done, 0 failed, 0 wrong before, 0 wrong;")
        for trouble in ("did not stop in order", "left out", "has other data", "complains"):
            self.assertEqual(ran.log.count(trouble), 0, str(ran))
        self.assert_same(*disks)

    def mirror_run(self, commands, disks, options=""):
        image = self.image_with("checked0 = nvme0n1 nvme1n1 " + options)
        return self.run_machine(commands, "--image", image, *(word for disk in disks
                                                              for word in ("--disk", f"nvme:{disk}")))

    def test_a_mirror_is_repaired_while_it_runs(self):
        disks = [self.blank_image(name, 32 * MIB) for name in ("a.img", "b.img")]
        good, done = self.path("good.img"), []

        def change():
            """When all is written; well before it is read."""
            while not done:
                time.sleep(0.1)
                with open(disks[0], "rb") as one, open(disks[1], "rb") as other:
                    one.seek(8999 * UNIT)
                    other.seek(8999 * UNIT)
                    last = one.read(UNIT)
                    if any(last) and last == other.read(UNIT):
                        break
            time.sleep(1)
            shutil.copy(disks[0], good)
            self.corrupt(disks[0], 20, 900, 8200)
            self.corrupt(disks[1], 4100, 8000)

        changer = threading.Thread(target=change)
        changer.start()
        ran = self.mirror_run("write-pattern checked0 0 9000 7; sleep 5000; verify-pattern checked0 0 9000 7", disks)
        done.append(True)
        changer.join()
        self.assert_status(ran)
        self.assert_says(ran, "^checked0: 9000 of 9000 blocks as written$")
        for disk, other in ((0, 1), (1, 0)):
            self.assert_says(ran, f"nvme{disk}n1: .* repaired with what nvme{other}n1 has$", "log")
            self.assert_same(disks[disk], good)

    def test_copies_that_differ_at_the_start(self):
        """Nobody knows which is right: an error, until the operator says whose it is."""
        disks = [self.blank_image(name, 32 * MIB) for name in ("a.img", "b.img")]
        good = self.path("good.img")
        self.assert_status(self.mirror_run("write-pattern checked0 0 3000 7", disks))
        self.assert_same(*disks)
        shutil.copy(disks[0], good)
        self.corrupt(disks[1], 700, 2500)
        ran = self.mirror_run("verify-pattern checked0 0 500 7; verify-pattern checked0 512 512 7", disks)
        self.assert_status(ran, 1)
        self.assert_says(ran, "^checked0: 500 of 500 blocks as written$")
        self.assert_says(ran, "^verify-pattern: checked0: I/O error$")
        self.assert_says(ran, "block 700: nvme0n1 and nvme1n1 differ, and which is right is not known", "log")
        ran = self.mirror_run("verify-pattern checked0 0 3000 7", disks, "prefer=0")
        self.assert_status(ran)
        self.assert_says(ran, "^checked0: 3000 of 3000 blocks as written$")
        self.assert_says(ran, "nvme1n1: .* repaired with what nvme0n1 has, which is preferred$", "log")
        self.assert_same(disks[0], good)
        self.assert_same(disks[1], good)

    def test_a_mirror_needs_two_like_disks(self):
        disks = [self.blank_image("a.img", 32 * MIB), self.blank_image("b.img", 16 * MIB)]
        ran = self.mirror_run("hexdump checked0 0 1", disks)
        self.assert_status(ran, 1)
        self.assert_says(ran, "nvme0n1 and nvme1n1 do not make a mirror: their sizes differ", "log")
        ran = self.mirror_run("hexdump checked0 0 1; hexdump nvme0n1 0 1", disks[:1])
        self.assert_status(ran, 1)
        self.assert_says(ran, "checked0: not there, as not all of its disks are: nvme0n1 nvme1n1", "log")

    def test_a_mirror_goes_on_with_one(self):
        """A driver that is given up takes its disk with it, and no request."""
        disks = [self.blank_image(name, 32 * MIB) for name in ("a.img", "b.img")]
        image = self.make_image("once.iso", {"supervisor.conf": b"[integrity]\nchecked0 = nvme0n1 nvme1n1\n" + ONCE})
        ran = self.run_machine("write-pattern checked0 0 3000 7; kill nvme1; verify-pattern checked0 0 3000 7;"
                               "write-pattern checked0 100 3000 8; verify-pattern checked0 100 3000 8",
                               "--image", image, *(word for disk in disks for word in ("--disk", f"nvme:{disk}")))
        self.assert_status(ran)
        self.assertEqual(ran.output.count("3000 of 3000 blocks as written"), 2, str(ran))
        self.assert_says(ran, "nvme1n1: .* it is left out from now on, nvme0n1 alone has what is written", "log")
