# SPDX-License-Identifier: GPL-2.0-or-later
"""Booting: what a driver holds, what is missing or corrupt in the archive."""
import io
import os
import re
import subprocess
import tarfile
import time

from machine import image as images
from machine.monitored import MonitoredTest
from machine.vm import BUILD, ROOT, MachineTest

MIB = 1 << 20


class Authority(MachineTest):
    def lines_of_driver(self, *arguments):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("devices -v", "--disk", f"nvme:{image}", *arguments)
        self.assert_status(ran)
        lines = ran.output.splitlines()
        start = next(i for i, line in enumerate(lines) if "driver nvme0 (running)" in line)
        rest = lines[start + 1:]
        # Its rows end with the next function's, or with the next driver's.
        end = next((i for i, line in enumerate(rest)
                    if not line.startswith(" " * 12) or line.strip().startswith("driver ")),
                   len(rest))
        return [line.strip() for line in rest[:end]], ran

    def test_is_exactly_bars_interrupt_memory_and_port(self):
        for iommu in ("vtd", "none"):
            with self.subTest(iommu=iommu):
                lines, ran = self.lines_of_driver("--iommu", iommu)
                kinds = {"bus master": rf"bus master   00:\d\d\.0{', confined' if iommu == 'vtd' else ''}",
                         "window": r"window 0     [0-9a-f]{8}-[0-9a-f]{8}, mapped",
                         "guard": r"but not    [0-9a-f]{8}-[0-9a-f]{8} \(interrupt table\)",
                         "interrupt": r"interrupt 0  message \d+, attached, \d+ taken",
                         "memory": r"memory       [0-9a-f]{8}-[0-9a-f]{8} \(\d+ [KM]iB\)",
                         "port": r"port         nvme0n1 \(block\)"}
                counted = {kind: sum(bool(re.fullmatch(pattern, line)) for line in lines)
                           for kind, pattern in kinds.items()}
                self.assertEqual(sum(counted.values()), len(lines), str(ran))
                memory = counted.pop("memory")
                # A page for identify data, the administration queue's two, and for
                # the first lane twice a pair: PRP lists and a queue's two.
                self.assertEqual(memory, 9, str(ran))
                self.assertEqual(counted, {"bus master": 1, "window": 1, "guard": 1, "interrupt": 1, "port": 1},
                                 str(ran))

    def test_confined_addresses_are_not_physical(self):
        lines, ran = self.lines_of_driver("--iommu", "vtd")
        first = next(line for line in lines if line.startswith("memory"))
        self.assertIn("10000000-", first, str(ran))
        self.assert_says(ran, "DMA is confined; interrupts are remapped by source", "log")


class OtherMachine(MachineTest):
    def test_without_extended_configuration_space(self):
        """QEMU's older machine has no MCFG table: configuration space is reached by ports."""
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 0 999 1; verify-pattern nvme0n1 0 999 1; devices",
                               "--disk", f"nvme:{image}", "--iommu", "none",
                               "--qemu-arg=-machine", "--qemu-arg=pc")
        self.assert_status(ran)
        self.assert_says(ran, "440FX")

    def test_a_disk_behind_bridges(self):
        image = self.blank_image("a.img", 4 * MIB)
        extra = ["-device", "pcie-root-port,id=bridge,chassis=1", "-drive",
                 f"if=none,id=far,format=raw,file={image}", "-device",
                 "nvme,serial=far,drive=far,bus=bridge"]
        ran = self.run_machine("write-pattern nvme0n1 0 999 1; verify-pattern nvme0n1 0 999 1; devices",
                               *(f"--qemu-arg={argument}" for argument in extra))
        self.assert_status(ran)
        self.assert_says(ran, "^ +01:00.0  1b36:0010 ")


