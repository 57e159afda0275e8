#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""integrity - what the integrity filter costs: instructions with it and without, counted as bench/run does.

Random 4 KiB operations on a disk of which all blocks were seen before, and a file system's work: from mount to
unmount, a walk over all files with SHA-256 of each; and copies, removals and a sync.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import outboard

sys.path.insert(0, os.path.join(outboard.ROOT, "test"))
from machine import image as images

MIB = 1 << 20
OPERATIONS = 2000
SPAN = 16 * MIB // 512
PROGRAMS = (*outboard.PROGRAMS, "integrity")
CONFIGURATIONS = (("without", None, "nvme0n1"),
                  ("checks, no samples", "checked0 = nvme0n1 sample=0", "checked0"),
                  ("checks, samples 1 in 64", "checked0 = nvme0n1 sample=64", "checked0"),
                  ("checks, samples all", "checked0 = nvme0n1 sample=1", "checked0"),
                  ("mirror, samples 1 in 64", "checked0 = nvme0n1 nvme1n1 sample=64", "checked0"))
WORK = (("files read by sha256sum -r", "mount {0}; sha256sum -r /; umount /"),
        ("files copied", "mount {0}; cp /f9 /g9; cp /f19 /g19; cp /g9 /h9; cp /f8 /g8; rm /f1; rm /g19; sync; umount /"))


def boot(folder, library, image, disks, marks, command):
    """The intervals between two functions of the shell, in one boot."""
    shell, counts = outboard.symbols("shell"), os.path.join(folder, "counts")
    words = [library, f"out={counts}", f"begin={shell[marks[0]][0]:#x}", f"end={shell[marks[1]][0]:#x}"]
    words += [f"{name}={address:#x}" for address, name in outboard.places("nvme", PROGRAMS)]
    run = subprocess.run([os.path.join(outboard.ROOT, "obvm"), "--image", image, "--timeout", "300",
                          "--log", os.path.join(folder, "log"), "--qemu-arg=-plugin",
                          "--qemu-arg=" + ",".join(words),
                          *(word for disk in disks for word in ("--disk", f"nvme:{disk}")), "-c", command],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode:
        with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as file:
            sys.exit(f"bench: the machine did not answer: {run.stdout}{run.stderr}{file.read()[-3000:]}")
    return outboard.counts_read(counts)


def disks_make(folder):
    tree, one = os.path.join(folder, "tree"), os.path.join(folder, "one.img")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    for i in range(40):
        with open(os.path.join(tree, f"f{i}"), "wb") as file:
            file.write(os.urandom((i % 10) ** 3 * 1000 + 500))
    if os.path.exists(one):
        os.remove(one)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, one, "64M"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return one, shutil.copy(one, os.path.join(folder, "other.img"))


def line(what, counts, operations, reference):
    total = sum(value for name, value in counts.items() if name != "spin" and not name.startswith("@"))
    split = " ".join(f"{name} {counts[name] / operations:.0f}"
                     for name in ("shell", "fs", "integrity", "driver", "io", "kernel") if counts.get(name))
    ratio = f" {total / reference:6.3f}" if reference else " " * 7
    print(f"{what:56} {total / operations:12.0f}{ratio}   {split}; spin {counts['spin'] / operations:.0f}",
          flush=True)
    return total


def main():
    bench = [(pattern, depth) for pattern in ("randread", "randwrite") for depth in (1, 32)]
    totals = {}
    with tempfile.TemporaryDirectory() as folder:
        library = outboard.plugin(folder)
        for name, configuration, device in CONFIGURATIONS:
            text = f"[integrity]\n{configuration}\n" if configuration else ""
            image = images.make(os.path.join(folder, "image.iso"), {"supervisor.conf": text.encode()}, (), None)
            blank = [os.path.join(folder, disk) for disk in ("a.img", "b.img")]
            for disk in blank:
                with open(disk, "wb") as file:
                    file.truncate(SPAN * 512)
            seen = f"write-pattern {device} 0 {SPAN} 3; verify-pattern {device} 0 {SPAN} 3; "
            command = seen + "; ".join(f"bench {device} {pattern} {OPERATIONS} {depth} 4096"
                                       for pattern, depth in bench)
            intervals = boot(folder, library, image, blank, ("bench_mark_begin", "bench_mark_end"), command)
            for (pattern, depth), counts in zip(bench, intervals, strict=True):
                what = f"{pattern} 4096, depth {depth}"
                totals[what, name] = line(f"{what}, {name}", counts, OPERATIONS, totals.get((what, "without")))
            command = "; ".join("sleep 50; " + work.format(device) + "; uptime" for _, work in WORK)
            intervals = boot(folder, library, image, disks_make(folder), ("sleep_run", "uptime_run"), command)
            for (what, _), counts in zip(WORK, intervals, strict=True):
                totals[what, name] = line(f"{what}, {name}", counts, 1, totals.get((what, "without")))


if __name__ == "__main__":
    main()
