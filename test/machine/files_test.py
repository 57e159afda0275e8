# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems: reading, writing, and what is wrong with them."""
import hashlib
import os
import random
import subprocess

from machine.vm import SBIN, MachineTest

MIB = 1 << 20


class Files(MachineTest):
    def populate(self):
        """A folder for mke2fs to take, and the list that sha256sum -r should print."""
        noise, folder, lines = random.Random(5), self.path("tree"), []
        sizes = {"empty": 0, "one": 1, "page": 4096, "big": 5 * MIB + 17, "d/e/f/deep": 70000,
                 "n" * 255: 3}
        for name, size in sizes.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = noise.randbytes(size)
            with open(path, "wb") as file:
                file.write(data)
            lines.append((name.encode(), hashlib.sha256(data).hexdigest()))
        os.symlink("d/e", os.path.join(folder, "to-folder"))
        return folder, "".join(f"{digest}  {name.decode()}\n" for name, digest in sorted(lines))

    def test_reads_what_mke2fs_wrote(self):
        folder, expected = self.populate()
        for options in ((), ("-b", "1024"), ("-O", "^extents,^64bit"), ("-t", "ext2"),
                        ("-O", "inline_data", "-I", "256")):
            image = self.ext4_image("a.img", "32M", folder, options)
            ran = self.run_machine("mount nvme0n1 / ro; sha256sum -r /; ls /to-folder",
                                   "--disk", f"nvme:{image},ro")
            self.assert_status(ran)
            self.assertEqual(ran.output, expected + "f\n", f"{options}: {ran}")

    def test_on_blocks_of_4096_bytes(self):
        folder, expected = self.populate()
        image = self.ext4_image("a.img", "32M", folder, ("-b", "1024"))
        ran = self.run_machine("mount nvme0n1; sha256sum -r /; cp /big /copy; umount /",
                               "--disk", f"nvme:{image},bs=4096")
        self.assert_status(ran)
        self.assertEqual(ran.output, expected, str(ran))
        self.assert_clean(image)

    def test_writes_survive_and_e2fsck_is_content(self):
        folder, _ = self.populate()
        image = self.ext4_image("a.img", "48M", folder)
        ran = self.run_machine(
            "mount nvme0n1; mkdir /new /new/er; cp /big /new/er/copy; cp /one /new/one;"
            "rm /d/e/f/deep /d/e/f; cp /page /empty; rm /to-folder; sync; sha256sum /new/er/copy;"
            "umount /", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_clean(image)
        ran = self.run_machine("mount nvme0n1 / ro; sha256sum /big /new/er/copy /page /empty; ls /d/e",
                               "--disk", f"nvme:{image},ro")
        self.assert_status(ran)
        hashes = [line.split()[0] for line in ran.output.splitlines()]
        self.assertEqual((hashes[0], hashes[2]), (hashes[1], hashes[3]), str(ran))
        self.assertEqual(len(hashes), 4, str(ran))

    def test_halt_without_umount_leaves_it_clean(self):
        image = self.ext4_image("a.img")
        ran = self.run_machine("mount nvme0n1; mkdir /a /a/b /a/c", "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assert_clean(image)

    def test_many_names_in_one_folder(self):
        image = self.ext4_image("a.img")
        names = " ".join(f"/f{number:03}-{'x' * 40}" for number in range(60))
        ran = self.run_machine(f"mount nvme0n1; mkdir {names}; ls; rm {names}; umount /",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran)
        self.assertEqual(ran.output.count("-xxxx"), 60, str(ran))
        self.assert_clean(image)

    def test_no_room_is_an_error_and_no_harm(self):
        folder, _ = self.populate()
        image = self.ext4_image("a.img", "12M", folder)
        ran = self.run_machine("mount nvme0n1; cp /big /again; cp /big /more; ls; umount /",
                               "--disk", f"nvme:{image}")
        self.assert_status(ran, 1)
        self.assert_says(ran, "No space left on device")
        self.assert_clean(image)

    def test_errors_of_names(self):
        image = self.ext4_image("a.img", source=self.populate()[0])
        for command, reason in (("cat /none", "No such file or directory"),
                                ("mkdir /d", "File exists"), ("rm /d", "Directory not empty"),
                                ("cat /d", "Is a directory"), ("ls /one/x", "Not a directory"),
                                ("cp /one /one", "Invalid argument")):
            with self.subTest(command=command):
                ran = self.run_machine(f"mount nvme0n1; {command}", "--disk", f"nvme:{image}")
                self.assert_status(ran, 1)
                self.assert_says(ran, reason)


class Broken(MachineTest):
    """Each a clear message, and the rest of the machine goes on."""

    def mount_fails(self, image, reason, where="log", options=""):
        ran = self.run_machine("mount nvme0n1; devices", "--disk", f"nvme:{image}{options}")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^mount: nvme0n1: ")
        self.assert_says(ran, reason, where)
        self.assert_says(ran, "driver nvme0 \\(running\\)")

    def patch(self, image, offset, data):
        with open(image, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def test_no_file_system(self):
        self.mount_fails(self.blank_image("a.img", 4 * MIB), "no ext2, ext3 or ext4 file system")

    def test_bad_superblock(self):
        image = self.ext4_image("a.img")
        self.patch(image, 1024 + 0x20, os.urandom(64))
        self.mount_fails(image, "no ext2, ext3 or ext4 file system")

    def test_truncated_image(self):
        image = self.ext4_image("a.img", "32M")
        os.truncate(image, 9 * MIB)
        self.mount_fails(image, "is the image truncated\\?")

    def test_dirty_image_may_only_be_read(self):
        image = self.ext4_image("a.img")
        subprocess.run(["debugfs", "-w", "-R", "set_super_value state 0", image], check=True,
                       env=SBIN, capture_output=True)
        self.mount_fails(image, "mount it read-only, or run e2fsck")
        ran = self.run_machine("mount nvme0n1 / ro; ls", "--disk", f"nvme:{image}")
        self.assert_status(ran)

    def test_disk_not_there(self):
        ran = self.run_machine("mount nvme7n1")
        self.assert_status(ran, 1)
        self.assert_says(ran, "^mount: nvme7n1: No such file or directory$")
