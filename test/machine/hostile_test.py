# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile drivers (test/hostile): what they attempt, and what comes of it.

While they are at it, another disk's contents are verified again and again.
"""
import hashlib
import os
import re

from machine import crimes, hurd_test
from machine.netmux_test import shared_conf
from machine.nic import NicTest
from machine.vm import BUILD, ONCE, ROOT

MIB = 1 << 20
MESSAGES = 100000
ROUNDS = 40

# A crime by DMA can take this driver seconds in which it listens to nobody: one asks whether it does seldom.
PATIENT = ONCE + b"watch = 60000\n"


def outcomes(driver, ran):
    """Crime and outcome; one that was attempted and has no other was its driver's last."""
    found = dict(re.findall(rf"{driver}: crime: (.+?): (attempted|refused|contained|SUCCEEDED)", ran.log))
    return {name: crimes.DIED if outcome == "attempted" else outcome for name, outcome in found.items()}


class Hostile(NicTest):
    def test_the_documented_table(self):
        """doc/security.md shows what these tests ask for, as make check-hostile prints it."""
        columns = [{name: row[column] for name, row in crimes.EVERY.items()} for column in (0, 1)]
        for column in columns:
            column.update({name: crimes.CONTAINED for name in column if column[name] == crimes.CHANCE})
        self.assertEqual(crimes.documented(), crimes.table(columns))

    def image_with(self, name, more=None):
        with open(os.path.join(BUILD, "boot", name), "rb") as file:
            program = file.read()
        with open(os.path.join(ROOT, "test", "hostile", name + ".manifest"), "rb") as file:
            manifest = file.read()
        return self.make_image(name + ".iso", {name: program, name + ".manifest": manifest,
                                               "supervisor.conf": PATIENT, **(more or {})})

    def commit(self, iommu):
        image = self.image_with("hostile")
        disk = self.blank_image("a.img", 16 * MIB)
        work = "verify-pattern nvme0n1 0 8192 9; sleep 800; " * ROUNDS
        ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " + work + "until hostile0 died verify-pattern nvme0n1 0 8192 9;"
                               "drivers", "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu,
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assertGreater(ran.output.count("8192 of 8192 blocks as written"), ROUNDS, str(ran))
        self.assert_says(ran, r"^nvme0 +driver +running")
        self.assert_says(ran, r"^hostile0 +driver +died")
        self.assert_says(ran, r"hostile0: (bad|exception|arith|emul|soft|break)[^\n]*its task is ended", "log")
        return outcomes("hostile0", ran), ran

    def test_what_the_kernel_would_let_it(self):
        """With its task's own port the same driver reaches every register: the crimes are none that fail by themselves."""
        with open(os.path.join(ROOT, "test", "hostile", "hostile.manifest"), encoding="ascii") as file:
            manifest = file.read().replace("class = block\n", "class = block\nwhole-task = yes\n")
        image = self.image_with("hostile", {
            "hostile.manifest": manifest.encode(), "supervisor.conf": b"[settings]\nhostile = from=2\n" + PATIENT})
        ran = self.run_machine("until hostile0 died sleep 100; drivers", "--image", image, "--iommu", "none",
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assert_says(ran, "hostile0: is given its whole task: its registers are not confined", "log")
        found = outcomes("hostile0", ran)
        for crime in ("registers-below", "registers-anywhere", "more-tasks"):
            self.assertEqual(found.get(crime), crimes.SUCCEEDED, str(ran))
        # What is lent of memory is an object of its own: nothing of anybody's lies around it.
        self.assertEqual(found.get("memory-outside"), crimes.DIED, str(ran))
        self.assert_says(ran, r"hostile0: bad access at \w+ \(code 10, ", "log")

    def commit_beside_a_disk(self, hostile, honest, claim, instead, iommu, *arguments):
        """Devices that the honest driver of the kind would have, the hostile one gets: of those it claims others
        instead. A disk works all the while."""
        with open(os.path.join(ROOT, "driver", honest, honest + ".manifest"), encoding="ascii") as file:
            manifest = file.read()
        self.assertIn(claim, manifest)
        image = self.image_with(hostile, {honest + ".manifest": manifest.replace(claim, instead).encode()})
        disk = self.blank_image("good.img", 16 * MIB)
        for rounds in (8, 80):  # longer, where the machine is too busy for so many crimes
            work = "verify-pattern nvme0n1 0 8192 9; sleep 500; " * rounds
            ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " + work + "drivers",
                                   "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu, *arguments)
            self.assert_status(ran)
            self.assertEqual(ran.output.count("8192 of 8192 blocks as written"), rounds, str(ran))
            if f"{hostile}0: crime: all attempted" in ran.log:
                break
        return outcomes(hostile + "0", ran), ran

    def commit_nvme(self, iommu):
        """Its own controller has an id of its own; the honest driver keeps the other."""
        bad = self.blank_image("bad.img", 16 * MIB)
        return self.commit_beside_a_disk(
            "hostile-nvme", "nvme", "class = 01:08:02", "ids = 1b36:0010", iommu,
            "--qemu-arg=-drive", f"--qemu-arg=if=none,id=bad,format=raw,file={bad}",
            "--qemu-arg=-device", "--qemu-arg=nvme,drive=bad,serial=bad,use-intel-id=on")

    def commit_card(self, iommu):
        return self.commit_beside_a_disk(
            "hostile-card", "e1000e", "ids = 8086:10d3", "ids = 8086:ffff", iommu,
            "--nic", "e1000e,hubport,hubid=0")

    def judge(self, expected, column, committed):
        found, ran = committed
        self.assertEqual(crimes.wrong(found, expected, column), {}, str(ran))
        return ran

    def assert_blocked(self, ran, driver):
        self.assert_says(ran, f"DMA fault: {driver}: read at 1040000 blocked", "log")
        self.assert_says(ran, f"DMA fault: {driver}: write at ba000 blocked", "log")

    def test_a_network_card_with_vtd(self):
        self.assert_blocked(self.judge(crimes.CARD, 0, self.commit_card("vtd")), "hostile-card0")

    def test_a_network_card_without_an_iommu(self):
        self.judge(crimes.CARD, 1, self.commit_card("none"))

    def test_nvme_with_vtd(self):
        self.assert_blocked(self.judge(crimes.NVME, 0, self.commit_nvme("vtd")), "hostile-nvme0")

    def test_nvme_without_an_iommu(self):
        self.judge(crimes.NVME, 1, self.commit_nvme("none"))

    def test_with_vtd(self):
        ran = self.judge(crimes.EDU, 0, self.commit("vtd"))
        for pattern in (r"DMA fault: hostile0: read at 1040000 blocked",
                        r"DMA fault: hostile0: .*: its owner revoked that memory",
                        r"DMA fault: hostile0: (read|write) at ba000 blocked",
                        r"qemu: .*non-present IRTE"):
            self.assert_says(ran, pattern, "log")
        # Two things that a real unit refuses QEMU's lets through: a request in the old format, and
        # (as QEMU's devices do not say who they are when they write by DMA) one for another's entry.
        # What arrives is an interrupt that means nothing: no harm, as the rest of this test shows.

    def test_policy_that_stops_a_driver(self):
        image = self.image_with("hostile", {"supervisor.conf": b"[faults]\npolicy = stop\n" + PATIENT})
        ran = self.run_machine("until hostile0 failed sleep 100; drivers", "--image", image,
                               "--qemu-arg=-device", "--qemu-arg=edu,dma_mask=0xffffffff")
        self.assert_status(ran)
        self.assert_says(ran, "hostile0: its device was refused to read 1040000 ", "log")
        self.assert_says(ran, "^hostile0 +driver +failed .* DMA fault$")

    def test_a_policy_that_is_none(self):
        image = self.image_with("hostile", {"supervisor.conf": b"[faults]\npolicy = shrug\n"})
        ran = self.run_machine("uptime", "--image", image)
        self.assert_status(ran)
        self.assert_says(ran, r"supervisor.conf: line 2: neither \[faults\] policy", "log")

    def commit_dying(self, iommu):
        """Seven devices, whose drivers die one step later each; a disk works all the while."""
        image = self.image_with("dying", {"supervisor.conf": b"[restart]\ndeaths = 2\n"})
        disk = self.blank_image("a.img", 8 * MIB)
        devices = ["--qemu-arg=-device", "--qemu-arg=edu"] * 5
        for port in ("a", "b"):
            devices += ["--qemu-arg=-device", f"--qemu-arg=pcie-root-port,id={port},chassis={ord(port)}",
                        "--qemu-arg=-device", f"--qemu-arg=edu,bus={port}"]
        ran = self.run_machine(
            "write-pattern nvme0n1 0 8192 9; " + "".join(f"until dying{number} died sleep 100; " for number in range(7)) +
            "verify-pattern nvme0n1 0 8192 9; drivers; devices -v", "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu, *devices)
        self.assert_status(ran)
        for number in range(7):
            self.assert_says(ran, rf"dying{number}: dying ", "log")
            self.assert_says(ran, rf"^dying{number} +driver +died .* 2  ")
            self.assert_says(ran, rf"dying{number}: given up after 3 deaths: .*`restart dying{number}`", "log")
        self.assert_says(ran, "8192 of 8192 blocks as written")
        self.assertNotIn("cannot be taken back", ran.log)
        # Edu has no reset of its own; with a bus to itself it is reset with that. The board's AHCI
        # controller has none either.
        silenced = re.findall(r"pci (?!0000:00:1f\.2)\S+: silenced, as it has no reset of its own", ran.log)
        self.assertEqual(len(silenced), 5 * 3, str(ran))
        return {"dying-at-each-step": crimes.TAKEN_BACK}

    def test_dying_at_each_step(self):
        self.commit_dying("vtd")
        self.commit_dying("none")

    def commit_storm(self, iommu):
        """Three devices that raise their interrupts without end; a disk works all the while."""
        image = self.image_with("storming")
        disk = self.blank_image("a.img", 8 * MIB)
        ran = self.run_machine("write-pattern nvme0n1 0 8192 9; " +
                               "sleep 500; verify-pattern nvme0n1 0 8192 9; " * 12 +
                               "".join(f"until storming{number} failed sleep 100; " for number in range(3)) + "drivers",
                               "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu,
                               *["--qemu-arg=-device", "--qemu-arg=edu"] * 3)
        self.assert_status(ran)
        self.assertEqual(ran.output.count("8192 of 8192 blocks as written"), 12, str(ran))
        found = {}
        for number, name in enumerate(crimes.STORM):
            self.assert_says(ran, rf"storming{number}: a storm of kind {number}", "log")
            self.assert_says(ran, rf"io: interrupt line \d+ of storming{number} storms: ", "log")
            self.assert_says(ran, rf"^storming{number} +driver +failed .*interrupts without end$")
            found[name] = crimes.STOPPED
        return found

    def test_interrupts_without_end(self):
        self.commit_storm("vtd")

    def commit_flood(self, iommu):
        """A client that sends every server it can reach 100,000 messages; then all of them are asked as they should be."""
        floods = {"driver": "block nvme0n1", "integrity": "block checked0", "device": "device nvme2n1",
                  "fs": "fs /", "supervisor": "starter supervisor", "io": "port pool"}
        with open(os.path.join(BUILD, "boot", "guest"), "rb") as file:
            image = self.make_image("guest.iso", {
                "shell": file.read(), "supervisor.conf": PATIENT + b"[integrity]\nchecked0 = nvme1n1\n"})
        disks = [self.ext4_image("a.img", source=os.path.join(ROOT, "doc")),
                 *(self.blank_image(name, 8 * MIB) for name in ("b.img", "c.img"))]
        check = ("verify-pattern nvme2n1 0 4096 9; verify-pattern checked0 0 4096 8; device-status nvme2n1; "
                 "sha256sum /security.md; ")
        ran = self.run_machine(
            "mount nvme0n1; write-pattern nvme2n1 0 4096 9; write-pattern checked0 0 4096 8; " + check +
            "".join(f"flood {what} {MESSAGES}; " for what in floods.values()) + check + "drivers",
            *(f"--disk=nvme:{disk}" for disk in disks), "--image", image, "--iommu", iommu, "--timeout", "140")
        self.assert_status(ran)
        for what in floods.values():
            self.assert_says(ran, f"^{what}: {MESSAGES} messages$")
        self.assertEqual(ran.output.count("4096 of 4096 blocks as written"), 4, str(ran))
        with open(os.path.join(ROOT, "doc", "security.md"), "rb") as file:
            self.assertEqual(ran.output.count(hashlib.sha256(file.read()).hexdigest()), 2, str(ran))
        self.assertNotRegex(ran.output, r"(died|failed|restarting) +\d")
        return {name: crimes.CONTAINED for name in crimes.FLOOD}

    def commit_flood_net(self, iommu):
        """The same client to those who have to do with networks and the keyboard."""
        floods = {"net-driver": "port virtio-net0", "netmux": "port virtio-net0m0", "netdevice": "device virtio-net0m1",
                  "stream-driver": "port ps20kbd"}
        with open(os.path.join(BUILD, "boot", "guest"), "rb") as file:
            image = self.make_image("guest.iso", {"shell": file.read(), "supervisor.conf": shared_conf("virtio") + PATIENT})
        wire = self.wire()
        ran = self.run_on(wire, "virtio", "".join(f"flood {what} {MESSAGES}; " for what in floods.values()) +
                          "net-bench NICm2 echo 500; device-net NICm1 100; drivers", "--image", image, "--iommu", iommu,
                          "--timeout", "170")
        for what in floods.values():
            self.assert_says(ran, f"^{what}: {MESSAGES} messages$")
        self.assert_says(ran, "echo: 500 sent, 500 right, 0 wrong, 0 stray, 0 lost")
        self.assert_says(ran, "^virtio-net0m1: 100 sent, all: 100 right, 0 wrong")
        self.assertNotRegex(ran.output, r"(died|failed|restarting) +\d")
        return {name: crimes.CONTAINED for name in crimes.FLOOD_NET}

    def test_random_messages_of_a_client_of_networks(self):
        self.commit_flood_net("vtd")

    def commit_fixed(self, iommu):
        """The same from the hostile driver with the parallel port for its device."""
        with open(os.path.join(ROOT, "driver", "parport", "parport.manifest"), "rb") as file:
            manifest = file.read().replace(b"program = parport", b"program = hostile").replace(b"parallel", b"block")
        image = self.image_with("hostile", {"parport.manifest": manifest})
        for seconds in (15, 90):  # longer, where the machine is too busy
            ran = self.run_machine(f"sleep {seconds}000; drivers", "--image", image, "--iommu", iommu, "--timeout", "140")
            self.assert_status(ran)
            if "crime: all attempted" in ran.log:
                break
        for driver in ("hostile0", "ps20"):
            self.assert_says(ran, rf"^{driver} +driver +running")
        self.assertNotRegex(ran.output, r"(died|failed|restarting) +\d")
        return outcomes("hostile0", ran), ran

    def test_random_messages_of_a_fixed_device(self):
        ran = self.judge(crimes.FIXED, 0, self.commit_fixed("vtd"))

    programs = hurd_test.Hurd.programs

    def commit_hurd(self, iommu):
        """A Hurd sends the server for it as many; then it boots and uses its disk as it should."""
        ran = hurd_test.Hurd.boot(self, "sleep 100000", f"nvme:{self.ext4_image('root.img', '64M', options=('-t', 'ext2', '-b', '4096'))}",
                        "--iommu", iommu, *(f"--hurd-arg={word}" for word in (
                            f"--flood={MESSAGES}", "--reads=100", "--seconds=1", "--confined", "--pci", "--acpi", "--end=reboot")))
        self.assert_says(ran, rf"^stand-in: {MESSAGES} messages to 6 ports", "log")
        self.assert_says(ran, r"^stand-in: \d{3,} checks, 0 failed", "log")
        self.assert_says(ran, "supervisor: all is at rest: reboot", "log")
        return {name: crimes.CONTAINED for name in crimes.HURD}

    def test_random_messages_of_a_hurd(self):
        self.commit_hurd("vtd")

    def test_random_messages_of_a_client(self):
        self.commit_flood("vtd")

    def commit_lines(self, iommu):
        """Three drivers on one line: one honest, one that sits on it, one that lets it storm."""
        image = self.image_with("sharer")
        disk = self.blank_image("a.img", 8 * MIB)
        devices = [f"--qemu-arg={word}" for slot in ("10", "14", "18")
                   for word in ("-device", f"e1000,addr={slot},romfile=")]
        ran = self.run_machine(
            "write-pattern nvme0n1 0 8192 9; sleep 9000; until sharer1 failed sleep 100; verify-pattern nvme0n1 0 8192 9; drivers; devices -v",
            "--disk", f"nvme:{disk}", "--image", image, "--iommu", iommu, *devices)
        self.assert_status(ran)
        for times in (1, 2, 3):
            self.assert_says(ran, rf"line \d+: sharer1 sits on it: skipped \({times}\)", "log")
        self.assertNotIn("sits on it: skipped (4)", ran.log)
        self.assert_says(ran, "sharer1: stopped: it sits on interrupt line", "log")
        self.assert_says(ran, "^sharer1 +driver +failed .* sat on an interrupt line")
        self.assert_says(ran, r"line \d+ storms and nobody claims it: quarantined; sharer2 is on it", "log")
        self.assert_says(ran, r"line \d+ is quiet: out of quarantine", "log")
        self.assert_says(ran, "^sharer0 +driver +running")
        self.assert_says(ran, "^sharer2 +driver +running")
        after = ran.log[ran.log.index("out of quarantine"):]
        self.assertRegex(after, r"sharer0: \d+ interrupts")
        self.assert_says(ran, "8192 of 8192 blocks as written")
        return {"line-never-acknowledged": crimes.STOPPED, "line-left-raised": crimes.SLOWED}

    def test_a_shared_line(self):
        self.commit_lines("vtd")

    def commit_given(self, iommu):
        """A driver gives its line to a client that keeps it, and dies; another is on the line, too."""
        with open(os.path.join(BUILD, "boot", "guest"), "rb") as file:
            image = self.image_with("sharer", {"shell": file.read(), "supervisor.conf": b"[settings]\nsharer = give=1\n"})
        devices = [f"--qemu-arg={word}" for slot in ("10", "14") for word in ("-device", f"e1000,addr={slot},romfile=")]
        ran = self.run_machine(
            "sleep 1000; hold sharer1line; kill sharer1; sleep 4000; until sharer1 failed sleep 50; drivers;"
            "let-go; sleep 500; restart sharer1; until sharer1 0 sleep 500; drivers",
            "--image", image, "--iommu", iommu, *devices)
        self.assert_status(ran)
        self.assert_says(ran, "^holds the line: 0$")
        self.assert_says(ran, r"io: sharer1: gave interrupt line \d+ away", "log")
        before, after = ran.output.split("lets go of the line: 0")
        self.assertRegex(before, r"(?m)^sharer1 +driver +failed .* no device: ")
        self.assertRegex(after, r"(?m)^sharer1 +driver +running")
        self.assert_says(ran, "sharer1: given up after .*: it dies as soon as it is started", "log")
        # The other goes on, some 50 times a second, and does not wait for it 200 ms each time.
        meanwhile = ran.log[ran.log.index("sharer1: killed by the operator"):ran.log.rindex("sharer1: running again")]
        self.assertGreater(len(re.findall(r"sharer0: \d+ interrupts", meanwhile)), 1, str(ran))
        return {"line-given-away": crimes.NO_OTHER}

    def test_a_line_given_away(self):
        self.commit_given("vtd")

    def test_without_an_iommu(self):
        ran = self.judge(crimes.EDU, 1, self.commit("none"))
        self.assert_says(ran, "no IOMMU in use: DMA is not confined", "log")
