# SPDX-License-Identifier: GPL-2.0-or-later
"""AHCI: patterns, file systems, partitions, restarts, errors, the board's own controller and its CD."""
import os
import subprocess

from machine.disk_driver import DiskDriverTest, MIB
from machine.vm import BUILD, SBIN

NAME = "ahci0p0"


class Ahci(DiskDriverTest):
    DRIVER, DISK, KIND = "ahci0", NAME, "ahci"

    def device(self, *properties):
        """A controller with what is said at its ports, one after the other."""
        words = ["-device", "ich9-ahci,id=x"]
        for number, (drive, device) in enumerate(properties):
            words += ["-drive", f"if=none,id=x{number},format=raw,{drive}",
                      "-device", f"{device},drive=x{number},bus=x.{number}"]
        return [f"--qemu-arg={word}" for word in words]

    def test_pattern_is_there_after_a_reboot(self):
        disk = f"ahci:{self.blank_image('a.img', 24 * MIB)}"
        ran = self.run_machine(f"write-pattern {NAME} 37 20011 7", "--disk", disk)
        self.assert_status(ran)
        self.assert_says(ran, f'{NAME}: {24 * MIB // 512} blocks of 512 bytes, "QEMU HARDDISK", serial '
                         "outboard0\r?$", "log")
        self.assert_says(ran, f"{NAME}: 32 commands queued", "log")
        ran = self.run_machine(f"verify-pattern {NAME} 37 20011 7; verify-pattern {NAME} 37 20011 8",
                               "--disk", disk)
        self.assert_says(ran, f"^{NAME}: 20011 of 20011 blocks as written$")
        self.assert_says(ran, f"^{NAME}: block 37 differs at byte 0$")
        self.assert_status(ran, 1)

    def test_it_writes_the_same_bytes_as_another_driver(self):
        self.check_same_bytes_as_nvme()

    def test_without_an_iommu(self):
        for kernel in ("up", "smp"):
            image = self.blank_image("a.img", 8 * MIB)
            ran = self.run_machine(self.pattern(1, 4001, 3), "--disk", f"ahci:{image}", "--iommu", "none",
                                   "--kernel", kernel)
            self.assert_pattern(ran, 4001)
            self.assert_says(ran, "DMA is not confined", "log")

    def test_past_the_end_is_an_error(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine(f"verify-pattern {NAME} 8192 1 1", "--disk", f"ahci:{image}")
        self.assert_status(ran, 1)
        self.assert_says(ran, f"^verify-pattern: {NAME}: ")

    def test_ports_do_not_mix(self):
        images = [self.blank_image(name, 4 * MIB) for name in ("a.img", "b.img", "c.img")]
        commands = "; ".join(f"write-pattern ahci0p{i} 0 8192 {i}" for i in range(3)) + "; " + \
            "; ".join(f"verify-pattern ahci0p{i} 0 8192 {i}" for i in range(3))
        ran = self.run_machine(commands, *self.device(*((f"file={image}", "ide-hd") for image in images)))
        self.assert_status(ran)

    def test_a_file_system_in_a_partition(self):
        noise = os.urandom(5 * MIB + 17)
        os.makedirs(self.path("tree"))
        with open(self.path("tree/big"), "wb") as file:
            file.write(noise)
        inner = self.ext4_image("inner.img", "40M", self.path("tree"))
        image = self.blank_image("a.img", 48 * MIB)
        subprocess.run(["sfdisk", "-q", image], input=b"label: gpt\nstart=2048,size=81920\n", env=SBIN,
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["dd", f"if={inner}", f"of={image}", "bs=1M", "seek=1", "conv=notrunc",
                        "status=none"], check=True)
        ran = self.run_machine(
            f"mount {NAME}p1; mkdir /new; cp /big /new/copy; rm /big; sync; cp /new/copy /again;"
            f"umount /; mount {NAME}p1 / ro; sha256sum /new/copy /again", "--disk", f"ahci:{image}")
        self.assert_status(ran)
        self.assert_sums(ran, self.path("tree/big"), 2)
        subprocess.run(["dd", f"if={image}", f"of={inner}", "bs=1M", "skip=1", "count=40",
                        "status=none"], check=True)
        self.assert_clean(inner)

    def test_patterns_go_on_under_kills(self):
        self.check_patterns_under_kills()

    def test_a_file_system_goes_on_under_kills(self):
        os.makedirs(self.path("tree"))
        with open(self.path("tree/big"), "wb") as file:
            file.write(os.urandom(4 * MIB))
        image = self.ext4_image("a.img", "48M", self.path("tree"))
        ran = self.run_machine(f"mount {NAME}; kill ahci0 1000 50 3; until ahci0 2 cp /big /a; until ahci0 4 cp /a /b; sync;"
                               "until ahci0 6 cp /b /c; kill ahci0 0; sha256sum /big /c; umount /", "--disk", f"ahci:{image}")
        self.assert_status(ran)
        self.assert_sums(ran, self.path("tree/big"), 2)
        self.assert_clean(image)

    def test_discard(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine(f"write-pattern {NAME} 0 8192 3; discard {NAME} 800 320; write-zeroes {NAME} 0 1",
                               *self.device((f"file={image},discard=unmap", "ide-hd")))
        self.assert_status(ran, 1)  # zeroes are not offered
        self.assert_says(ran, "^write-zeroes: ")
        with open(image, "rb") as file:
            data = file.read()
        self.assertEqual(data[800 * 512:1120 * 512], bytes(320 * 512))
        for block in (799, 1120):
            self.assertNotEqual(data[block * 512:(block + 1) * 512], bytes(512))

    def test_an_error_of_the_medium(self):
        """The one that failed fails, the others of the same queue do not."""
        image = self.failing_reads(self.blank_image("a.img", 4 * MIB), 3000, 'iotype = "read"\n')
        ran = self.run_machine(
            f"write-pattern {NAME} 0 8192 3; hexdump {NAME} {3000 * 512} 1; verify-pattern {NAME} 0 3000 3;"
            f"verify-pattern {NAME} 3001 5191 3; verify-pattern {NAME} 2900 200 3",
            *self.device((f"file={image}", "ide-hd")))
        self.assert_status(ran, 1)
        self.assert_says(ran, f"^hexdump: {NAME}: I/O error$")
        self.assert_says(ran, f"^{NAME}: 3000 of 3000 blocks as written$")
        self.assert_says(ran, f"^{NAME}: 5191 of 5191 blocks as written$")
        self.assert_says(ran, f"{NAME}: read of 1 blocks at 3000 failed with status", "log")

    def test_a_stop_that_takes_long(self):
        """Who looks for partitions waits long for each read, and so does a driver that is told to stop then: it has
        10 s, and is not taken for hung. (The kernel's clock may go twice as fast as this.)"""
        ran = self.run_machine("restart ahci0; drivers", *self.device(
            ("file.driver=null-co,file.size=16M,file.read-zeroes=on,file.latency-ns=2500000000", "ide-hd")))
        self.assert_status(ran)
        self.assertNotIn("does not answer", ran.log)
        self.assert_says(ran, r"^ahci0 +driver +\w+ .* 1 +stopped\r?$")

    def test_the_boot_image_in_the_optical_drive(self):
        with open(os.path.join(BUILD, "boot", "outboard-up.iso"), "rb") as file:
            head = file.read(32768 + 6)[-5:]
        self.assertEqual(head, b"CD001")
        ran = self.run_machine("hexdump ahci0p2 32768 16; write-pattern ahci0p2 0 1 1")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^00008000  01 43 44 30 30 31 ")
        self.assert_says(ran, "^write-pattern: ahci0p2: Read-only file system$")
        self.assertNotIn("warning", ran.log)

    def test_an_empty_drive_and_an_empty_controller(self):
        ran = self.run_machine("devices", *self.device(), "--qemu-arg=-device",
                               "--qemu-arg=ich9-ahci,id=y", "--qemu-arg=-device", "--qemu-arg=ide-cd,bus=y.3")
        self.assert_status(ran)
        self.assert_says(ran, "ahci0: 6 ports, nothing to use", "log")
        self.assert_says(ran, "ahci1: .*port 3 is not used: there is no medium in it", "log")

    def test_discs_come_and_go(self):
        """An empty drive is given a disc, another one, and none: each is noticed, and is a device of its own."""
        for name, size in (("a", 2), ("b", 3)):
            with open(self.path(name), "wb") as file:
                file.write(name.encode() * (size * MIB))
        machine = self.start("; ".join(["hexdump ahci0p3 0 4; drivers; sleep 400"] * 90), *self.device(),
                             "--qemu-arg=-device", "--qemu-arg=ide-cd,id=drive,bus=x.3")

        def wait_for(*patterns):
            for pattern in patterns:
                self.assertTrue(machine.wait_for(pattern), f"{pattern} did not come:\n{machine.output.decode()}")

        wait_for("^part:ahci1p2 .*running")
        machine.do("blockdev-change-medium", id="drive", filename=self.path("a"), format="raw")
        wait_for("^00000000  61 61 61 61 ", "^part:ahci0p3 .*running")
        machine.do("blockdev-change-medium", id="drive", filename=self.path("b"), format="raw")
        wait_for("^00000000  62 62 62 62 ", "^part:ahci0p3 .*running")
        machine.do("eject", id="drive", force=True)
        wait_for("^part:ahci0p3 .*stopped")
        machine.kill()
        with open(machine.log, encoding="utf-8", errors="replace") as file:
            log = file.read()
        for text in ("there is no medium in it", "ahci0p3: 1024 blocks of 2048 bytes", "was changed or taken out",
                     "ahci0p3: 1536 blocks of 2048 bytes, .* serial [^ ]+ 1\r?\n"):
            self.assertRegex(log, text)

    def test_what_obvm_cannot_attach(self):
        image = self.blank_image("a.img", 4 * MIB)
        for option, reason in (("ro", "never read-only"), ("bs=4096", "blocks of 512 bytes")):
            run = subprocess.run([os.path.join(os.path.dirname(BUILD), "obvm"), "--disk",
                                  f"ahci:{image},{option}", "-c", "help"], capture_output=True, text=True,
                                 check=False)
            self.assertEqual(run.returncode, 2)
            self.assertIn(reason, run.stderr)
