# SPDX-License-Identifier: GPL-2.0-or-later
"""Partitions: tables of both kinds, their limits, and what is wrong with them."""
import hashlib
import os
import random
import struct
import subprocess
import zlib

from machine.vm import BUILD, ONCE, ROOT, SBIN, MachineTest

MIB = 1 << 20
GPT_SCRIPT = 'label: gpt\nsize=8MiB, name="small"\nsize=32MiB, name="files"\nsize=8MiB\n'
MBR_SCRIPT = "label: dos\nsize=8MiB,type=83\ntype=5\nsize=8MiB\nsize=32MiB\n"


def gpt(blocks, block_size, entries):
    """The start and the end of a disk with these entries: (first, last) each."""
    array = b"".join((b"\7" * 32 + struct.pack("<QQ", *entry)).ljust(128, b"\0") for entry in entries)
    array = array.ljust(128 * 128, b"\0")
    count = len(array) // block_size

    def header(block, other, where):
        fields = struct.pack("<QQQQ16sQIII", block, other, 2 + count, blocks - 2 - count, b"\7" * 16,
                             where, 128, 128, zlib.crc32(array))
        start, end = b"EFI PART" + struct.pack("<II", 0x10000, 92), bytes(4) + fields
        crc = zlib.crc32(start + bytes(4) + end)
        return (start + struct.pack("<I", crc) + end).ljust(block_size, b"\0")

    record = struct.pack("<4xB3xII", 0xee, 1, blocks - 1)
    master = (bytes(446) + record.ljust(64, b"\0") + b"\x55\xaa").ljust(block_size, b"\0")
    return (master + header(1, blocks - 1, 2) + array,
            array + header(blocks - 1, 1, blocks - 1 - count))


class PartitionTest(MachineTest):
    def divided_image(self, script, size=64 * MIB):
        """By sfdisk. The image, and where each partition is: number: (first, count) in blocks."""
        image = self.blank_image("a.img", size)
        subprocess.run(["sfdisk", "--quiet", image], input=script, text=True, check=True, env=SBIN,
                       capture_output=True)
        listing = subprocess.run(["sfdisk", "--dump", image], text=True, check=True, env=SBIN,
                                 capture_output=True).stdout
        parts = {}
        for line in listing.splitlines():
            name, _, rest = line.partition(" : ")
            if name.startswith(image):
                fields = dict(item.strip().split("=", 1) for item in rest.split(",") if "=" in item)
                parts[int(name[len(image):])] = (int(fields["start"]), int(fields["size"]))
        return image, parts

    def made_image(self, block_size, entries, size=32 * MIB):
        image = self.blank_image("a.img", size)
        start, end = gpt(size // block_size, block_size, entries)
        with open(image, "r+b") as file:
            file.write(start)
            file.seek(size - len(end))
            file.write(end)
        return image

    def make_files(self, image, first, count, block_size=512):
        """An ext4 of all of a partition, with a file in it; its hash."""
        data = random.Random(first).randbytes(3 * MIB + 5)
        os.makedirs(self.path("tree"), exist_ok=True)
        with open(self.path("tree/big"), "wb") as file:
            file.write(data)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={first * block_size}",
                        "-d", self.path("tree"), image, f"{count * block_size // 1024}k"], check=True, env=SBIN,
                       capture_output=True)
        return hashlib.sha256(data).hexdigest()

    def extract(self, image, first, count, block_size=512):
        with open(image, "rb") as file, open(self.path("part.img"), "wb") as out:
            file.seek(first * block_size)
            out.write(file.read(count * block_size))
        return self.path("part.img")

    def corrupt(self, image, offset):
        with open(image, "r+b") as file:
            file.seek(offset)
            file.write(os.urandom(64))

    def files_in(self, image, number, first, count, block_size=512):
        """A file system in a partition is mounted, written, unmounted, and e2fsck is content."""
        digest = self.make_files(image, first, count, block_size)
        disk = f"nvme:{image},bs={block_size}"
        ran = self.run_machine(
            f"mount nvme0n1p{number} /a; mkdir /a/d; cp /a/big /a/d/copy; mount; umount /a;"
            f"mount nvme0n1p{number} / ro; sha256sum /big /d/copy", "--disk", disk)
        self.assert_status(ran)
        self.assert_says(ran, f"^nvme0n1p{number} on /a$")
        self.assertEqual(ran.output.count(digest), 2, str(ran))
        self.assert_clean(self.extract(image, first, count, block_size))


