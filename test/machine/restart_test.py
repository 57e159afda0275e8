# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers that die under their clients."""
import hashlib
import os
import re
import shutil
import subprocess

from machine.vm import BUILD, SBIN, MachineTest, back

MIB = 1 << 20


class Restart(MachineTest):
    def restarts(self, ran, name="nvme0"):
        return int(re.search(rf"^{name} +driver +\w+ +\d+ +\d+ +[\d.]+ +(\d+) ", ran.output, re.M)[1])

    def test_patterns_go_on_under_kills(self):
        image = self.blank_image("a.img", 64 * MIB)
        for iommu in ("vtd", "none"):
            ran = self.run_machine(
                "kill nvme0 1000 100 3; until nvme0 3 write-pattern nvme0n1 5 100001 4;"
                f"until nvme0 6 verify-pattern nvme0n1 5 100001 4; kill nvme0 0; {back('nvme0')}",
                "--disk", f"nvme:{image}", "--iommu", iommu)
            self.assert_status(ran)
            self.assert_says(ran, "^nvme0n1: 100001 of 100001 blocks as written$")
            ran = self.run_machine("verify-pattern nvme0n1 5 100001 4", "--disk", f"nvme:{image}")
            self.assert_status(ran)

    def test_a_mounted_file_system_stays(self):
        os.makedirs(self.path("tree"))
        noise = os.urandom(3 * MIB)
        with open(self.path("tree/big"), "wb") as file:
            file.write(noise)
        image = self.ext4_image("a.img", "96M", self.path("tree"))
        copies = "; ".join(f"until nvme0 {i} cp /big /copy{i}" + (f"; rm /copy{i - 2}" if i > 2 else "")
                           for i in range(1, 9))
        ran = self.run_machine(f"mount nvme0n1; kill nvme0 1000 80 5; {copies}; sync; kill nvme0 0;"
                               "sha256sum /big /copy7 /copy8; umount /; stats", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assertEqual(len(set(re.findall(r"^([0-9a-f]{64}) ", ran.output, re.M))), 1, str(ran))
        self.assert_says(ran, r"^nvme0 +[1-9]\d* +[1-9]\d* +\d+ +[1-9]\d* +0 +0 +0 +0$")  # as fs saw it
        self.assert_clean(image)

    def test_what_is_read_ahead_stays_right(self):
        expected = []
        for number in range(400):
            data, path = os.urandom(number * 31), self.path(f"tree/{number % 7}/{number:03}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
            expected.append(f"{hashlib.sha256(data).hexdigest()}  {number % 7}/{number:03}")
        image = self.ext4_image("a.img", "32M", self.path("tree"))
        ran = self.run_machine("mount nvme0n1 / ro; kill nvme0 1000 30 5; until nvme0 5 sha256sum -r /; kill nvme0 0",
                               "--disk", f"nvme:{image},ro")
        self.assert_status(ran)
        found = re.findall("^[0-9a-f]{64}  .*", ran.output, re.M)
        self.assertEqual(found, sorted(expected, key=lambda line: line[66:]) * max(1, len(found) // len(expected)), str(ran))

    def test_a_partition_comes_back(self):
        image = self.blank_image("a.img", 64 * MIB)
        subprocess.run(["sfdisk", "-q", image], input="label: gpt\nsize=16MiB\nsize=40MiB\n", text=True,
                       check=True, env=SBIN)
        ran = self.run_machine(
            "kill nvme0 1000 100 3; until nvme0 2 write-pattern nvme0n1p2 5 60001 4;"
            "until nvme0 4 verify-pattern nvme0n1p2 5 60001 4; kill nvme0 0;"
            f"{back('part:nvme0n1')}; verify-pattern nvme0n1p2 5 60001 4; hexdump nvme0n1p1 0 1", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assertGreaterEqual(ran.output.count("60001 of 60001 blocks as written"), 2, str(ran))

    def test_what_its_disk_still_reads_goes_to_nobody_else(self):
        """A disk that takes its time has the partition table's read when the driver dies, and whose read it is with it, and
        writes it where it was to go."""
        image = self.blank_image("a.img", 64 * MIB)
        subprocess.run(["sfdisk", "-q", image], input="label: gpt\nsize=16MiB\nsize=40MiB\n", text=True,
                       check=True, env=SBIN)
        ran = self.run_machine("kill nvme0 40 100 2; sleep 7000; kill nvme0 0; sleep 1000; drivers", "--count", "--disk", f"nvme:{image}",
                               "--qemu-arg=-set", "--qemu-arg=drive.disk0.throttling.iops-total=5")
        self.assertGreater(self.restarts(ran), 10)
        self.assertNotRegex(ran.log, "bad access|bogus port|cannot drive the device|while it was starting", str(ran))

    def test_an_orderly_restart(self):
        image = self.blank_image("a.img", 16 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 0 20000 4; restart nvme0;"
                               "verify-pattern nvme0n1 0 20000 4; drivers; restart nvme7",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^nvme0n1: 20000 of 20000 blocks as written$")
        self.assert_says(ran, "^nvme0 +driver +running .* 1  stopped$")
        self.assert_says(ran, "^restart: nvme7: No such file or directory$")

    def test_the_device_interface_goes_on(self):
        image = self.blank_image("a.img", 16 * MIB)
        ran = self.run_machine(
            "write-pattern nvme0n1 0 20000 4; device-read nvme0n1 0 8388608; kill nvme0 1000 80 9;"
            "until nvme0 3 device-bench nvme0n1 10000 4096 8; until nvme0 6 device-read nvme0n1 0 8388608; kill nvme0 0",
            "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assertEqual(len(set(re.findall(r"\b([0-9a-f]{64})\b", ran.output))), 1, str(ran))

    def test_a_session_s_memory_is_taken_back(self):
        """The same driver serves the next session: with the leases of the one before it reaches nothing any more."""
        ran = self.run_machine("bench keeping0n1 randread 1000 64 512; drivers", "--image", self.hostile_image("keeping"),
                               "--qemu-arg=-device", "--qemu-arg=edu")
        self.assert_status(ran)
        self.assert_says(ran, "^1000 operations ")
        self.assert_says(ran, "^keeping0 +driver +running .* 0  -$")
        for what in ("buffer", "queue"):
            self.assertEqual(re.findall(f"keeping0: kept: the {what} is (\\w+)", ran.log), ["void"], str(ran))

    def test_one_disk_dies_and_the_other_does_not_notice(self):
        a, b = self.blank_image("a.img", 16 * MIB), self.blank_image("b.img", 16 * MIB)
        ran = self.run_machine(
            "kill nvme0 1000 80; until nvme0 2 write-pattern nvme1n1 0 30000 2; until nvme0 4 verify-pattern nvme1n1 0 30000 2;"
            f"kill nvme0 0; {back('nvme0')}; drivers", "--disk", f"nvme:{a}", "--disk", f"nvme:{b}")
        self.assert_status(ran)
        self.assertEqual(self.restarts(ran, "nvme1"), 0)


class Services(MachineTest):
    """What is not a driver and dies: drivers and their clients go on."""

    def test_each_comes_back(self):
        image = self.blank_image("a.img", 64 * MIB)
        subprocess.run(["sfdisk", "-q", image], input="label: gpt\nsize=16MiB\nsize=40MiB\n", text=True,
                       check=True, env=SBIN)
        verify = "verify-pattern nvme0n1p1 0 3000 4; device-read nvme0n1 0 4096; "
        ran = self.run_machine(f"write-pattern nvme0n1p1 0 3000 4; kill part:nvme0n1; {back('part:nvme0n1')}; " + verify +
                               f"kill device; {back('device')}; " + verify + "kill pci; " + verify +
                               f"kill nvme0; {back('part:nvme0n1', 2)}; " + verify +
                               f"kill pci 1000 60 3; {back('pci', 6)}; " + verify +
                               f"kill pci 0; {back('pci')}; restart nvme0; " + verify +
                               f"{back('part:nvme0n1', 3)}; drivers; devices; kill nobody", "--disk", f"nvme:{image}")
        self.assert_status(ran, 1)
        self.assertEqual(ran.output.count("3000 of 3000 blocks as written"), 6, str(ran))
        self.assertEqual(len(set(re.findall(r"^[0-9a-f]{64}  nvme0n1$", ran.output, re.M))), 1, str(ran))
        self.assertEqual(len(re.findall(r"^[0-9a-f]{64}  nvme0n1$", ran.output, re.M)), 6, str(ran))
        for name in ("part:nvme0n1", "device", "pci", "nvme0"):
            self.assert_says(ran, rf"^{name} +\w+ +running .* [1-9]\d*  ")
        self.assert_says(ran, r"driver nvme0 \(running\), nvme0n1, nvme0n1p1, nvme0n1p2")
        self.assert_says(ran, "^kill: nobody: no such task; see drivers$")


    def test_a_file_system_whose_service_died_is_read_again(self):
        os.makedirs(self.path("tree"))
        noise = os.urandom(MIB)
        with open(self.path("tree/big"), "wb") as file:
            file.write(noise)
        image = self.ext4_image("a.img", "32M", self.path("tree"))
        ran = self.run_machine("mount nvme0n1; cp /big /synced; sync; cp /big /lost; kill fs:nvme0n1; until fs:nvme0n1 died sleep 20; sha256sum /big /synced;"
                               "mkdir /new; umount /; mount nvme0n1; drivers", "--disk", f"nvme:{image}")
        self.assert_says(ran, "^nvme0n1: its file system service died: mounted again, to be read only$")
        self.assertEqual(re.findall(r"^([0-9a-f]{64})  (\S+)$", ran.output, re.M),
                         [(hashlib.sha256(noise).hexdigest(), name) for name in ("/big", "/synced")], str(ran))
        self.assert_says(ran, "^mkdir: /new: Read-only file system$")
        self.assert_says(ran, '^mount: nvme0n1: may only be read: mount it with "ro"; see log$')


class Upgrade(MachineTest):
    def test_another_program_takes_the_place(self):
        """One that is as good, one that dies as it starts, one that is no program."""
        os.makedirs(self.path("tree"))
        for name, source in (("same", "nvme"), ("dies", "dying")):
            shutil.copy(os.path.join(BUILD, "boot", source), self.path("tree/" + name))
        with open(self.path("tree/text"), "w", encoding="ascii") as file:
            file.write("no program\n")
        image, files = self.ext4_image("a.img", "32M", self.path("tree")), self.blank_image("b.img", 8 * MIB)
        ran = self.run_machine(
            "mount nvme0n1; write-pattern nvme1n1 0 9000 3; upgrade nvme1 /same; verify-pattern nvme1n1 0 9000 3;"
            "sleep 2500; upgrade nvme1 /dies; verify-pattern nvme1n1 0 9000 3; upgrade nvme1 /text;"
            "verify-pattern nvme1n1 0 9000 3; upgrade nvme0 /same; cp /text /copy; cat /copy; drivers; umount /;"
            "upgrade nvme7 /same", "--disk", f"nvme:{image}", "--disk", f"nvme:{files}")
        self.assertEqual(ran.output.count("9000 of 9000 blocks as written"), 3, str(ran))
        self.assertEqual(ran.log.count("nvme1: the new program fails: the old one comes back"), 2, str(ran))
        self.assert_says(ran, "^no program$")
        self.assert_says(ran, "^nvme0 +driver +running .* 1  stopped$")
        self.assert_clean(image)


class Hung(MachineTest):
    def judge(self, settings, cause, line):
        image = self.hostile_image("lazy", {"supervisor.conf": settings})
        ran = self.run_machine(f"device-bench lazy0n1 250 512; {back('lazy0', 2)}; drivers; uptime", "--image", image,
                               "--qemu-arg=-device", "--qemu-arg=edu")
        self.assert_status(ran)
        self.assert_says(ran, "^250 operations ")
        self.assert_says(ran, f"^lazy0 +driver +running .* 2  {cause}$")
        self.assertEqual(len(re.findall(line, ran.log)), 2, str(ran))
        return float(re.search(r"^([0-9.]+) s$", ran.output, re.M)[1])

    def test_one_that_does_not_listen_is_replaced(self):
        self.judge(b"[settings]\nlazy = deaf=1\n", "hung", "lazy0: does not answer: its task is ended")

    def test_one_that_listens_and_does_nothing_is_replaced(self):
        took = self.judge(b"[restart]\nprogress = 1500\n", "it has completed nothing for too long", "device: complains of lazy0n1: it has completed nothing for too long")
        self.assertLess(3, took)
        self.assertLess(took, 12)  # not after the usual 10 s each time

    def test_one_that_answers_no_calls_is_replaced(self):
        """It listens, but who opens a session gets no answer: mov $MIG_NO_REPLY,%eax; ret."""
        names = subprocess.run(["nm", os.path.join(BUILD, "boot", "nvme")], check=True, capture_output=True, text=True).stdout
        address = re.search(r"^([0-9a-f]+) T serve_block_class_open$", names, re.M)[1]
        image = self.blank_image("a.img", 4 << 20)
        ran = self.run_machine(f"fault nvme0 0x{address} b8cffeffffc3; write-pattern nvme0n1 0 100 1; verify-pattern nvme0n1 0 100 1; drivers",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, "^nvme0n1: 100 of 100 blocks as written")
        self.assert_says(ran, "^nvme0 +driver +running .* 1  it does not answer a call$")

    def test_one_that_refuses_a_session_for_no_reason_is_replaced(self):
        """EIO is no answer to who opens one: mov $code,%eax; ret. The disk has no partitions that would notice."""
        names = subprocess.run(["nm", os.path.join(BUILD, "boot", "nvme")], check=True, capture_output=True, text=True).stdout
        address = re.search(r"^([0-9a-f]+) T serve_block_class_open$", names, re.M)[1]
        image = self.blank_image("a.img", 4 << 20)
        ran = self.run_machine(f"fault nvme0 0x{address} b80500424fc3; write-pattern nvme0n1 0 100 1; verify-pattern nvme0n1 0 100 1; drivers",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, "^nvme0n1: 100 of 100 blocks as written")
        self.assert_says(ran, "^nvme0 +driver +running .* 1  it refuses a session$")

    def changing(self, settings=b""):
        ran = self.run_machine("bench changing0n1 randread 300 4 512; drivers", "--image",
                               self.hostile_image("changing", {"supervisor.conf": settings}),
                               "--qemu-arg=-device", "--qemu-arg=edu")
        self.assertEqual(ran.log.count("shell: complains of changing0n1: it offers another disk than before"), 2, str(ran))
        self.assertNotIn("another disk is asked", ran.log)
        return ran

    def test_one_that_offers_another_disk_is_replaced(self):
        ran = self.changing()
        self.assert_status(ran)
        self.assert_says(ran, "^300 operations ")
        self.assert_says(ran, "^changing0 +driver +running .* 3  it offers another disk than before$")

    def test_what_stays_another_disk_is_one(self):
        ran = self.changing(b"[settings]\nchanging = stays=1\n")
        self.assert_says(ran, "changing0n1: another disk is in its place", "log")
        self.assert_says(ran, "^changing0 +driver +running .* 3  it offers another disk than before$")
        self.assertNotIn("300 operations", ran.output)


    def test_a_card_that_sends_nothing_is_replaced(self):
        """What it was to send is dropped, and then its driver is another one."""
        ran = self.run_machine(f"net-load mute0 tx 800 60 8; {back('mute0')}; drivers; net-load mute0 tx 20 60 2", "--image", self.hostile_image("mute"),
                               "--qemu-arg=-device", "--qemu-arg=edu")
        self.assert_says(ran, "^mute0 +driver +running .* 1  it has not sent a frame for 10 s$")
        self.assert_says(ran, "shell: complains of mute0: it has not sent a frame for 10 s", "log")
        self.assert_says(ran, "^mute0: 20 frames in ")

    def test_a_port_that_does_not_answer_is_replaced(self):
        """A break that it owes for 10 s; and before, it dies of one when it is told to stop."""
        ran = self.run_machine("serial-send stubborn0 hello; serial-break stubborn0 1; restart stubborn0; "
                               f"serial-break stubborn0 8000; {back('stubborn0', 2)}; drivers; serial-send stubborn0 hello",
                               "--image", self.hostile_image("stubborn"), "--qemu-arg=-device", "--qemu-arg=edu")
        self.assert_status(ran, 1)  # the breaks
        self.assert_says(ran, "stubborn0: did not stop in order: bad instruction at ", "log")
        self.assert_says(ran, "^stubborn0 +driver +running .* 2  it has not answered a request for too long$")
        self.assert_says(ran, "shell: complains of stubborn0: it has not answered a request for too long", "log")
        self.assertEqual(len(re.findall("^stubborn0: sent in ", ran.output, re.M)), 2, str(ran))


    def test_one_that_has_no_session_for_anybody_is_replaced(self):
        """It listens, and whoever opens a session is told ENOMEM, as if the kit's lists were damaged: mov $code,%eax; ret."""
        names = subprocess.run(["nm", os.path.join(BUILD, "boot", "nvme")], check=True, capture_output=True, text=True).stdout
        address = re.search(r"^([0-9a-f]+) T serve_block_class_open$", names, re.M)[1]
        image = self.blank_image("a.img", 16 << 20)
        subprocess.run(["sfdisk", "-q", image], input="label: gpt\nsize=4MiB\n", text=True, check=True, env=SBIN)
        ran = self.run_machine(f"fault nvme0 0x{address} b80c00424fc3; kill part:nvme0n1; write-pattern nvme0n1p1 0 100 1;"
                               "verify-pattern nvme0n1p1 0 100 1; drivers", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_says(ran, "^nvme0n1p1: 100 of 100 blocks as written$")
        self.assert_says(ran, "^nvme0 +driver +running .* 1  its disk cannot be used$")
        self.assert_says(ran, "nvme0: its task is ended: part:nvme0n1 cannot use it", "log")


class Servers(MachineTest):
    """What is not started again: the machine stops, in order if that can be."""

    def test_without_the_supervisor_all_is_written_and_the_machine_stops(self):
        os.makedirs(self.path("tree"))
        with open(self.path("tree/big"), "wb") as file:
            file.write(os.urandom(3 * MIB))
        image = self.ext4_image("a.img", "96M", self.path("tree"))
        other = self.blank_image("b.img", 16 * MIB)
        ran = self.run_machine("mount nvme0n1; write-pattern virtio-blk0 0 3000 4; cp /big /copy; kill supervisor; ls /",
                               "--disk", f"nvme:{image}", "--disk", f"virtio:{other}")
        self.assert_status(ran, 1)  # obvm: it ended before it answered
        self.assert_says(ran, "root: the supervisor has ended: the machine stops", "log")
        self.assert_says(ran, "root: all devices are at rest: power off", "log")
        self.assert_clean(image)
        with open(self.path("tree/big"), "rb") as file:
            big = file.read()
        subprocess.run(["debugfs", "-R", f"dump /copy {self.path('copy')}", image], check=True, env=SBIN, capture_output=True)
        with open(self.path("copy"), "rb") as file:
            self.assertEqual(file.read(), big)

    def test_without_io_the_machine_is_reset_at_once(self):
        with open(os.path.join(BUILD, "boot", "mortal-io"), "rb") as file:
            boot = self.make_image("mortal.iso", {"io": file.read()})
        image = self.ext4_image("a.img", "16M")
        ran = self.run_machine("mount nvme0n1", "--disk", f"nvme:{image}", "--image", boot)
        self.assert_status(ran, 1)
        self.assert_says(ran, "root: io has ended: the machine is reset", "log")
        self.assert_clean(image)
