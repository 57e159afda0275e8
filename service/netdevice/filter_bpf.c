/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter_internal.h"

/* The frame as it came: the header is in front of its data. */
struct packet {
    const unsigned char *frame;
    uint32_t length;
};

/* Most significant byte first. */
static bool packet_load(const struct packet *packet, uint32_t offset, unsigned size,
                        uint32_t *value)
{
    if (size > packet->length || offset > packet->length - size)
        return false;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value = *value << 8 | packet->frame[offset + i];
    return true;
}

struct machine {
    uint32_t a, x, memory[BPF_MEMWORDS];
    struct packet packet;
};

static unsigned load_size(unsigned code)
{
    return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* What LEN is: of the data alone, as in the kernel. */
static uint32_t data_length(const struct machine *machine)
{
    return machine->packet.length - FILTER_ETHERNET;
}

static bool memory_load(const struct machine *machine, uint32_t index, uint32_t *value)
{
    if (index >= BPF_MEMWORDS)
        return false;
    *value = machine->memory[index];
    return true;
}

static bool bpf_load(struct machine *machine, unsigned code, uint32_t k)
{
    switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
        return packet_load(&machine->packet, k, load_size(code), &machine->a);
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
        return packet_load(&machine->packet, machine->x + k, load_size(code), &machine->a);
    case BPF_LD | BPF_W | BPF_LEN:
        machine->a = data_length(machine);
        return true;
    case BPF_LD | BPF_IMM:
        machine->a = k;
        return true;
    case BPF_LD | BPF_MEM:
        return memory_load(machine, k, &machine->a);
    case BPF_LDX | BPF_W | BPF_LEN:
        machine->x = data_length(machine);
        return true;
    case BPF_LDX | BPF_MSH | BPF_B:
        if (!packet_load(&machine->packet, k, 1, &machine->x))
            return false;
        machine->x = (machine->x & 0xf) << 2;
        return true;
    case BPF_LDX | BPF_IMM:
        machine->x = k;
        return true;
    case BPF_LDX | BPF_MEM:
        return memory_load(machine, k, &machine->x);
    default:
        return false;
    }
}

static bool bpf_store(struct machine *machine, unsigned code, uint32_t k)
{
    if ((code != BPF_ST && code != BPF_STX) || k >= BPF_MEMWORDS)
        return false;
    machine->memory[k] = code == BPF_ST ? machine->a : machine->x;
    return true;
}

static bool bpf_compute(struct machine *machine, unsigned code, uint32_t k)
{
    uint32_t operand = BPF_SRC(code) == BPF_X ? machine->x : k, *a = &machine->a;

    switch (BPF_OP(code)) {
    case BPF_ADD:
        *a += operand;
        return true;
    case BPF_SUB:
        *a -= operand;
        return true;
    case BPF_MUL:
        *a *= operand;
        return true;
    case BPF_DIV:
        *a = operand ? *a / operand : 0;
        return operand != 0;
    case BPF_MOD:
        *a = operand ? *a % operand : 0;
        return operand != 0;
    case BPF_AND:
        *a &= operand;
        return true;
    case BPF_OR:
        *a |= operand;
        return true;
    case BPF_XOR:
        *a ^= operand;
        return true;
    case BPF_LSH:
    case BPF_RSH:
        *a = filter_shift(*a, operand, BPF_OP(code) == BPF_LSH);
        return true;
    case BPF_NEG:
        *a = 0 - *a;
        return true;
    default:
        return false;
    }
}

/* How many instructions to pass over. */
static uint32_t bpf_jump(const struct machine *machine, const struct bpf_insn *instruction)
{
    uint32_t operand = BPF_SRC(instruction->code) == BPF_X ? machine->x : (uint32_t)instruction->k;
    bool is_so;

    switch (BPF_OP(instruction->code)) {
    case BPF_JA:
        return (uint32_t)instruction->k;
    case BPF_JEQ:
        is_so = machine->a == operand;
        break;
    case BPF_JGT:
        is_so = machine->a > operand;
        break;
    case BPF_JGE:
        is_so = machine->a >= operand;
        break;
    default:
        is_so = machine->a & operand;
        break;
    }
    return is_so ? instruction->jt : instruction->jf;
}

