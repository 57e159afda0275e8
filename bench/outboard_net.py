# SPDX-License-Identifier: GPL-2.0-or-later
"""outboard_net - our own figures for network cards: the shell's net-load, with the tests' peer on the wire
(test/machine/wire.py), one boot for each driver. bench/linux_net.py is the same on Linux.
"""
import os
import re
import subprocess
import sys

import linux_net
import outboard
from linux_net import wire
from machine import image as images

DEVICES = {"virtio-net": "virtio-net0", "e1000e": "e1000e0"}
PROGRAMS = (*outboard.PROGRAMS, "netmux")


def shared_image(folder, driver):
    """A boot image with the card shared out to two clients."""
    with open(os.path.join(outboard.ROOT, "server", "supervisor", "supervisor.conf"), "rb") as file:
        conf = file.read() + f"{DEVICES[driver]}m = {DEVICES[driver]} clients=2\n".encode()
    return images.make(os.path.join(folder, "shared.iso"), {"supervisor.conf": conf}, (), None)


def boot(folder, arguments, driver, command, image):
    """What the shell said."""
    path, log = os.path.join(folder, "outboard-wire"), os.path.join(folder, "log")
    peer = wire.Wire(path)
    try:
        run = subprocess.run([os.path.join(outboard.ROOT, "obvm"), "--nic",
                              f"{linux_net.DRIVERS[driver].kind},{peer.netdev}", "--timeout", "300", "--log", log,
                              *(["--image", image] if image else []), "--qemu-arg=-plugin", f"--qemu-arg={arguments}", "-c", command],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    finally:
        peer.close()
        os.remove(path)
    if run.returncode:
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.exit(f"bench: the machine did not answer (status {run.returncode}): {run.stdout}{run.stderr}"
                     f"{file.read()}")
    return run.stdout


def events(driver):
    return {"@interrupts": (driver, "interrupt_message"), "@wake_client": ("shell", "session_link_wait"),
            "@wake_driver": ("shell", "session_link_wakeup")}


def result(system, driver, job, counts, times):
    pattern, size, depth, frames = job
    took, p50, p99 = map(int, times)
    per = {name: count / frames for name, count in counts.items()}
    split = {"client": per["shell"], "driver": per["driver"], "io": per["io"], "kernel": per["kernel"],
             "other": sum(per[name] for name in outboard.OTHERS)}
    if system == "outboard-shared":
        split["multiplexer"] = per["netmux"]
    return {
        "system": system, "driver": driver, "pattern": "net-" + pattern, "size": size, "depth": depth,
        "clients": 1, "iommu": "vtd", "completion": "hybrid",
        "instructions_per_op": round(sum(split.values()), 1), "spin_per_op": round(per.get("spin", 0), 1),
        "ops_per_second": round(frames / (took / 1e6)), "p50_us": p50, "p99_us": p99,
        "interrupts_per_op": round(per["@interrupts"], 3),
        "wakeups_per_op": round(per["@wake_client"] + per["@wake_driver"], 3),
        "split": {name: round(value, 1) for name, value in split.items()},
    }


def measure(folder, library, driver, system):
    """One boot: with the driver's own session, or with one of the multiplexer's (service/netmux)."""
    shared = system == "outboard-shared"
    counts, device = os.path.join(folder, "counts"), DEVICES[driver] + ("m1" if shared else "")
    jobs = linux_net.jobs()
    arguments = outboard.plugin_arguments(library, counts, "shell", driver, events(driver), programs=PROGRAMS)
    out = boot(folder, arguments, driver,
               "; ".join(f"net-load {device} {pattern} {frames} {size} {depth}"
                         for pattern, size, depth, frames in jobs), shared_image(folder, driver) if shared else None)
    times = re.findall(r"in (\d+) us; of batches p50 (\d+) us, p99 (\d+) us", out)
    outboard.report_head()
    found = []
    for job, interval, time in zip(jobs, outboard.counts_read(counts), times, strict=True):
        found.append(result(system, driver, job, interval, time))
        outboard.report(found[-1])
    return found


def results(folder, library, driver):
    return measure(folder, library, driver, "outboard") + measure(folder, library, driver, "outboard-shared")
