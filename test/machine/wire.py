# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer on the other end of a machine's network card: QEMU's stream netdev on a Unix socket, where
each frame follows its length in 4 bytes, most significant first."""
import os
import socket
import struct
import threading
import time

PEER = bytes.fromhex("026f62000001")
BROADCAST = b"\xff" * 6
TYPE = 0x88b5
TAKE, ECHO, ANSWER, WANT, GIVEN = range(1, 6)
HEADER = struct.Struct("=IIII")  # kind, number, count, bytes: the machine's byte order


BASE = bytes((at * 7 + (at >> 8)) & 0xff for at in range(1 << 14))
SHIFTED = [bytes((value + by) & 0xff for value in range(256)) for by in range(256)]


def data(number, start, end):
    """What frame `number` has from byte `start` to `end`: (number * 31 + at * 7 + (at >> 8)) & 0xff."""
    return BASE[start:end].translate(SHIFTED[number * 31 & 0xff])


def length(number, size, most=1514):
    return size or 60 + number * 37 % (most - 60 + 1)


class Wire:
    """Listens for QEMU; answers what the shell's net-bench sends. `most`: the longest frame."""

    def __init__(self, path, most=1514):
        self.begin(most)
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def begin(self, most):
        self.most = most
        self.taken, self.wrong, self.echoed, self.others = 0, 0, 0, []
        self.machine = None  # its address, as seen
        self.connection, self.closed = None, False
        self.lock = threading.Lock()

    @property
    def netdev(self):
        return f"stream,server=off,addr.type=unix,addr.path={self.path}"

    def close(self):
        self.closed = True
        self.listener.close()
        if self.connection:
            self.connection.close()

    def run(self):
        while not self.closed:
            try:
                self.connection = self.listener.accept()[0]
            except OSError:
                return
            try:
                self.serve()
            except OSError:
                pass

    def serve(self):
        """Whatever has come together is answered together."""
        unread = b""
        while True:
            came = self.connection.recv(1 << 20)
            if not came:
                raise ConnectionError
            unread, at, answers = unread + came, 0, []
            while len(unread) - at >= 4:
                size = struct.unpack_from("!I", unread, at)[0]
                if len(unread) - at < 4 + size:
                    break
                answers += self.frame(unread[at + 4:at + 4 + size])
                at += 4 + size
            unread = unread[at:]
            if answers:
                self.send(*answers)

    def send(self, *frames):
        with self.lock:
            self.connection.sendall(b"".join(struct.pack("!I", len(frame)) + frame for frame in frames))

    def made(self, kind, number, size, to=None, source=PEER):
        head = (to or self.machine) + source + struct.pack("!H", TYPE) + HEADER.pack(kind, number, 0, 0)
        return head + data(number, len(head), size)

    def frame(self, frame):
        """The frames that answer this one."""
        if len(frame) < 30 or frame[12:14] != struct.pack("!H", TYPE):
            self.others.append(frame)
            return []
        self.machine = frame[6:12]
        kind, number, count, size = HEADER.unpack(frame[14:30])
        if kind == WANT:
            for at in range(0, count, 32):
                self.send(*(self.made(GIVEN, n, length(n, size, self.most))
                            for n in range(at, min(count, at + 32))))
        elif kind == TAKE:
            self.taken += 1
            self.wrong += frame[30:] != data(number, 30, len(frame)) or frame[:6] != PEER
        elif kind == ECHO:
            self.echoed += 1
            return [frame[6:12] + PEER + frame[12:14] + HEADER.pack(ANSWER, number, 0, 0) + frame[30:]]
        return []

    def flood(self, seconds, make):
        """Send what `make` makes for that long, as fast as it goes."""
        end = time.monotonic() + seconds
        sent = 0
        while time.monotonic() < end:
            try:
                self.send(*make(sent))
            except OSError:
                break
            sent += 1
        return sent


def path_in(folder):
    return os.path.join(folder, "wire")
