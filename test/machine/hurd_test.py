# SPDX-License-Identifier: GPL-2.0-or-later
"""A Hurd on top, played by test/hurd: what it sends and expects is doc/hurd.md's."""
import os
import re
import shutil

from machine.vm import BUILD, MachineTest

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

    def system(self, kind, block, options="", kills=0, root=None):
        """A whole life of a system, with the driver killed meanwhile; the file system is clean afterwards."""
        for number in range(BOOTS):
            image = self.ext4_image("root.img", "64M", options=("-t", "ext2", "-b", "4096"))
            driver = {"nvme": "nvme0", "virtio": "virtio-blk0"}[kind]
            first = 64 * MIB // 512 // 2  # the stand-in writes where the file system has nothing yet
            commands = "sleep 1200; " + (f"kill {driver} 1000 {kills} {number + 1}; " if kills else "")
            arguments = [f"--hurd-arg={word}" for word in
                         ("--reads=1000", f"--scratch={first},32768", f"--seed={number + 1}", "--confined",
                          "--seconds=3", "--end=reboot")]
            if root:
                arguments += ["--root", root]
            ran = self.boot(commands + "sleep 50000", f"{kind}:{image}{options}", *arguments)
            self.assert_says(ran, r"^stand-in: \d{4,} checks, 0 failed", "log")
            self.assert_says(ran, "supervisor: all is at rest: reboot", "log")
            self.assertEqual(ran.status, 1, str(ran))  # it went down by itself, the shell had more to do
            restarts = re.findall(r"running again, .* \((\d+) restarts\)", ran.log)
            self.assertEqual(bool(restarts), bool(kills), str(ran))
            self.assert_clean(image)

    def test_on_nvme(self):
        self.system("nvme", 512)

    def test_on_nvme_under_kills(self):
        self.system("nvme", 512, kills=1000)

    def test_on_nvme_with_blocks_of_4096(self):
        self.system("nvme", 4096, options=",bs=4096", root="wd0=nvme0n1")

    def test_on_nvme_with_blocks_of_4096_under_kills(self):
        self.system("nvme", 4096, options=",bs=4096", kills=1000)

    def test_on_virtio(self):
        self.system("virtio", 512)

    def test_on_virtio_under_kills(self):
        self.system("virtio", 512, kills=1000, root="wd0=virtio-blk0")

    def test_a_root_device_that_is_not_there(self):
        image = self.blank_image("a.img", MIB)
        ran = self.boot("sleep 2500; drivers", f"nvme:{image}", "--root", "wd7", "--root-arg=--wait=1")
        self.assert_status(ran)
        self.assert_says(ran, r"hurd: error: the root device wd7 \(wd7\) is not there after 1 s", "log")
        self.assertNotIn("stand-in: ", ran.log, str(ran))

    def test_a_next_task_that_is_none(self):
        image = self.blank_image("a.img", MIB)
        ran = self.boot("drivers", f"nvme:{image}", "--root-arg=--next-task=999")
        self.assert_status(ran)
        self.assert_says(ran, "--next-task is no task", "log")
