# SPDX-License-Identifier: GPL-2.0-or-later
"""faults - what can go wrong in a driver's code: places and bytes to put there, after MINIX 3's
fault injection (Herder and others, "Fault isolation for device drivers", DSN 2009)."""
import os
import re
import subprocess

# The code that carries requests: what runs once at attach would seldom be met.
HOT = re.compile(r"^(nvme_io_(submit|poll|kick|is_ready)|nvme_ring_tell"
                 r"|namespace_(submit|kick|poll|is_ready)|block_(session_submit|session_take|turn|request_done|spin)|command_start"
                 r"|completions_take|queue_(look|sleep|awake)|link_deliver|turn|loop_once|loop_send"
                 r"|port_internal_dispatch|interrupt|interrupt_message"
                 r"|io_(start|kick|poll|is_ready)|ahci_io_look|ahci_command_(fill|request_fill)|ahci_port_interrupt|commands_take"
                 r"|virtio_blk_lane_(start|take|arm)|command_(take|finish)"
                 r"|virtio_queue_(add|take|kick|arm|disarm|is_ready)|chain_(direct|indirect))$")
CONDITIONAL = re.compile(r"^j(?!mp)")
KINDS = ("bit", "branch", "store", "bound", "count", "pointer", "register", "loop", "hang", "return", "data")


class Program:
    def __init__(self, path, hot=HOT):
        text = subprocess.run(["objdump", "-dw", path], check=True, capture_output=True, text=True).stdout
        self.instructions, function = [], ""  # (address, bytes, mnemonic, operands)
        for line in text.splitlines():
            name = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
            code = re.match(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(\S+) *(.*)$", line)
            if name:
                function = name[1]
            elif code and hot.match(function):
                self.instructions.append((int(code[1], 16), bytes.fromhex(code[2]), code[3], code[4]))
        symbols = subprocess.run(["nm", "-S", path], check=True, capture_output=True, text=True).stdout
        self.sleep = int(re.search(r"^([0-9a-f]+) [0-9a-f]+ T clock_sleep$", symbols, re.M)[1], 16)
        self.data = [(int(a, 16), int(s, 16), n) for a, s, n in
                     re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [bBdD] (\S+)$", symbols, re.M)]
        if not self.instructions or not self.data:
            raise SystemExit(f"{os.path.basename(path)}: nothing to put faults into")

    def draw(self, kind, random):
        """(address, bytes) of a fault of that kind."""
        if kind == "data":
            address, size, _ = random.choice(self.data)
            return address + random.randrange(size), bytes([random.randrange(256)])
        while True:
            address, code, mnemonic, operands = random.choice(self.instructions)
            if kind == "hang":
                return address, self.make_hang(address)
            made = getattr(self, "make_" + kind)(code, mnemonic, operands, random)
            if made and made != code:
                return address, made

    @staticmethod
    def make_bit(code, _mnemonic, _operands, random):
        bit = random.randrange(len(code) * 8)
        return bytes(byte ^ (1 << bit % 8 if i == bit // 8 else 0) for i, byte in enumerate(code))

    @staticmethod
    def make_branch(code, mnemonic, _operands, _random):
        """The condition the other way round: the opcode's last bit."""
        if not CONDITIONAL.match(mnemonic):
            return None
        at = 1 if code[0] == 0x0f else 0
        return code[:at] + bytes([code[at] ^ 1]) + code[at + 1:]

    @staticmethod
    def make_bound(code, mnemonic, _operands, _random):
        """A loop off by one: whether it takes the limit itself, too (jb and jbe, jl and jle, and their opposites)."""
        at = 1 if code[0] == 0x0f else 0
        pairs = {0x2: 0x6, 0x6: 0x2, 0x3: 0x7, 0x7: 0x3, 0xc: 0xe, 0xe: 0xc, 0xd: 0xf, 0xf: 0xd}
        other = pairs.get(code[at] & 0xf) if CONDITIONAL.match(mnemonic) else None
        return None if other is None else code[:at] + bytes([code[at] & 0xf0 | other]) + code[at + 1:]

    def make_hang(self, address):
        """mov $0x7fffffff,%edi; call clock_sleep; jmp to the first: it listens to nobody any more."""
        call = (self.sleep - (address + 10)) & 0xffffffff
        return b"\xbf\xff\xff\xff\x7f\xe8" + call.to_bytes(4, "little") + b"\xeb\xf4"

    @staticmethod
    def make_pointer(code, mnemonic, operands, random):
        """Any number instead of what is loaded into a 64-bit register."""
        load = mnemonic == "mov" and code[0] & 0xf8 == 0x48 and len(code) > 5 and code[1] == 0x8b
        if not load or not operands.partition(",%r")[2]:
            return None
        register = code[2] >> 3 & 7
        wild = random.getrandbits(32).to_bytes(4, "little")
        if code[0] & 4:  # r8 to r15
            return (b"\x41" + bytes([0xb8 | register]) + wild + b"\x90" * (len(code) - 6))
        return bytes([0xb8 | register]) + wild + b"\x90" * (len(code) - 5)

    @staticmethod
    def make_store(code, mnemonic, operands, _random):
        """A store that does not happen."""
        stores = mnemonic.startswith("mov") and operands.rstrip().endswith(")")
        return b"\x90" * len(code) if stores else None

    @staticmethod
    def make_count(code, mnemonic, operands, random):
        """Off by one: the constant of a comparison, an addition, a subtraction, a move."""
        if not re.match(r"^(cmp|add|sub|mov)", mnemonic) or not operands.startswith("$"):
            return None
        width = 1 if len(code) < 5 else 4
        value = int.from_bytes(code[-width:], "little") + random.choice((-1, 1))
        return code[:-width] + (value % (1 << 8 * width)).to_bytes(width, "little")

    @staticmethod
    def make_register(code, _mnemonic, operands, random):
        """Another register in an operand: a wild pointer, most often."""
        at = 1 + (code[0] & 0xf0 == 0x40)
        if "(" not in operands or len(code) <= at + 1:
            return None
        return code[:at] + bytes([code[at] ^ 1 << random.choice((0, 1, 3, 4))]) + code[at + 1:]

    @staticmethod
    def make_loop(code, _mnemonic, _operands, _random):
        return b"\xeb\xfe" + code[2:] if len(code) >= 2 else None

    @staticmethod
    def make_return(code, _mnemonic, _operands, _random):
        return b"\xc3" + code[1:]
