# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's device interface, which the device service has for block devices."""
import collections
import hashlib
import os
import random
import re
import subprocess

from machine.vm import BUILD, ONCE, ROOT, SBIN, MachineTest

MIB = 1 << 20


class DeviceTest(MachineTest):
    def random_image(self, name, size=8 * MIB):
        data = random.Random(name).randbytes(size)
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name), data

    def contents(self, image):
        with open(image, "rb") as file:
            return file.read()

    def lines_of(self, reads, data, name="nvme0n1"):
        """What device-read prints for (record, bytes, ...) each."""
        return "".join(f"{hashlib.sha256(data[read[0] * 512:][:read[1]]).hexdigest()}  {name}\n"
                       for read in reads)


class Reads(DeviceTest):
    def test_the_bytes_are_those_of_the_disk(self):
        """Long and short, alone and many before the first answer, at any record of 4096-byte blocks."""
        reads = ((0, 512), (16383, 512), (7, 4096), (8, 4096), (3, 5 * MIB + 512), (0, 8 * MIB),
                 (0, 8 * MIB, 256), (5, MIB, 32), (1, 32 * 512, 32),
                 (8, MIB, 256))  # pages: all are with the caller before the first is looked at
        commands = ";".join(" ".join(map(str, ("device-read nvme0n1", *read))) for read in reads)
        image, data = self.random_image("a.img")
        for block_size in (512, 4096):
            ran = self.run_machine(commands, "--disk", f"nvme:{image},bs={block_size}")
            self.assert_status(ran)
            self.assertEqual(ran.output, self.lines_of(reads, data))

    def test_a_pattern_of_the_raw_interface(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 0 8192 6; device-read nvme0n1 0 4194304 64",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assertIn(self.lines_of(((0, 4 * MIB),), self.contents(image)), ran.output)
        self.assertNotEqual(self.contents(image)[:512], bytes(512))

    def test_many_at_a_time(self):
        image = self.blank_image("a.img", 8 * MIB)
        for size, depth in ((512, 200), (4096, 32), (65536, 40)):
            ran = self.run_machine(f"device-bench nvme0n1 {depth * 5} {size} {depth}",
                                   "--disk", f"nvme:{image}")
            self.assert_status(ran)
            self.assert_says(ran, f"^{depth * 5} operations in ")

    def test_as_many_callers_as_the_device_has_commands(self):
        """32 reads at once are 32 commands in the device's queue, as QEMU sees it."""
        image, trace = self.blank_image("a.img", 8 * MIB), self.path("trace")
        traced = ("pci_nvme_io_cmd", "pci_nvme_enqueue_req_completion")
        ran = self.run_machine("device-bench nvme0n1 3200 4096 32", "--disk", f"nvme:{image}", "--qemu-arg=-D",
                               f"--qemu-arg={trace}",
                               *(f"--qemu-arg={word}" for name in traced for word in ("-trace", "enable=" + name)))
        self.assert_status(ran)
        commands, depths = set(), collections.Counter()
        with open(trace, encoding="utf-8", errors="replace") as file:
            for line in file:
                begun = re.search(r"io_cmd cid (\d+) .* sqid (\d+) .*'NVME_NVM_CMD_READ'", line)
                ended = re.search(r"completion cid (\d+) cqid (\d+)", line)
                if begun:
                    commands.add(begun.groups())
                    depths[len(commands)] += 1
                elif ended:
                    commands.discard(ended.groups())
        self.assertEqual(max(depths), 32, depths)
        self.assertGreater(depths[32], 25, depths)  # of the 100 times that all had been answered

    def test_two_disks_do_not_mix(self):
        a, data_a = self.random_image("a.img", MIB)
        b, data_b = self.random_image("b.img", 2 * MIB)
        ran = self.run_machine("device-read nvme0n1 4 65536 8; device-read nvme1n1 4 65536 8;"
                               "device-read nvme0n1 4 65536 8", "--disk", f"nvme:{a}", "--disk", f"nvme:{b}")
        self.assertEqual(ran.output, self.lines_of([(4, 65536)], data_a)
                         + self.lines_of([(4, 65536)], data_b, "nvme1n1")
                         + self.lines_of([(4, 65536)], data_a))

    def test_a_partition_has_a_name_too(self):
        image, _ = self.random_image("a.img", 32 * MIB)
        subprocess.run(["sfdisk", "--quiet", image], input="label: dos\nstart=2048,size=4096,type=83\n",
                       text=True, check=True, env=SBIN, capture_output=True)
        data = self.contents(image)[MIB:3 * MIB]
        ran = self.run_machine("device-status nvme0n1p1; device-read nvme0n1p1 1 8192;"
                               "device-read nvme0n1p1 4095 1024", "--disk", f"nvme:{image}")
        self.assertEqual(ran.output, "nvme0n1p1: size 2097152 (2), records 4096 of 512 (2)\n"
                         + self.lines_of(((1, 8192),), data, "nvme0n1p1")
                         + "device-read: nvme0n1p1: D_INVALID_SIZE\n")


class Writes(DeviceTest):
    def test_they_are_there_and_nothing_else(self):
        image, before = self.random_image("a.img")
        ran = self.run_machine("device-write nvme0n1 37 3000832 3; verify-pattern nvme0n1 37 5861 3;"
                               "device-read nvme0n1 0 8388608", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, "^nvme0n1: wrote 3000832 bytes\nnvme0n1: 5861 of 5861 blocks as written$")
        after = self.contents(image)
        self.assertIn(self.lines_of(((0, 8 * MIB),), after), ran.output)
        self.assertEqual(after[:37 * 512], before[:37 * 512])
        self.assertEqual(after[(37 + 5861) * 512:], before[(37 + 5861) * 512:])

    def test_parts_of_large_blocks(self):
        """The same writes to disks of small and of large blocks leave the same bytes."""
        writes = ";".join(f"device-write nvme0n1 {record} {size} {record}" for record, size in (
            (3, 512), (7, 1024), (16, 4096), (25, 3584), (33, 2 * MIB + 1536), (16383, 512)))
        images = []
        for block_size in (512, 4096):
            image, before = self.random_image("a.img")
            ran = self.run_machine(writes, "--disk", f"nvme:{image},bs={block_size}")
            self.assert_status(ran)
            images.append(self.contents(image))
        self.assertEqual(images[0], images[1])
        self.assertNotEqual(images[0], before)

    def test_a_read_only_disk(self):
        image, data = self.random_image("a.img", MIB)
        ran = self.run_machine("device-write nvme0n1 0 512 1; device-read nvme0n1 9 4096",
                               "--disk", f"nvme:{image},ro")
        self.assert_status(ran, 1)
        self.assertEqual(ran.output, "device-write: nvme0n1: D_READ_ONLY\n"
                         + self.lines_of(((9, 4096),), data))
        self.assertEqual(self.contents(image), data)


class Refusals(DeviceTest):
    def test_sizes(self):
        image = self.blank_image("a.img", 8 * MIB)
        for block_size in (512, 4096):
            ran = self.run_machine("device-status nvme0n1", "--disk", f"nvme:{image},bs={block_size}")
            self.assertEqual(ran.output, "nvme0n1: size 8388608 (2), records 16384 of 512 (2)\n", str(ran))

    def test_a_size_that_the_reply_does_not_hold_is_unknown(self):
        image = self.blank_image("a.img", 3 << 30)
        ran = self.run_machine("device-status nvme0n1", "--disk", f"nvme:{image}")
        self.assertEqual(ran.output, "nvme0n1: size 0 (2), records 6291456 of 512 (2)\n", str(ran))

    def test_bad_requests(self):
        image, data = self.random_image("a.img", MIB)
        cases = (("device-read nvme0n1 0 0", "D_INVALID_SIZE"),
                 ("device-read nvme0n1 0 100", "D_INVALID_SIZE"),
                 ("device-read nvme0n1 0 513", "D_INVALID_SIZE"),
                 ("device-read nvme0n1 0 33554432", "D_INVALID_SIZE"),
                 ("device-read nvme0n1 2047 1024", "D_INVALID_SIZE"),
                 ("device-read nvme0n1 2048 512", "D_INVALID_RECNUM"),
                 ("device-read nvme0n1 0xffffffffffffffff 512", "D_INVALID_RECNUM"),
                 ("device-read nvme0n1 0x0080000000000000 512", "D_INVALID_RECNUM"),
                 ("device-write nvme0n1 0 0 1", "D_INVALID_SIZE"),
                 ("device-write nvme0n1 0 520 1", "D_INVALID_SIZE"),
                 ("device-write nvme0n1 2047 1024 1", "D_INVALID_SIZE"),
                 ("device-write nvme0n1 2048 512 1", "D_INVALID_RECNUM"),
                 ("device-read nvme0n2 0 512", "D_NO_SUCH_DEVICE"),
                 ("device-read pool 0 512", "D_NO_SUCH_DEVICE"),
                 (f"device-read nvme0n1{'1' * 90} 0 512", "D_NO_SUCH_DEVICE"))
        ran = self.run_machine(";".join(command for command, _ in cases) + "; device-read nvme0n1 0 512",
                               "--disk", f"nvme:{image}")
        expected = [f"{command.split()[0]}: {command.split()[1]}: {code}" for command, code in cases]
        self.assertEqual(ran.output.splitlines()[:-1], expected, str(ran))
        self.assertTrue(ran.output.endswith(self.lines_of(((0, 512),), data)), str(ran))
        self.assertEqual(self.contents(image), data)

    def test_the_other_calls(self):
        for block_size in (512, 4096):
            image, data = self.random_image("a.img", MIB)
            ran = self.run_machine("device-calls nvme0n1", "--disk", f"nvme:{image},bs={block_size}")
            self.assertEqual(ran.output.splitlines(), [
                "map: D_INVALID_OPERATION", "get_status with room for one: D_INVALID_SIZE",
                "get_status 99: D_INVALID_OPERATION", "set_status 99: D_INVALID_OPERATION",
                "flush with a status: D_INVALID_SIZE", "flush: D_SUCCESS",
                "write_inband: D_SUCCESS", "read_inband: D_SUCCESS",
                "14 written, 20 read: written inband",
                "read_inband of 0: D_INVALID_SIZE", "read_inband of 129: D_INVALID_SIZE",
                "write of 0: D_INVALID_SIZE", "read of -512: D_INVALID_SIZE", "close: D_SUCCESS",
                "read when closed: No such device"], str(ran))
            self.assertEqual(self.contents(image), b"written inband" + data[14:])


class Gone(DeviceTest):
    def test_a_driver_that_dies_takes_its_disk_along_and_no_other(self):
        programs = {"supervisor.conf": ONCE}
        for name, path in (("vanishing", os.path.join(BUILD, "boot")),
                           ("vanishing.manifest", os.path.join(ROOT, "test", "hostile"))):
            with open(os.path.join(path, name), "rb") as file:
                programs[name] = file.read()
        image, data = self.random_image("a.img", MIB)
        ran = self.run_machine(
            "device-status vanishing0n1; device-read nvme0n1 3 512;"
            "device-bench vanishing0n1 1000000 512; device-read vanishing0n1 0 512; device-read nvme0n1 0 65536 16",
            "--disk", f"nvme:{image}", "--image", self.make_image("a.iso", programs),
            "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran, 1)
        self.assertEqual(ran.output, "vanishing0n1: size 512000 (2), records 1000 of 512 (2)\n"
                         + self.lines_of(((3, 512),), data)
                         + "device-bench: vanishing0n1: D_DEVICE_DOWN\n"
                         + "device-read: vanishing0n1: D_NO_SUCH_DEVICE\n"
                         + self.lines_of(((0, 65536),), data))
