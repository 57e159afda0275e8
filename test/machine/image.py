# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot images that differ from the built one."""
import io
import os
import subprocess
import tarfile
import tempfile

from machine.vm import BUILD, ROOT

PAGE = 4096


def built_files():
    with open(os.path.join(BUILD, "boot", "archive.bin"), "rb") as file:
        file.seek(PAGE)
        with tarfile.open(fileobj=io.BytesIO(file.read())) as tar:
            return {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers() if entry.isfile()}


def make(out, replace, leave_out, archive, kernel="up"):
    files = {**built_files(), **replace}
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for name, data in files.items():
            if name in leave_out:
                continue
            path = os.path.join(folder, "file-" + name)
            with open(path, "wb") as file:
                file.write(data)
            arguments.append(f"{name}={path}")
        blob, module = os.path.join(folder, "archive.bin"), os.path.join(folder, "archive.elf")
        subprocess.run([os.path.join(ROOT, "boot", "make-archive"), blob, *arguments], check=True)
        if archive:
            with open(blob, "rb") as file:
                data = archive(file.read())
            with open(blob, "wb") as file:
                file.write(data)
        subprocess.run(["cc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none",
                        "-Wl,-Ttext-segment=0x400000", "-Wl,--section-start=.archive=0x10000000",
                        f'-DARCHIVE="{blob}"', "-o", module,
                        os.path.join(ROOT, "boot", "archive.S")], check=True)
        subprocess.run([os.path.join(ROOT, "boot", "make-image"),
                        os.path.join(BUILD, f"sysroot/boot/gnumach-1.8-amd64-{kernel}.gz"),
                        os.path.join(BUILD, "boot", "root"), module, out], check=True)
    return out
