# SPDX-License-Identifier: GPL-2.0-or-later
"""hurd - the Hurd's path to its disk driver of today, priced by a program of its pattern (bench/hurd_path.c)."""
import os
import re
import subprocess
import sys

import outboard
from rounds import ROUNDS, cheapest

SIZE = 4096
# In the order of the program's marks.
MEASURED = (("page-in", "none"), ("device_read", "none"), ("page-in", "edu"), ("device_read", "edu"))


def image_make(folder):
    sys.path.insert(0, os.path.join(outboard.ROOT, "test"))
    from machine import image as images

    def read(*path):
        with open(os.path.join(outboard.ROOT, *path), "rb") as file:
            return file.read()

    image = images.make(os.path.join(folder, "hurd-path.iso"), {
        "hurd-path": read("build", "boot", "hurd-path"), "hurd-path.manifest": read("bench", "hurd_path.manifest")}, (), None)
    return image


def measure(folder, library, image):
    """One boot."""
    counts, log = os.path.join(folder, "counts"), os.path.join(folder, "hurd-path.log")
    arguments = outboard.plugin_arguments(library, counts, "hurd-path", "hurd-path", {})
    subprocess.run([os.path.join(outboard.ROOT, "obvm"), "--timeout", "60", "--image", image, "--log", log,
                    "--qemu-arg=-device", "--qemu-arg=edu", "--qemu-arg=-plugin", f"--qemu-arg={arguments}",
                    "-c", "sleep 15000"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    with open(log, encoding="ascii", errors="replace") as file:
        said = re.search(r"hurd-path: (\d+) operations of each kind, 0 wrong", file.read())
    if not said:
        sys.exit("bench: the Hurd's path did not come to its end")
    found = []
    for (pattern, device), interval in zip(MEASURED, outboard.counts_read(counts), strict=True):
        per = {name: count / int(said.group(1)) for name, count in interval.items()}
        split = {"client": 0, "driver": per["driver"], "io": 0, "kernel": per["kernel"]}
        found.append({"system": "hurd-path", "driver": device, "pattern": pattern, "size": SIZE, "depth": 1, "clients": 1,
                      "iommu": "none", "completion": "message", "instructions_per_op": round(sum(split.values()), 1),
                      "split": {name: round(value, 1) for name, value in split.items()}})
        print(f"the Hurd's {pattern}, device {device}: {found[-1]['instructions_per_op']:.0f} instructions, {per['kernel']:.0f} of them the "
              f"kernel's; others {sum(v for n, v in per.items() if n not in ('driver', 'kernel')):.0f}", flush=True)
    return found


def results(folder, library):
    image = image_make(folder)
    return cheapest([one for _ in range(ROUNDS) for one in measure(folder, library, image)])
