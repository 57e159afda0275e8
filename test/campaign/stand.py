# SPDX-License-Identifier: GPL-2.0-or-later
"""stand - where a part of the campaign is run: a disk with two partitions, boot images, and what `churn` said."""
import os
import random
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.path.join(ROOT, "build")
PATH = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
# A driver that hangs spins for as long as nobody looks: with counted instructions that is what a fault costs.
CONFIGURATION = b"[restart]\nquick = 12\ndeaths = 100000\nwatch = 10\nmemory = 8\nprogress = 2000\n"
DRIVERS = {"nvme": ("nvme", "nvme0", "nvme0n1"), "ahci": ("ahci", "ahci0", "ahci0p0"),
           "virtio-blk": ("virtio", "virtio-blk0", "virtio-blk0")}  # obvm's kind of disk, its driver, its name
FILTERS = {"one": b"[integrity]\nchecked0 = nvme0n1p1 sample=1\n",
           "mirror": b"[integrity]\nchecked0 = nvme0n1p1 nvme1n1p1 sample=1\nchecked1 = nvme0n1p2 nvme1n1p2 sample=1\n"}
# obvm's statuses for an end of QEMU by an error of its own (SIGABRT, SIGSEGV), and what it says if the machine ended itself.
EMULATOR_DIED, EMULATOR_DEATHS_MOST = (134, 139), 3
ENDED = "the machine ended before it answered"
SECTOR, FIRST, FILES, FILES_SIZE = 512, 2048, 20480, 131072  # of the disk, in sectors
CHURN = re.compile(r"^churn: (?:(\d+) done, (\d+) failed, (\d+) wrong before, (\d+) wrong; (\d+) drivers died, (\d+) replayed,"
                   r" (\d+) rewritten, (\d+) poisoned, (\d+) rejected(; it ended early: .*)?|[a-z0-9-]+: (.*))$", re.M)
COUNTS = ("operations", "failed", "wrong before", "wrong", "died", "replayed", "rewritten", "poisoned", "rejected")


class Stand:
    """Its folder is its own: several are at work at the same time."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.disk = os.path.join(folder, "disk.img")
        self.mirror = self.disk + ".mirror"
        self.kind, self.driver, self.whole = DRIVERS[options.driver]
        self.device = "checked0" if options.filter else f"{self.whole}p1"
        self.problems = []
        self.emulator_deaths = 0
        self.table, self.files = None, False

    def image(self, name, files=None):
        """A boot image in the folder above, which all stands share."""
        sys.path.insert(0, os.path.join(ROOT, "test"))
        from machine import image
        path = os.path.join(os.path.dirname(self.folder), name + ".iso")
        if not os.path.exists(path):
            configuration = CONFIGURATION + FILTERS.get(self.options.filter, b"")
            made = image.make(os.path.join(self.folder, "new.iso"), {"supervisor.conf": configuration, **(files or {})},
                              (), None)
            os.replace(made, path)
        return path

    def disk_make(self, files=False):
        """One partition for churn, and one that may have a file system."""
        with open(self.disk, "wb") as file:
            file.truncate(96 << 20)
        subprocess.run(["sfdisk", "-q", self.disk], text=True, check=True, env=PATH, stdout=subprocess.DEVNULL,
                       input=f"label: gpt\nstart={FIRST},size=16384\nstart={FILES},size={FILES_SIZE}\n")
        self.table, self.files = self.table_read(), files
        if files:
            self.file_system_make()

    def table_read(self):
        with open(self.disk, "rb") as file:
            return file.read(FIRST * SECTOR)

    def table_is_whole(self):
        return self.table_read() == self.table

    def file_system_make(self):
        part, tree = os.path.join(self.folder, "part.img"), os.path.join(self.folder, "tree")
        os.makedirs(tree, exist_ok=True)
        with open(os.path.join(tree, "big"), "wb") as file:
            file.write(random.Random(self.options.seed).randbytes(700001))
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, part, "64M"], check=True, env=PATH,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(part, "rb") as source, open(self.disk, "r+b") as target:
            target.seek(FILES * SECTOR)
            shutil.copyfileobj(source, target)

    def file_system_check(self, disk=None):
        part = os.path.join(self.folder, "part.img")
        with open(disk or self.disk, "rb") as source, open(part, "wb") as target:
            source.seek(FILES * SECTOR)
            target.write(source.read(FILES_SIZE * SECTOR))
        run = subprocess.run(["e2fsck", "-fn", part], capture_output=True, text=True, env=PATH, check=False)
        if run.returncode != 0:
            self.problem("the file system is damaged", run.stdout + run.stderr)

    def files_judge(self, text):
        """What commands said that work on files, each of which is a copy of the first one."""
        errors = re.findall(r"^(?:mount|cp|mkdir|rm|sync|umount|sha256sum): .*", text, re.M)
        if errors or len(set(re.findall(r"^([0-9a-f]{64}) ", text, re.M))) > 1:
            self.problem("the file system's load met with an error or wrong data", "\n".join([*errors, text]))

    def script(self, commands):
        """obvm's arguments for what is too long for the console: a disk with the commands, of a kind with another driver."""
        path = os.path.join(self.folder, "script")
        with open(path, "wb") as file:
            text = "; ".join(commands).encode()
            file.write(text.ljust((len(text) // SECTOR + 1) * SECTOR, b"\0"))
        kind, _, whole = DRIVERS["nvme" if self.kind == "virtio" else "virtio-blk"]
        return ["--disk", f"{kind}:{path},ro", "-c", f"run {whole}"]

    def boot(self, commands, limit, image=None, arguments=()):
        """What the commands printed, and the machine's log. Counted time flies while the machine waits for this
        one's disk: a flush to it would take seconds, so there is none."""
        log = os.path.join(self.folder, "log")
        other = []
        if self.options.filter == "mirror":
            other = ["--disk", "nvme:" + shutil.copy(self.disk, self.mirror),
                     "--qemu-arg=-set", "--qemu-arg=drive.disk1.cache=unsafe"]
        run = subprocess.run([os.path.join(ROOT, "obvm"), "--count", "--disk", f"{self.kind}:{self.disk}", *other, "--iommu",
                              self.options.iommu, "--image", image or self.image("plain"), "--timeout", str(limit),
                              "--log", log, "--qemu-arg=-set", "--qemu-arg=drive.disk0.cache=unsafe", *arguments, *self.script(commands)],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
        if run.returncode in EMULATOR_DIED and self.emulator_deaths < EMULATOR_DEATHS_MOST:
            self.emulator_deaths += 1
            print(f"campaign: QEMU itself died, the boot is done again: {run.stderr.strip()}", flush=True)
            self.disk_make(self.files)
            return self.boot(commands, limit, image, arguments)
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if self.options.verbose:
            print(run.stdout, run.stderr, sep="", flush=True)
        if run.returncode not in (0, 1) or ENDED in run.stderr:
            self.problem(f"the machine stopped (status {run.returncode})", run.stdout + run.stderr + text)
        return run.stdout, text

    def problem(self, what, detail):
        self.problems.append(what)
        print(f"campaign: {what}\n{detail}", flush=True)

    def churn_judge(self, text, expected):
        """Each load's counts; one that ended early, or found no disk, has a failure more."""
        found = []
        for match in CHURN.finditer(text):
            counts = dict(zip(COUNTS, (int(group or 0) for group in match.groups()[:9])))
            counts["failed"] += bool(match[10] or match[11])
            counts["no disk"] = bool(match[11])
            found.append(counts)
        if len(found) != expected:
            self.problem(f"{expected - len(found)} loads did not come to their end", text)
        return found
