# SPDX-License-Identifier: GPL-2.0-or-later
"""Network cards, with QEMU's own gateway as the other host."""
from machine.vm import MachineTest, back

PING = "10.0.2.15 10.0.2.2"


class Ping(MachineTest):
    def judge(self, kind, name):
        ran = self.run_machine(f"ping {name} {PING}; ping {name} {PING} 3 1400; kill {name}; {back(name)}; "
                               f"ping {name} {PING} 2; net {name}; kill {name} 1000 300 5; until {name} 4 ping {name} {PING} 40; "
                               f"kill {name} 0; {back(name)}; ping {name} {PING} 2; ping {name} 10.0.2.15 10.0.2.99 1",
                               "--nic", kind)
        self.assert_says(ran, r"^10\.0\.2\.2: 4 of 4 answered")
        self.assert_says(ran, r"^10\.0\.2\.2: 3 of 3 answered")
        self.assertEqual(ran.output.count("2 of 2 answered"), 2, str(ran))
        self.assert_says(ran, r"^10\.0\.2\.2: [1-9]\d* of 40 answered")  # those in flight are lost
        self.assert_says(ran, rf"^{name}: [0-9a-f:]+, link up")
        self.assert_says(ran, r"^ping: .*10\.0\.2\.99|^10\.0\.2\.99: 0 of 1 answered")

    def test_virtio(self):
        self.judge("virtio", "virtio-net0")

    def test_e1000e(self):
        self.judge("e1000e", "e1000e0")
