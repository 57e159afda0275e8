# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-blk: patterns, file systems, what the device can and cannot do, and devices that are refused."""
import os
import re

from machine.disk_driver import DiskDriverTest, MIB

NAME = "virtio-blk0"


class Virtio(DiskDriverTest):
    DRIVER, DISK, KIND = NAME, NAME, "virtio"

    def device(self, image, properties):
        """A device as QEMU would have it, without obvm's choice of properties."""
        return [f"--qemu-arg={word}" for word in (
            "-drive", f"if=none,id=x,format=raw,file={image}",
            "-device", f"virtio-blk-pci,drive=x,{properties}")]

    def test_pattern_is_there_after_a_reboot(self):
        image = self.blank_image("a.img", 24 * MIB)
        for block_size, start, count in ((512, 37, 20011), (4096, 3, 4099)):
            disk = f"virtio:{image},bs={block_size}"
            ran = self.run_machine(f"write-pattern {NAME} {start} {count} 7", "--disk", disk)
            self.assert_status(ran)
            self.assert_says(ran, f"{NAME}: {24 * MIB // block_size} blocks of {block_size} bytes, "
                             '"virtio block device", serial outboard0', "log")
            self.assert_says(ran, "1 request queue\\(s\\)", "log")
            ran = self.run_machine(f"verify-pattern {NAME} {start} {count} 7; "
                                   f"verify-pattern {NAME} {start} {count} 8", "--disk", disk)
            self.assert_says(ran, f"^{NAME}: {count} of {count} blocks as written$")
            self.assert_says(ran, f"^{NAME}: block {start} differs at byte 0$")
            self.assert_status(ran, 1)

    def test_both_drivers_write_the_same_bytes(self):
        self.check_same_bytes_as_nvme()

    def test_without_an_iommu(self):
        image = self.blank_image("a.img", 8 * MIB)
        ran = self.run_machine(self.pattern(1, 4001, 3), "--disk", f"virtio:{image}", "--iommu", "none")
        self.assert_pattern(ran, 4001)
        self.assert_says(ran, "DMA is not confined", "log")

    def test_read_only_disk_refuses_writes(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine(f"hexdump {NAME} 0 1; write-pattern {NAME} 0 8 1",
                               "--disk", f"virtio:{image},ro")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^00000000  00 ")
        self.assert_says(ran, f"^write-pattern: {NAME}: Read-only file system$")
        with open(image, "rb") as file:
            self.assertEqual(file.read(), bytes(4 * MIB))

    def test_past_the_end_is_an_error(self):
        image = self.blank_image("a.img", 4 * MIB)
        for command in (f"hexdump {NAME} 0x3ffff0 17", f"verify-pattern {NAME} 8192 1 1",
                        f"write-pattern {NAME} 8191 2 1"):
            with self.subTest(command=command):
                self.assert_status(self.run_machine(command, "--disk", f"virtio:{image}"), 1)

    def test_a_file_system(self):
        noise = os.urandom(5 * MIB + 17)
        os.makedirs(self.path("tree"))
        with open(self.path("tree/big"), "wb") as file:
            file.write(noise)
        for iommu, block_size in (("vtd", 512), ("none", 512), ("vtd", 4096)):
            with self.subTest(iommu=iommu, block_size=block_size):
                image = self.ext4_image("a.img", "48M", self.path("tree"))
                disk = f"virtio:{image},bs={block_size}"
                ran = self.run_machine(
                    f"mount {NAME}; mkdir /new /new/er; cp /big /new/er/copy; rm /big; sync;"
                    "cp /new/er/copy /again; umount /", "--disk", disk, "--iommu", iommu)
                self.assert_status(ran)
                self.assert_clean(image)
                ran = self.run_machine(f"mount {NAME} / ro; sha256sum /new/er/copy /again",
                                       "--disk", f"{disk},ro", "--iommu", iommu)
                self.assert_status(ran)
                self.assert_sums(ran, self.path("tree/big"), 2)

    def test_patterns_go_on_under_kills(self):
        self.check_patterns_under_kills()

    def test_devices_of_all_kinds(self):
        """Less than the usual: no event index, no indirect descriptors, few descriptors, a notification
        page per queue, one message for all, no message at all (a line)."""
        image = self.blank_image("a.img", 4 * MIB)
        for properties in ("event_idx=off", "indirect_desc=off", "event_idx=off,indirect_desc=off",
                           "queue-size=4", "queue-size=4,indirect_desc=off", "page-per-vq=on",
                           "packed=on", "num-queues=4", "vectors=1", "vectors=0"):
            with self.subTest(properties=properties):
                ran = self.run_machine(self.pattern(1, 2001, 3), *self.device(
                    image, "disable-legacy=on,iommu_platform=on," + properties))
                self.assert_pattern(ran, 2001)

    def test_a_transitional_device_is_used_as_a_modern_one(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine(self.pattern(1, 2001, 3), *self.device(image, "disable-legacy=off"),
                               "--iommu", "none")
        self.assert_pattern(ran, 2001)

    def refused(self, image, properties, reason):
        ran = self.run_machine(f"devices; hexdump {NAME} 0 1", *self.device(image, properties))
        self.assert_status(ran, 1)
        self.assert_says(ran, f"{NAME}: error: the device {reason}", "log")

    def test_devices_that_are_refused(self):
        image = self.blank_image("a.img", 4 * MIB)
        self.refused(image, "disable-modern=on,disable-legacy=off", "has the legacy interface only")
        # It would take the addresses behind the IOMMU for physical ones.
        self.refused(image, "disable-legacy=on", "bypasses the IOMMU")

    def test_discard_and_zeroes(self):
        for block_size in (512, 4096):
            with self.subTest(block_size=block_size):
                image = self.blank_image("a.img", 4 * MIB)
                blocks = 4 * MIB // block_size
                ran = self.run_machine(
                    f"write-pattern {NAME} 0 {blocks} 3; write-zeroes {NAME} 16 300; discard {NAME} 800 32;"
                    f"write-zeroes {NAME} {blocks - 1} 2", "--disk", f"virtio:{image},bs={block_size}")
                self.assert_status(ran, 1)
                with open(image, "rb") as file:
                    data = file.read()
                start, end = 16 * block_size, 316 * block_size
                self.assertEqual(data[start:end], bytes(end - start))
                self.assertNotEqual(data[start - block_size:start], bytes(block_size))
                self.assertNotEqual(data[end:end + block_size], bytes(block_size))
                self.assertNotEqual(data[-block_size:], bytes(block_size))
                end = 832 * block_size
                self.assertNotEqual(data[end:end + block_size], bytes(block_size))

    def test_an_error_of_the_medium(self):
        image = self.failing_reads(self.blank_image("a.img", 4 * MIB), 100)
        ran = self.run_machine(f"hexdump {NAME} {100 * 512} 1; hexdump {NAME} {99 * 512} 1", *self.device(
            image, "disable-legacy=on,iommu_platform=on"))
        self.assert_status(ran, 1)
        self.assert_says(ran, f"^hexdump: {NAME}: I/O error$")
        self.assert_says(ran, "^0000c600  00 ")
        self.assert_says(ran, "read of 1 blocks at 100 failed with status 01", "log")

    def test_a_disk_that_grows(self):
        """Who opens it afterwards has all of it."""
        machine = self.start("; ".join([self.pattern(8192, 8192, 3) + "; sleep 300"] * 60),
                             "--disk", f"virtio:{self.blank_image('a.img', 4 * MIB)}")
        self.assertTrue(machine.wait_for(f"^verify-pattern: {NAME}: "), machine.output.decode())
        machine.do("block_resize", device="disk0", size=8 * MIB)
        self.assertTrue(machine.wait_for(f"^{NAME}: 8192 of 8192 blocks as written"), machine.output.decode())

    def test_a_queue_for_each_client(self):
        """Each of them with its vector raises interrupts; more clients than queues share them."""
        image = self.blank_image("a.img", 8 * MIB)
        for queues, clients in ((3, 3), (8, 6)):
            ran = self.run_machine(
                f"bench {NAME} randread 3000 1 4096 interrupt {clients}; devices -v; {self.pattern(5, 4001, 3)}",
                *self.device(image, f"disable-legacy=on,iommu_platform=on,num-queues={queues}"))
            self.assert_pattern(ran, 4001)
            used = min(queues, 4)
            self.assert_says(ran, f"{used} request queue", "log")
            taken = re.findall(r"interrupt (\d) +message \d+, attached, (\d+) taken",
                               ran.output[ran.output.index(f"driver {NAME} "):])
            busy = {int(vector) for vector, count in taken if int(count) > 100}
            self.assertLessEqual(set(range(1, used + 1)), busy, str(ran))
