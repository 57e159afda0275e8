# SPDX-License-Identifier: GPL-2.0-or-later
"""Power failures: the machine is killed at a random moment while files are written and synced. What was
acknowledged as synced must be there when e2fsck has repaired the rest."""
import hashlib
import os
import random
import re
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
ROUNDS = 55  # as many as the shell takes in a line


def image_make(folder, noise):
    tree, image = os.path.join(folder, "tree"), os.path.join(folder, "power.img")
    os.makedirs(tree, exist_ok=True)
    with open(os.path.join(tree, "big"), "wb") as file:
        file.write(noise)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, image, "128M"], check=True, env=PATH,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image


def run_until(image, seconds):
    """The files that were acknowledged before the machine was killed, some time after the first."""
    load = "".join(f"cp /big /f{i}; sync; ls /f{i}; " for i in range(ROUNDS))
    with tempfile.TemporaryFile() as out:
        machine = subprocess.Popen([os.path.join(ROOT, "obvm"), "--disk", f"nvme:{image}", "--log", os.devnull, "-c",
                                    f"mount nvme0n1; kill nvme0 1000 400 1; {load}"], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
        begun = time.monotonic()
        while os.fstat(out.fileno()).st_size == 0 and time.monotonic() - begun < 60:
            time.sleep(0.05)  # until the first file is there
        time.sleep(seconds)
        os.killpg(machine.pid, signal.SIGKILL)
        machine.wait()
        out.seek(0)
        return re.findall(r"^/?(f\d+)$", out.read().decode(errors="replace"), re.M)


def file_is(image, name, digest, folder):
    copy = os.path.join(folder, "copy")
    subprocess.run(["debugfs", "-R", f"dump /{name} {copy}", image], env=PATH, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(copy, "rb") as file:
        return hashlib.sha256(file.read()).digest() == digest


def fail(number, seed):
    """So many failures; how many files were acknowledged, and what went wrong."""
    draw = random.Random(seed)
    noise = draw.randbytes(900001)
    digest, total, problems = hashlib.sha256(noise).digest(), 0, []
    with tempfile.TemporaryDirectory(prefix="outboard-power-") as folder:
        for i in range(number):
            image = image_make(folder, noise)
            acknowledged = sorted(set(run_until(image, draw.random() * 3)))
            total += len(acknowledged)
            repair = subprocess.run(["e2fsck", "-fy", image], env=PATH, check=False, capture_output=True, text=True)
            if repair.returncode not in (0, 1):
                problems.append(f"failure {i}: e2fsck cannot repair it (status {repair.returncode})")
            wrong = [name for name in acknowledged if not file_is(image, name, digest, folder)]
            if wrong:
                problems.append(f"failure {i}: {', '.join(wrong)} of {len(acknowledged)} that were synced")
    return total, problems