class Archive(MonitoredTest):
    def test_a_driver_that_is_missing(self):
        image = self.make_image("boot.iso", leave_out=["nvme"])
        disk = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("devices; drivers", "--image", image, "--disk", f"nvme:{disk}")
        self.assert_status(ran)
        self.assert_says(ran, "nvme0: its program nvme is not in the boot archive", "log")
        self.assert_says(ran, "^nvme0 +driver +failed")

    def does_not_boot(self, image, reason):
        machine = self.start("devices", "--image", image)
        self.assertTrue(machine.wait_for_log(reason), machine.logged())
        time.sleep(2)
        machine.kill()
        self.assertNotIn("supervisor: ", machine.logged())

    def test_the_authority_is_missing(self):
        image = self.make_image("boot.iso", leave_out=["io"])
        self.does_not_boot(image, "io is missing from the boot archive")

    def test_the_supervisor_is_missing(self):
        image = self.make_image("boot.iso", leave_out=["supervisor"])
        ran = self.run_machine("devices", "--image", image)
        self.assert_status(ran, 1)
        self.assert_says(ran, "supervisor is missing from the boot archive", "log")

    def test_each_file_begins_on_a_page(self):
        with open(os.path.join(BUILD, "boot", "archive.bin"), "rb") as file:
            blob = file.read()
        with tarfile.open(fileobj=io.BytesIO(blob[4096:])) as archive:
            files = {entry.name: entry.offset_data for entry in archive.getmembers()}
        self.assertIn("nvme", files)
        self.assertEqual([name for name, offset in files.items() if offset % 4096 != 0], [])

    def test_a_corrupt_archive(self):
        def flip(data):
            return data[:9000] + bytes([data[9000] ^ 1]) + data[9001:]
        image = self.make_image("boot.iso", archive=flip)
        self.does_not_boot(image, "the boot archive is corrupt: its checksum is wrong")

    def test_a_manifest_with_an_unknown_key(self):
        manifest = b"[driver]\nprogram = nvme\nclass = block\ncolour = red\n[match]\nbus = pci\n"
        image = self.make_image("boot.iso", replace={"a-bad.manifest": manifest})
        disk = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("hexdump nvme0n1 0 1", "--image", image, "--disk", f"nvme:{disk}")
        self.assert_status(ran)
        self.assert_says(ran, r"a-bad.manifest: line 4: \[driver\] colour: unknown key", "log")

    def test_a_driver_that_offers_another_class(self):
        """It is refused, and what it may offer is told; a class is known as soon as a manifest names it."""
        with open(os.path.join(ROOT, "driver", "parport", "parport.manifest"), "rb") as file:
            manifest = file.read().replace(b"class = parallel", b"class = telegraph")
        ran = self.run_machine("drivers; parallel parport0", "--image", self.make_image("boot.iso", {"parport.manifest": manifest}))
        self.assert_status(ran, 1)
        self.assert_says(ran, 'parport0: parport0 is refused, as of class "parallel": it is to offer "telegraph"', "log")
        self.assert_says(ran, "^parport0 +driver +failed")

    def test_a_driver_that_is_no_executable(self):
        image = self.make_image("boot.iso", replace={"nvme": b"\x7fELF and then nothing"})
        disk = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("drivers", "--image", image, "--disk", f"nvme:{disk}")
        self.assert_status(ran)
        self.assert_says(ran, "nvme0: cannot be started: it is too short for an ELF header", "log")
        self.assert_says(ran, "^nvme0 +driver +failed")


class Sizes(MachineTest):
    """The kernel for several processors overwrites memory that depends on the sizes of what GRUB loads (boot/make-image)."""

    PAGE, MANY = 4096, 64

    def modules(self, image):
        listed = subprocess.run(["xorriso", "-indev", image, "-lsl", "/boot/"], check=True, capture_output=True, text=True).stdout
        return {match[2]: int(match[1]) for match in re.finditer(r"^-\S+ +\d+ +\S+ +\S+ +(\d+) .*'(\w+)'$", listed, re.M)}

    def test_they_do_not_depend_on_what_is_in_the_archive(self):
        """But in steps, and the archive does not fit below the kernel."""
        for size in (0, 130001, 2000003):
            modules = self.modules(images.make(self.path("boot.iso"), {"pad": os.urandom(size)}, (), None, "smp"))
            self.assertEqual(modules["root"] % (self.MANY * self.PAGE), 6 * self.PAGE)
            self.assertEqual(modules["archive"] % (self.MANY * self.PAGE), 17 * self.PAGE)
            self.assertGreater(modules["archive"], 15 << 20)

    def test_a_hurds_modules_and_their_lines_are_whole_steps(self):
        """So that they change nothing for the others."""
        path = self.path("boot.iso")
        subprocess.run([os.path.join(ROOT, "boot", "make-image"), os.path.join(BUILD, "sysroot/boot/gnumach-1.8-amd64-smp.gz"),
                        os.path.join(BUILD, "boot", "root"), os.path.join(BUILD, "boot", "archive.elf"), path,
                        os.path.join(BUILD, "boot", "io"), os.path.join(BUILD, "boot", "pci"), "nvme0n1"], check=True)
        modules = self.modules(path)
        for name in ("ext2fs", "exec"):
            self.assertEqual(modules[name] % (self.MANY * self.PAGE), (self.MANY - 1) * self.PAGE)

    def test_the_other_kernel_boots_with_any(self):
        for size in (260143, 1500078):
            built = images.make(self.path("boot.iso"), {"pad": os.urandom(size)}, (), None, "smp")
            self.assert_status(self.run_machine("drivers", "--image", built, "--kernel", "smp", "--cpus", "2"))