static bool bpf_misc(struct machine *machine, unsigned code)
{
    if (code == (BPF_MISC | BPF_TAX))
        machine->x = machine->a;
    else if (code == (BPF_MISC | BPF_TXA))
        machine->a = machine->x;
    else
        return false;
    return true;
}

/* What is no jump and no end. */
static bool bpf_step(struct machine *machine, const struct bpf_insn *instruction)
{
    unsigned code = instruction->code;
    uint32_t k = (uint32_t)instruction->k;

    switch (BPF_CLASS(code)) {
    case BPF_LD:
    case BPF_LDX:
        return bpf_load(machine, code, k);
    case BPF_ST:
    case BPF_STX:
        return bpf_store(machine, code, k);
    case BPF_ALU:
        return bpf_compute(machine, code, k);
    default:
        return bpf_misc(machine, code);
    }
}

uint32_t filter_bpf_run(const struct filter *filter, const unsigned char *frame, uint32_t length)
{
    struct machine machine = {.packet = {frame, length}};
    uint32_t count = filter->count * sizeof(filter_t) / sizeof(struct bpf_insn);

    for (uint32_t at = 1; at < count; at++) {
        const struct bpf_insn *instruction = &filter->instruction[at];
        if (BPF_CLASS(instruction->code) == BPF_RET)
            return BPF_RVAL(instruction->code) == BPF_A ? machine.a : (uint32_t)instruction->k;
        if (BPF_CLASS(instruction->code) == BPF_JMP) {
            uint32_t over = bpf_jump(&machine, instruction);
            if (over >= count - at)
                return 0;
            at += over;
        } else if (!bpf_step(&machine, instruction)) {
            return 0;
        }
    }
    return 0;
}

/* Whether the machine knows it, whatever the frame: each kind of load works on a frame that is long
 * enough, and nothing is divided by 0. */
static bool bpf_is_known(const struct bpf_insn *instruction)
{
    unsigned code = instruction->code, class = BPF_CLASS(code);
    static const unsigned char frame[FILTER_ETHERNET];
    struct machine machine = {.x = 1, .packet = {frame, sizeof(frame)}};
    struct bpf_insn probe = *instruction;

    if (class == BPF_RET)
        return code == (BPF_RET | BPF_K) || code == (BPF_RET | BPF_A);
    if (class == BPF_JMP)
        return code == (BPF_JMP | BPF_JA) ||
               (code <= 0xff && BPF_OP(code) >= BPF_JEQ && BPF_OP(code) <= BPF_JSET);
    if (code > 0xff)
        return false;
    if (class == BPF_LD || class == BPF_LDX) {
        if (BPF_MODE(code) != BPF_MEM)
            probe.k = 0;
    }
    return bpf_step(&machine, &probe);
}

/* Jumps are forward and stay within, and the last instruction is an end. Sessions that share a
 * filter and are told apart by keys (RET|MATCH_IMM) are not there. */
bool filter_bpf_check(const struct filter *filter)
{
    uint32_t count = filter->count * sizeof(filter_t) / sizeof(struct bpf_insn);

    for (uint32_t at = 1; at < count; at++) {
        const struct bpf_insn *instruction = &filter->instruction[at];
        uint32_t left = count - at - 1;
        if (!bpf_is_known(instruction))
            return false;
        if (BPF_CLASS(instruction->code) != BPF_JMP)
            continue;
        if (BPF_OP(instruction->code) == BPF_JA
                ? (uint32_t)instruction->k >= left
                : instruction->jt >= left || instruction->jf >= left)
            return false;
    }
    return count > 1 && BPF_CLASS(filter->instruction[count - 1].code) == BPF_RET;
}
