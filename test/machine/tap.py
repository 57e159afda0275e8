# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer behind a tap device, which may have several queues, in a network namespace of the test's own."""
import ctypes
import os
import socket
import subprocess
import threading
import unittest

from machine.vm import SBIN
from machine.wire import Wire

NAME = "t0"
NEW_NAMESPACE, ALL_TYPES, OUTGOING, FORCE_BUFFER = 0x40000000, 3, 4, 33


def apart(act):
    """What `act` returns, called in a thread that has a network namespace, with those that it starts."""
    came = []

    def run():
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(NEW_NAMESPACE) != 0:
                raise unittest.SkipTest("no network namespace: " + os.strerror(ctypes.get_errno()))
            came.append((act(), None))
        except BaseException as error:  # pylint: disable=broad-exception-caught
            came.append((None, error))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = came[0]
    if error:
        raise error
    return result


class TapWire(Wire):
    """To be made in such a thread. What comes too fast for the device's queue is lost."""

    def __init__(self, queues, most=1514):  # pylint: disable=super-init-not-called
        if not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("there is no /dev/net/tun")
        for command in (f"tuntap add dev {NAME} mode tap" + (" multi_queue" if queues > 1 else ""),
                        f"link set {NAME} mtu {most - 14} txqueuelen 5000 up"):
            run = subprocess.run(["ip", *command.split()], capture_output=True, text=True, env=SBIN, check=False)
            if run.returncode != 0:
                raise unittest.SkipTest(f"no tap device: {run.stderr.strip()}")
        self.begin(most)
        self.connection = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_TYPES))
        self.connection.setsockopt(socket.SOL_SOCKET, FORCE_BUFFER, 32 << 20)
        self.connection.bind((NAME, 0))
        self.connection.settimeout(0.1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.closed = True
        self.thread.join()
        self.connection.close()

    def run(self):
        while not self.closed:
            try:
                frame, about = self.connection.recvfrom(1 << 16)
                if about[2] != OUTGOING:
                    self.send(*self.frame(frame))
            except OSError:
                pass

    def send(self, *frames):
        with self.lock:
            for frame in frames:
                self.connection.send(frame)
