# SPDX-License-Identifier: GPL-2.0-or-later
"""A Hurd on top, played by test/hurd: what it sends and expects is doc/hurd.md's."""
import os
import random
import re
import shutil
import subprocess
import zlib

from machine.monitored import Monitored
from machine.vm import BUILD, ROOT, SBIN, MachineTest

MIB = 1 << 20
BOOTS = int(os.environ.get("HURD_BOOTS", "1"))


class Hurd(MachineTest):
    def programs(self):
        os.makedirs(self.path("hurd"), exist_ok=True)
        for name in ("ext2fs.static", "exec.static"):
            shutil.copy(os.path.join(BUILD, "boot", "stand-in"), self.path("hurd/" + name))
        return self.path("hurd")

    def boot(self, commands, disk, *arguments):
        return self.run_machine(commands, "--hurd", self.programs(), "--disk", disk, *arguments)

    def system(self, kind, block, options="", kills=0, root=None, end="reboot"):
        """A whole life of a system, with the driver killed meanwhile; the file system is clean afterwards."""
        for number in range(BOOTS):
            image = self.ext4_image("root.img", "64M", options=("-t", "ext2", "-b", "4096"))
            driver = {"nvme": "nvme0", "virtio": "virtio-blk0", "ahci": "ahci0"}[kind]
            first = 64 * MIB // 512 // 2  # the stand-in writes where the file system has nothing yet
            commands = "sleep 1200; " + (f"kill {driver} 1000 {kills} {number + 1}; " if kills else "")
            arguments = [f"--hurd-arg={word}" for word in
                         ("--reads=1000", f"--scratch={first},32768", f"--seed={number + 1}", "--confined", "--pci", "--acpi",
                          "--seconds=3", "--end=" + end)]
            if root:
                arguments += ["--root", root]
            ran = self.boot(commands + "sleep 150000", f"{kind}:{image}{options}", *arguments)
            self.assert_says(ran, r"^stand-in: \d{4,} checks, 0 failed", "log")
            self.assert_says(ran, "supervisor: all is at rest: " + {"off": "power off"}.get(end, end), "log")
            self.assertEqual(ran.status, 1, str(ran))  # it went down by itself, the shell had more to do
            restarts = re.findall(r"running again, .* \((\d+) restarts\)", ran.log)
            self.assertEqual(bool(restarts), bool(kills), str(ran))
            self.assert_clean(image)

    def test_on_nvme(self):
        self.system("nvme", 512)

    def test_on_nvme_under_kills(self):
        self.system("nvme", 512, kills=1000)

    def test_tasks_that_are_started_are_not_told_of(self):
        """Whoever asks for the list of tasks again and again, while drivers are started, sees none of them in it."""
        disk = self.ext4_image("root.img", "64M", options=("-t", "ext2", "-b", "4096"))
        ran = self.boot("kill nvme0 5000 50 1; sleep 150000", f"nvme:{disk}", "--hurd-arg=--seconds=1",
                        "--hurd-arg=--tasks=12000", "--hurd-arg=--end=reboot")
        self.assert_says(ran, r"^stand-in: \d{4,} checks, 0 failed", "log")
        self.assertGreater(len(re.findall("nvme0: running again", ran.log)), 1, str(ran))

    def test_on_nvme_with_blocks_of_4096(self):
        self.system("nvme", 4096, options=",bs=4096", root="wd0=nvme0n1")

    def test_on_nvme_with_blocks_of_4096_under_kills(self):
        self.system("nvme", 4096, options=",bs=4096", kills=1000)

    def test_on_virtio(self):
        self.system("virtio", 512, end="off")

    def test_on_virtio_under_kills(self):
        self.system("virtio", 512, kills=1000, root="wd0=virtio-blk0")

    def test_on_ahci(self):
        self.system("ahci", 512)

    def test_on_ahci_under_kills(self):
        self.system("ahci", 512, kills=1000, root="wd0=ahci0p0")

    def network(self, kind, kills):
        """A stack's part of the conversation, with the card's driver killed meanwhile."""
        image = self.ext4_image("root.img", "64M", options=("-t", "ext2", "-b", "4096"))
        driver = {"virtio": "virtio-net0", "e1000e": "e1000e0"}[kind]
        pings = 1000 if kills else 200  # so many that drivers die meanwhile
        commands = (f"kill {driver} 400 150 1; " if kills else "") + "sleep 150000"
        ran = self.boot(commands, f"nvme:{image}", "--nic", kind, *(f"--hurd-arg={word}" for word in (
            "--reads=10", "--seconds=3" if kills else "--seconds=1", "--card=eth0", f"--pings={pings}", "--confined", "--end=reboot")))
        self.assert_says(ran, r"^stand-in: \d{3,} checks, 0 failed", "log")
        answered = re.search(rf"eth0: (\d+) of {pings} pings answered", ran.log)
        self.assertTrue(answered and int(answered[1]) >= (pings / 2 if kills else pings), str(ran))
        restarts = len(re.findall(f"{driver}: running again", ran.log))
        self.assertTrue(restarts > 5 if kills else restarts == 0, str(ran))
        self.assert_says(ran, "supervisor: all is at rest: reboot", "log")
        self.assertNotIn("was not flushed", ran.log)

    def test_network_on_virtio(self):
        self.network("virtio", False)

    def test_network_on_virtio_under_kills(self):
        self.network("virtio", True)

    def test_network_on_e1000e(self):
        self.network("e1000e", False)

    def test_network_on_e1000e_under_kills(self):
        self.network("e1000e", True)

    def short(self, *arguments):
        """A short life of a system whose programs are in the root file system's /hurd."""
        source = self.path("tree")
        if not os.path.exists(source):
            os.makedirs(source)
            shutil.copytree(self.programs(), os.path.join(source, "hurd"))
        image = self.ext4_image("root.img", "64M", source, ("-t", "ext2", "-b", "4096"))
        return image, ["--hurd", image, "--disk", f"nvme:{image}", *arguments, *(f"--hurd-arg={word}" for word in (
            "--reads=10", "--seconds=1", "--confined", "--pci", "--acpi", "--end=reboot"))]

    def test_programs_out_of_an_image_and_other_machines(self):
        for arguments in (("--kernel", "smp", "--iommu", "none"), ("--count",)):
            image, arguments = self.short(*arguments)
            ran = self.run_machine("sleep 150000", *arguments)
            self.assert_says(ran, r"^stand-in: \d{4,} checks, 0 failed", "log")
            self.assert_says(ran, "supervisor: all is at rest: reboot", "log")
            self.assert_clean(image)

    def test_its_console_is_on_standard_output(self):
        image, arguments = self.short()
        run = subprocess.run([os.path.join(ROOT, "obvm"), "--timeout", "60", *arguments], stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=120, check=False)
        self.assertRegex(run.stdout.decode(errors="replace"), r"stand-in: \d{4,} checks, 0 failed")
        self.assert_clean(image)

    def test_roms(self):
        """What libpciaccess reads of a ROM is what QEMU was given; of one whose card has a driver only its size is told."""
        disk = self.ext4_image("root.img", "64M", options=("-t", "ext2", "-b", "4096"))
        packaged = next((path for path in ("/usr/lib/ipxe/qemu/efi-rtl8139.rom", "/usr/share/qemu/efi-rtl8139.rom")
                         if os.path.exists(path)), None)
        own = self.path("own.rom")
        with open(own, "wb") as file:
            file.write(random.Random(1).randbytes(70000))
        devices = [f"e1000,romfile={own}", f"virtio-net-pci,disable-legacy=on,iommu_platform=on,romfile={own}", *([f"rtl8139,romfile={packaged}"] if packaged else [])]
        ran = self.boot("sleep 150000", f"nvme:{disk}", *(f"--qemu-arg={word}" for device in devices for word in ("-device", device)),
                        *(f"--hurd-arg={word}" for word in ("--reads=10", "--seconds=1", "--confined", "--pci", "--end=reboot")))
        self.assert_says(ran, r"^stand-in: \d{3,} checks, 0 failed", "log")
        for device, path in (("8086:100e", own), ("10ec:8139", packaged)):
            if path:
                with open(path, "rb") as file:
                    content = file.read()
                size = 1 << (len(content) - 1).bit_length()
                self.assert_says(ran, f"the rom of {device} has {size} bytes, crc "
                                 f"{zlib.crc32(content.ljust(size, bytes(1))):08x}", "log")
        self.assert_says(ran, "the rom of 1af4:1041 has 131072 bytes, and a driver", "log")

    def test_a_root_device_that_is_not_there(self):
        image = self.blank_image("a.img", MIB)
        ran = self.boot("sleep 4000; drivers", f"nvme:{image}", "--root", "wd7", "--root-arg=--wait=1")
        self.assert_status(ran)
        self.assert_says(ran, r"hurd: error: the root device wd7 \(wd7\) is not there after 1 s", "log")
        self.assertNotIn("stand-in: ", ran.log, str(ran))

    def test_the_keyboard_of_a_console_on_the_screen(self):
        """It is the kernel's, which says so on its command line; here that is only said."""
        image = self.blank_image("a.img", MIB)
        ran = self.boot("drivers", f"nvme:{image}", "--root", "wd7", "--root-arg=--wait=1",
                        "--root-arg=--multiboot-command-line=console=kd")
        self.assert_says(ran, r"io: ps20: ports 60-60 refused: overlaps 60-60 of kernel console \(keyboard\)", "log")
        self.assert_says(ran, "ps2: the device at ports 060-060 is not ours to drive", "log")

    def test_a_next_task_that_is_none(self):
        image = self.blank_image("a.img", MIB)
        ran = self.boot("drivers", f"nvme:{image}", "--root-arg=--next-task=999")
        self.assert_status(ran)
        self.assert_says(ran, "--next-task is no task", "log")

    def test_the_entry_in_the_manual(self):
        """doc/hurd.md's GRUB entry, files where it says they are, on the first partition of the disk."""
        with open(os.path.join(ROOT, "doc", "hurd.md"), encoding="utf-8") as file:
            entry = re.search(r"^```\n(menuentry .*?)^```$", file.read(), re.M | re.S)[1]
        folder = self.path("iso")
        files = {"boot/gnumach-1.8-amd64-up.gz": "sysroot/boot/gnumach-1.8-amd64-up.gz",
                 "boot/outboard-root": "boot/root", "boot/outboard-archive": "boot/archive.elf",
                 "hurd/ext2fs.static": "boot/stand-in", "hurd/exec.static": "boot/stand-in"}
        for name, source in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            shutil.copy(os.path.join(BUILD, source), os.path.join(folder, name))
        os.makedirs(os.path.join(folder, "boot/grub"))
        with open(os.path.join(folder, "boot/grub/grub.cfg"), "w", encoding="utf-8") as file:
            file.write("set timeout=0\nserial --unit=0\nterminal_output serial\n" + entry)
        subprocess.run(["grub-mkrescue", "-o", self.path("manual.iso"), "--fonts=", "--themes=", "--locales=",
                        "--install-modules=multiboot serial iso9660 biosdisk normal gzio", folder], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        disk = self.blank_image("disk.img", 80 * MIB)
        subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=64MiB\n", text=True, check=True, env=SBIN)
        with open(self.ext4_image("part.img", "64M", options=("-t", "ext2")), "rb") as part, open(disk, "r+b") as whole:
            whole.seek(MIB)
            whole.write(part.read())
        machine = Monitored(self, "sleep 150000", "--image", self.path("manual.iso"), "--disk", f"nvme:{disk}")
        for line in r"^stand-in: wd0s1: 131072 records of 512", r"^stand-in: \d{4,} checks, 0 failed":
            self.assertTrue(machine.wait_for_log(line), machine.logged())
