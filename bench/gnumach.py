# SPDX-License-Identifier: GPL-2.0-or-later
"""gnumach - the peer that has its disk driver in the kernel: Debian 12's GNU Mach for 32-bit machines, whose
AHCI driver a small task of ours (bench/gnumach_client.c) asks through device_read.

The kernel, which knows no IOMMU, is on the same machine as ours with the same disk, but for where it
starts from: it would wait for an answer of an optical drive on AHCI. Times are this machine's, between two
lines of the client's.
"""
import gzip
import os
import re
import subprocess
import time

import linux

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PLACE = os.path.join(ROOT, "build", "gnumach")
CLIENT_BASE, KERNEL = 0x8048000, 0xc0000000
SIZE, OPERATIONS, TIMEOUT = 4096, 4000, 120
DISK = "sd0"  # what the kernel calls the first one
MENU = f"""set timeout=0
serial --unit=0
terminal_output serial
multiboot /boot/gnumach console=com0
module /boot/client client '${{device-port}}' {DISK} {SIZE} {OPERATIONS} '$(client-task=task-create)' '$(task-resume)'
boot
"""


def client_build(folder):
    path = os.path.join(folder, "gnumach_client")
    linux.command(["gcc", "-m32", "-std=gnu17", "-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
                   "-fno-stack-protector", "-mno-sse", "-Wl,--build-id=none", f"-Wl,-Ttext-segment={CLIENT_BASE:#x}",
                   "-isystem", os.path.join(PLACE, "usr", "include", "i386-linux-gnu"), "-o", path,
                   os.path.join(ROOT, "bench", "gnumach_client.c")])
    text = linux.command(["nm", path])
    return path, [re.search(rf"^([0-9a-f]+) T {name}$", text, re.M).group(1)
                  for name in ("bench_mark_begin", "bench_mark_end")]


def image_make(folder, client):
    tree, image = os.path.join(folder, "gnumach"), os.path.join(folder, "gnumach.iso")
    os.makedirs(os.path.join(tree, "boot", "grub"))
    with gzip.open(os.path.join(PLACE, "boot", "gnumach-1.8-486.gz")) as kernel:
        files = {"gnumach": kernel.read(), "grub/grub.cfg": MENU.encode()}
    with open(client, "rb") as file:
        files["client"] = file.read()
    for name, data in files.items():
        with open(os.path.join(tree, "boot", name), "wb") as file:
            file.write(data)
    linux.command(["grub-mkrescue", "-o", image, "--install-modules=multiboot serial iso9660 biosdisk normal",
                   "--fonts=", "--themes=", "--locales=", tree])
    return image


def run(image, disk, plugin):
    """Seconds between the client's two lines. The machine does not end by itself."""
    arguments = ["timeout", str(TIMEOUT), os.environ.get("OBVM_QEMU", "qemu-system-x86_64"), "-accel", "tcg",
                 "-machine", "q35,kernel-irqchip=split", "-cpu", "max,-cx16", "-m", "1024", "-smp", "1",
                 "-display", "none", "-nodefaults", "-vga", "std", "-no-reboot", "-serial", "stdio",
                 "-device", "intel-iommu,intremap=on",
                 "-drive", f"if=none,id=start,format=raw,readonly=on,file={image}",
                 "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=start,bootindex=0",
                 *linux.obvm().disk_arguments(f"ahci:{disk}", 0), "-plugin", plugin]
    said, seen = "", {}
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace") as machine:
        for line in machine.stdout:
            said += line
            match = re.search(r"gnumach: (begin|end|failed)", line)
            if match:
                seen[match.group(1)] = time.monotonic()
            if "end" in seen or "failed" in seen:
                machine.terminate()
    if "begin" not in seen or "end" not in seen:
        linux.die(f"GNU Mach's own driver: the client did not end; the machine's last words: {said[-1000:]}")
    return seen["end"] - seen["begin"]


def results(folder, library, disk):
    client, marks = client_build(folder)
    counts = os.path.join(folder, "counts")
    took = run(image_make(folder, client), disk,
               f"{library},out={counts},begin=0x{marks[0]},end=0x{marks[1]},user=0,kernel={KERNEL:#x}")
    with open(counts, encoding="ascii") as file:
        split = {name: round(int(count) / OPERATIONS, 1) for name, count in map(str.split, file)}
    one = {"system": "gnumach-in-kernel", "driver": "ahci", "pattern": "device_read", "size": SIZE, "depth": 1,
           "clients": 1, "iommu": "none", "completion": "interrupt",
           "instructions_per_op": round(sum(split.values()), 1), "ops_per_second": round(OPERATIONS / took),
           "split": {"client": split["user"], "driver": 0, "io": 0, "kernel": split["kernel"]}}
    print(f"device_read of {SIZE} bytes by GNU Mach's own AHCI driver: {one['instructions_per_op']:.0f} instructions "
          f"({split['user']:.0f} of the client), {one['ops_per_second']} a second", flush=True)
    return [one]
