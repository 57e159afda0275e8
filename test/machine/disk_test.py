# SPDX-License-Identifier: GPL-2.0-or-later
"""Block devices: patterns across boots, limits, read-only disks, several disks."""
from machine.monitored import MonitoredTest
from machine.vm import MachineTest

MIB = 1 << 20


class Disk(MonitoredTest):
    def test_pattern_is_there_after_a_reboot(self):
        image = self.blank_image("a.img", 24 * MIB)
        for block_size, start, count in ((512, 37, 20011), (4096, 3, 4099)):
            disk = f"nvme:{image},bs={block_size}"
            ran = self.run_machine(f"write-pattern nvme0n1 {start} {count} 7", "--disk", disk)
            self.assert_status(ran)
            ran = self.run_machine(
                f"verify-pattern nvme0n1 {start} {count} 7; verify-pattern nvme0n1 {start} {count} 8",
                "--disk", disk)
            self.assert_says(ran, f"^nvme0n1: {count} of {count} blocks as written$")
            self.assert_says(ran, f"^nvme0n1: block {start} differs at byte 0$")
            self.assert_status(ran, 1)

    def test_without_an_iommu(self):
        image = self.blank_image("a.img", 8 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 1 4001 3; verify-pattern nvme0n1 1 4001 3",
                               "--disk", f"nvme:{image}", "--iommu", "none")
        self.assert_status(ran)
        self.assert_says(ran, "DMA is not confined", "log")

    def test_the_other_kernel(self):
        image = self.blank_image("a.img", 8 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 1 4001 3; verify-pattern nvme0n1 1 4001 3",
                               "--disk", f"nvme:{image}", "--kernel", "smp", "--cpus", "2")
        self.assert_status(ran)

    def test_two_disks_do_not_mix(self):
        a, b = self.blank_image("a.img", 4 * MIB), self.blank_image("b.img", 4 * MIB)
        ran = self.run_machine(
            "write-pattern nvme0n1 0 8192 1; write-pattern nvme1n1 0 8192 2;"
            "verify-pattern nvme0n1 0 8192 1; verify-pattern nvme1n1 0 8192 2",
            "--disk", f"nvme:{a}", "--disk", f"nvme:{b}")
        self.assert_status(ran)

    def test_more_disks_than_lines_for_messages(self):
        """The last ones have fewer, then their interrupt line; the log says why."""
        disks = [self.blank_image(f"{number}.img", 4 * MIB) for number in range(9)]
        ran = self.run_machine("".join(f"write-pattern virtio-blk{number} 0 512 {number}; " for number in range(9)) +
                               "".join(f"verify-pattern virtio-blk{number} 0 512 {number}; " for number in range(9)) + "devices -v",
                               *(f"--qemu-arg={word}" for number, disk in enumerate(disks) for word in (
                                   "-drive", f"if=none,id=many{number},format=raw,file={disk}", "-device",
                                   f"virtio-blk-pci,drive=many{number},disable-legacy=on,iommu_platform=on,num-queues=4")))
        self.assert_status(ran)
        self.assertEqual(ran.output.count("512 of 512 blocks as written"), 9, str(ran))
        self.assert_says(ran, r"virtio-blk\d gets no interrupts by MSI-X: none is free: drivers that want fewer", "log")
        self.assert_says(ran, r"interrupt 0 +line 1\d, attached, [1-9]")

    def test_read_only_disk_refuses_writes(self):
        a, b = self.blank_image("a.img", 4 * MIB), self.blank_image("b.img", 4 * MIB)
        ran = self.run_machine("verify-pattern nvme1n1 0 8 1; write-pattern nvme1n1 0 8 1",
                               "--disk", f"nvme:{a}", "--disk", f"nvme:{b},ro")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^write-pattern: nvme1n1: Read-only file system$")
        with open(b, "rb") as file:
            self.assertEqual(file.read(), bytes(4 * MIB))

    def test_past_the_end_is_an_error(self):
        image = self.blank_image("a.img", 4 * MIB)
        for command in ("hexdump nvme0n1 0x3ffff0 17", "hexdump nvme0n1 0x400000 1",
                        "verify-pattern nvme0n1 8192 1 1", "write-pattern nvme0n1 8191 2 1",
                        "verify-pattern nvme0n1 0xffffffffffffffff 2 1"):
            ran = self.run_machine(command, "--disk", f"nvme:{image}")
            self.assert_status(ran, 1)
            self.assert_says(ran, "^(hexdump|verify-pattern|write-pattern): nvme0n1: ")

    def test_zeroes_and_discards(self):
        image = self.blank_image("a.img", 8 * MIB)
        ran = self.run_machine(
            "write-pattern nvme0n1 0 16384 7; write-zeroes nvme0n1 100 9000; discard nvme0n1 12000 2000;"
            "verify-pattern nvme0n1 0 100 7; verify-pattern nvme0n1 9100 2900 7; verify-pattern nvme0n1 14000 2384 7",
            "--disk", f"nvme:{image}")
        self.assert_status(ran)
        with open(image, "rb") as file:
            file.seek(100 * 512)
            self.assertEqual(file.read(9000 * 512), bytes(9000 * 512))
        for command, why in (("write-zeroes nvme0n1 16380 5", "past the end of the device"),
                             ("discard nvme0n1 0 8", "Read-only file system")):
            ran = self.run_machine(command, "--disk", f"nvme:{image}" + (",ro" if "discard" in command else ""))
            self.assert_status(ran, 1)
            self.assert_says(ran, f"^{command.split()[0]}: .*{why}$")

    def test_hexdump_shows_the_bytes(self):
        with open(self.path("a.img"), "wb") as file:
            file.write(bytes(700) + b"Outboard was here" + bytes(MIB))
            file.truncate(MIB)
        ran = self.run_machine("hexdump nvme0n1 700 17", "--disk", f"nvme:{self.path('a.img')}")
        self.assertEqual(ran.output, "000002bc  4f 75 74 62 6f 61 72 64  20 77 61 73 20 68 65 72  "
                         "|Outboard was her|\n000002cc  65                                       "
                         "         |e|\n", str(ran))

    def test_an_image_that_is_no_whole_number_of_blocks(self):
        """QEMU shows the last piece as a block that ends in zeroes; behind it there is nothing."""
        image = self.blank_image("odd.img", 4 * MIB + 300)
        ran = self.run_machine("hexdump nvme0n1 0x400000 1; hexdump nvme0n1 0x400200 1",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^00400000  00 ")

    def test_doorbells_in_memory(self):
        """QEMU's controller is told of them by each driver, behind an IOMMU and without one."""
        built = self.make_image("shadow.iso", {"supervisor.conf": b"[settings]\nnvme = poll-from=4 shadow=1\n"})
        image = self.blank_image("a.img", 16 * MIB)
        for iommu in ("vtd", "none"):
            trace = self.path("trace-" + iommu)
            ran = self.run_machine("write-pattern nvme0n1 1 20001 3; kill nvme0; verify-pattern nvme0n1 1 20001 3;"
                                   "bench nvme0n1 randread 200 32", "--disk", f"nvme:{image}", "--image", built,
                                   "--iommu", iommu, "--qemu-arg=-trace",
                                   f"--qemu-arg=enable=pci_nvme_dbbuf_config,file={trace}")
            self.assert_status(ran)
            with open(trace, encoding="ascii") as file:
                self.assertEqual(file.read().count("pci_nvme_dbbuf_config"), 2)

    def test_what_the_controller_warns_of(self):
        """An asynchronous event of QEMU's controller, once the driver runs, and the log page that is read for it."""
        machine = self.start("; ".join(["log; sleep 400"] * 90), "--disk", f"nvme:{self.blank_image('a.img', 4 * MIB)}")
        self.assertTrue(machine.wait_for("nvme0n1: "))
        for value in (1, 8): # little spare space; read-only
            machine.do("qom-set", path="/machine/peripheral/nvme0", property="smart_critical_warning", value=value)
            self.assertTrue(machine.wait_for(rf"the controller tells of event 02..01; if of its health \(1\): {value:02x}"), machine.output.decode())


class Count(MachineTest):
    def test_counting_instructions(self):
        image = self.blank_image("a.img", 4 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 0 100 5; verify-pattern nvme0n1 0 100 5",
                               "--disk", f"nvme:{image}", "--count")
        self.assert_status(ran)
