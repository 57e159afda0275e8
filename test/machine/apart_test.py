# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver with a processor of its own (apart=1 in supervisor.conf)."""

from machine.monitored import MonitoredTest

SIZE = 4 << 20
POLICY = b"[settings]\nnvme = poll-from=4 apart=1\n"


class Apart(MonitoredTest):
    def start_apart(self, name, *arguments):
        import machine.image as image
        built = image.make(self.path(name + ".iso"), {"supervisor.conf": POLICY}, (), None, name)
        return self.start("write-pattern nvme0n1 0 256 5; verify-pattern nvme0n1 0 256 5; "
                          "bench nvme0n1 randread 200 1 4096 polled; kill nvme0; "
                          "verify-pattern nvme0n1 0 256 5", "--image", built, "--disk",
                          "nvme:" + self.blank_image("disk", SIZE), *arguments)

    def test_there_is_only_one(self):
        """Nothing but a word in the log comes of it."""
        ran = self.start_apart("up").end()
        self.assert_status(ran)
        self.assert_says(ran, "nvme0: gets no processor of its own", "log")

    def test_with_two(self):
        """The driver, and the one that takes its place."""
        ran = self.start_apart("smp", "--cpus", "2").end()
        self.assert_status(ran)
        self.assertNotIn("gets no processor", ran.log)
        self.assertNotIn("does not listen", ran.log)
