# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is paged out to a disk of ours, by a default pager in the place of a Hurd (test/paging)."""
import os
import re
import shutil
import subprocess

from machine.vm import BUILD, SBIN, MachineTest

MIB = 1 << 20


class Paging(MachineTest):
    def page(self, kind, alias, *arguments, kills=0):
        """More memory is filled and checked than there is, through the first partition of the disk."""
        os.makedirs(self.path("hurd"), exist_ok=True)
        for name in ("ext2fs.static", "exec.static"):
            shutil.copy(os.path.join(BUILD, "boot", "paging"), self.path("hurd/" + name))
        disk = self.blank_image("disk.img", 84 * MIB)
        subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=64MiB\nsize=16MiB\n", text=True,
                       check=True, env=SBIN)
        driver = {"nvme": "nvme0", "virtio": "virtio-blk0", "ahci": "ahci0"}[kind]
        commands = (f"sleep 1500; kill {driver} {kills} 6000; " if kills else "") + "sleep 100000"
        ran = self.run_machine(commands, "--timeout", "140", "--memory", "128", "--hurd", self.path("hurd"),
                               "--disk", f"{kind}:{disk}", "--root", "wd0s1", f"--root-arg=--name=wd0={alias}", "--root-arg=--paging=wd0s1",
                               "--root-arg=--host=real", "--hurd-arg=--other=wd0s2", *arguments)
        self.assert_says(ran, "^paging: saved on another device", "log")
        self.assert_says(ran, "^paging: 0 pages wrong", "log")
        self.assert_says(ran, r"^paging: \d+ objects, [1-9]\d{3,} pages out, [1-9]\d\d+ in, .* 0 failures", "log")
        self.assert_says(ran, "supervisor: all is at rest: power off", "log")
        self.assertEqual(ran.status, 1, str(ran))  # it went down by itself, the shell had more to do
        restarts = re.findall(rf"{driver}: running again, .* \((\d+) restarts\)", ran.log)
        self.assertEqual(bool(restarts), bool(kills), str(ran))

    def test_on_nvme_under_kills(self):
        self.page("nvme", "nvme0n1", kills=1000)

    def test_on_ahci(self):
        self.page("ahci", "ahci0p0")

    def test_on_ahci_under_kills(self):
        self.page("ahci", "ahci0p0", kills=1000)

    def test_on_virtio_under_kills(self):
        self.page("virtio", "virtio-blk0", kills=1000)

    def test_without_an_iommu(self):
        self.page("nvme", "nvme0n1", "--iommu", "none")