class Tables(PartitionTest):
    def test_gpt(self):
        image, parts = self.divided_image(GPT_SCRIPT)
        self.assertEqual(sorted(parts), [1, 2, 3])
        self.files_in(image, 2, *parts[2])
        ran = self.run_machine("devices", "--disk", f"nvme:{image}")
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1, nvme0n1p1, nvme0n1p2, nvme0n1p3$")
        self.assert_says(ran, "nvme0n1p2: 65536 blocks from %d, files" % parts[2][0], "log")

    def test_mbr_with_logical_partitions(self):
        image, parts = self.divided_image(MBR_SCRIPT)
        self.assertEqual(sorted(parts), [1, 2, 5, 6])
        self.files_in(image, 6, *parts[6])
        ran = self.run_machine("devices", "--disk", f"nvme:{image}")
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1, nvme0n1p1, nvme0n1p5, nvme0n1p6$")

    def test_blocks_of_4096_bytes(self):
        image = self.made_image(4096, [(10, 99), (256, 7000)])
        self.files_in(image, 2, 256, 6745, 4096)

    def test_a_disk_without_a_table(self):
        image = self.ext4_image("a.img")
        ran = self.run_machine("devices; drivers; mount nvme0n1; ls", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1$")
        self.assert_says(ran, "^part:nvme0n1 service +running")

    def test_two_disks(self):
        image, _ = self.divided_image(GPT_SCRIPT)
        os.rename(image, self.path("gpt.img"))
        other, _ = self.divided_image(MBR_SCRIPT)
        ran = self.run_machine(
            "write-pattern nvme0n1p3 0 16384 1; write-pattern nvme1n1p5 0 16384 2;"
            "verify-pattern nvme0n1p3 0 16384 1; verify-pattern nvme1n1p5 0 16384 2;"
            "bench nvme1n1p6 randread 200 8",
            "--disk", f"nvme:{self.path('gpt.img')}", "--disk", f"nvme:{other}")
        self.assert_status(ran)


class Bounds(PartitionTest):
    def test_a_partition_is_its_blocks_and_no_others(self):
        """All of it is written; every other byte of the disk stays, and the end is an end."""
        image, parts = self.divided_image(GPT_SCRIPT)
        with open(image, "r+b") as file:
            for number in (1, 3):
                first, count = parts[number]
                file.seek(first * 512)
                file.write(os.urandom(count * 512))
        first, count = parts[2]
        with open(image, "rb") as file:
            before = file.read()
        ran = self.run_machine(f"write-pattern nvme0n1p2 0 {count} 4; verify-pattern nvme0n1p2 0 {count} 4",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran)
        with open(image, "rb") as file:
            after = file.read()
        self.assertEqual(after[:first * 512], before[:first * 512])
        self.assertEqual(after[(first + count) * 512:], before[(first + count) * 512:])
        self.assertNotEqual(after[first * 512:(first + 1) * 512], bytes(512))
        for command in (f"write-pattern nvme0n1p2 {count - 1} 2 4", f"write-pattern nvme0n1p2 {count} 1 4",
                        "verify-pattern nvme0n1p2 0xffffffffffffffff 2 4",
                        f"hexdump nvme0n1p2 {count * 512} 1"):
            ran = self.run_machine(command, "--disk", f"nvme:{image}")
            self.assert_status(ran, 1)
            self.assert_says(ran, "nvme0n1p2: past the end of the device$")
        with open(image, "rb") as file:
            self.assertEqual(file.read()[(first + count) * 512:], before[(first + count) * 512:])

    def test_a_read_only_disk_has_read_only_partitions(self):
        image, parts = self.divided_image(GPT_SCRIPT)
        self.make_files(image, *parts[2])
        ran = self.run_machine("mount nvme0n1p2 / ro; ls; umount /; write-pattern nvme0n1p1 0 8 1",
                               "--disk", f"nvme:{image},ro")
        self.assert_status(ran, 1)
        self.assertEqual(ran.output, "lost+found\nbig\nwrite-pattern: nvme0n1p1: Read-only file system\n",
                         str(ran))


class Gone(PartitionTest):
    def test_with_the_driver_go_the_partitions(self):
        programs = {"supervisor.conf": ONCE}
        for name, path in (("vanishing", os.path.join(BUILD, "boot")),
                           ("vanishing.manifest", os.path.join(ROOT, "test", "hostile"))):
            with open(os.path.join(path, name), "rb") as file:
                programs[name] = file.read()
        image, _ = self.divided_image(GPT_SCRIPT)
        ran = self.run_machine(
            "hexdump vanishing0n1p2 510 2; devices; until vanishing0 died sleep 50; devices; drivers;"
            "hexdump vanishing0n1p2 510 2; write-pattern nvme0n1p1 0 16384 1;"
            "verify-pattern nvme0n1p1 0 16384 1",
            "--disk", f"nvme:{image}", "--image", self.make_image("a.iso", programs),
            "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^000001fe  55 aa ")
        before, _, after = ran.output.rpartition("PCI bus")
        self.assertRegex(before, r"\(running\), vanishing0n1, vanishing0n1p1, vanishing0n1p2\n")
        self.assertRegex(after, r"driver vanishing0 \(bad instruction .*\)\n")
        self.assertRegex(after, r"part:vanishing0n1 service +stopped .* its disk is gone")
        self.assertIn("hexdump: vanishing0n1p2: No such file or directory", after)
        self.assertRegex(after, r"part:nvme0n1 service +running")
        self.assertIn("16384 of 16384 blocks as written", after)


class Broken(PartitionTest):
    def test_the_backup_is_used(self):
        image, parts = self.divided_image(GPT_SCRIPT)
        self.corrupt(image, 512 + 24)
        self.files_in(image, 2, *parts[2])
        ran = self.run_machine("devices", "--disk", f"nvme:{image}")
        self.assert_says(ran, "nvme0n1: the first copy of its GPT is bad "
                         r"\(its header's checksum is wrong\): the backup at block 131071 is used", "log")

    def test_without_a_good_copy_there_is_only_the_disk(self):
        image, _ = self.divided_image(GPT_SCRIPT)
        self.corrupt(image, 512 + 24)
        self.corrupt(image, 64 * MIB - 512 + 24)
        ran = self.run_machine("devices; bench nvme0n1 randread 100 4", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1$")
        self.assert_says(ran, "nvme0n1: both copies of its GPT are bad", "log")

    def test_entries_that_overlap_or_reach_out(self):
        image = self.made_image(512, [(100, 199), (150, 250), (60000, 1 << 40), (200, 299)])
        ran = self.run_machine("devices", "--disk", f"nvme:{image}")
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1, nvme0n1p1, nvme0n1p4$")
        self.assert_says(ran, "nvme0n1: GPT entry 2 overlaps entry 1: not offered", "log")
        self.assert_says(ran, "nvme0n1: GPT entry 3 is not within the usable blocks", "log")

    def test_a_chain_that_goes_round(self):
        image, parts = self.divided_image(MBR_SCRIPT)
        last = parts[6][0] - 2048  # sfdisk leaves a MiB between a link and its partition
        with open(image, "r+b") as file:
            file.seek(last * 512 + 446 + 16)
            file.write(struct.pack("<4xB3xII", 5, 0, 2048))
        ran = self.run_machine("devices", "--disk", f"nvme:{image}")
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1, nvme0n1p1, nvme0n1p5, nvme0n1p6$")
        self.assert_says(ran, "logical partitions goes round in a circle", "log")
