# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitor protocol (QMP), as far as tests need it."""
import json
import socket
import time


class Monitor:
    def __init__(self, path, limit=60):
        self.socket, deadline = socket.socket(socket.AF_UNIX), time.monotonic() + limit
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.socket.settimeout(limit)
        self.lines, self.events = self.socket.makefile("r"), []
        self.next()
        self.do("qmp_capabilities")

    def next(self):
        line = self.lines.readline()
        if not line:
            raise EOFError("QEMU has ended")
        return json.loads(line)

    def do(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = self.next()
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
            self.events.append(answer)

    def wait(self, event, **data):
        """Until that has happened, with at least that in its data."""
        while True:
            for i, seen in enumerate(self.events):
                if seen["event"] == event and data.items() <= seen.get("data", {}).items():
                    del self.events[:i + 1]
                    return
            self.events.append(self.next())
