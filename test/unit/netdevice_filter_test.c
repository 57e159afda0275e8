/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packet filters: what the Hurd's stacks set, each operation, and what cannot be.
 */
#include <string.h>

#include <service/netdevice/filter.h>

#include <test/unit/cmocka.h>

#define COUNT(program) (sizeof(program) / (sizeof(filter_t)))

static struct filter filter;
static unsigned char frame[1514];

static void frame_make(uint16_t type)
{
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (unsigned char)i;
    frame[12] = (unsigned char)(type >> 8);
    frame[13] = (unsigned char)type;
}

static uint32_t run(const void *words, size_t count, uint32_t length)
{
    assert_true(filter_make(&filter, words, count));
    return filter_run(&filter, frame, length);
}

/* pfinet's on a kernel device: everything that comes. */
static void everything(void **state)
{
    static const filter_t words[] = {NETF_IN, NETF_PUSHLIT | NETF_NOP, 1};

    (void)state;
    frame_make(0x0800);
    assert_int_equal(run(words, COUNT(words), 1514), 1500);
    assert_true(filter.in && !filter.out && !filter.is_bpf);
    assert_int_equal(run(words, COUNT(words), 14), FILTER_EMPTY);
    assert_int_equal(run((filter_t[]){NETF_IN | NETF_OUT}, 1, 60), 46);
    assert_true(filter.out);
}

/* pfinet's on a translator's device. */
static void internet(void **state)
{
    static const struct bpf_insn program[] = {
        {NETF_IN | NETF_BPF, 0, 0, 0},
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
        {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 0x0806},
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0x0800},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x86dd},
        {BPF_RET | BPF_K, 0, 0, 1500},
        {BPF_RET | BPF_K, 0, 0, 0},
    };
    static const struct {
        uint16_t type;
        bool wanted;
    } cases[] = {{0x0800, true}, {0x0806, true}, {0x86dd, true}, {0x88b5, false}, {0x0801, false}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        frame_make(cases[i].type);
        assert_int_equal(run(program, COUNT(program), 100), cases[i].wanted ? 86 : 0);
    }
    assert_true(filter.is_bpf);
}

/* An expression of classic words; what is on top in the end. */
static bool classic(unsigned count, const filter_t *words)
{
    filter_t program[32] = {NETF_IN};

    memcpy(program + 1, words, count * sizeof(*words));
    return run(program, count + 1, 100) != 0;
}
#define CLASSIC(...)                                                                               \
    classic(sizeof((filter_t[]){__VA_ARGS__}) / sizeof(filter_t), (filter_t[]){__VA_ARGS__})

static void classic_operators(void **state)
{
    static const struct {
        filter_t operation;
        uint16_t left, right;
        bool result;
    } cases[] = {
        {NETF_EQ, 5, 5, true},   {NETF_EQ, 5, 6, false},   {NETF_NEQ, 5, 6, true},
        {NETF_NEQ, 5, 5, false}, {NETF_LT, 5, 6, true},    {NETF_LT, 6, 6, false},
        {NETF_LE, 6, 6, true},   {NETF_LE, 7, 6, false},   {NETF_GT, 7, 6, true},
        {NETF_GT, 6, 6, false},  {NETF_GE, 6, 6, true},    {NETF_GE, 5, 6, false},
        {NETF_AND, 6, 1, false}, {NETF_AND, 6, 2, true},   {NETF_OR, 0, 0, false},
        {NETF_OR, 0, 8, true},   {NETF_XOR, 3, 3, false},  {NETF_XOR, 3, 1, true},
        {NETF_LSH, 1, 31, true}, {NETF_LSH, 1, 32, false}, {NETF_RSH, 4, 2, true},
        {NETF_RSH, 4, 3, false}, {NETF_RSH, 4, 99, false}, {NETF_ADD, 0, 0, false},
        {NETF_ADD, 1, 1, true},  {NETF_SUB, 9, 9, false},  {NETF_SUB, 8, 9, true},
    };

    (void)state;
    frame_make(0x0800);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(CLASSIC(NETF_PUSHLIT | NETF_NOP, cases[i].left,
                                 (filter_t)(NETF_PUSHLIT | cases[i].operation), cases[i].right),
                         cases[i].result);
    /* Those that end the program: what follows would say the contrary. */
    assert_true(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_COR, 5, NETF_PUSHZERO));
    assert_false(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_COR, 6, NETF_PUSHZERO));
    assert_false(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CAND, 6, NETF_PUSHLIT, 1));
    assert_true(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CAND, 5, NETF_PUSHLIT, 1));
    assert_false(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CNOR, 5, NETF_PUSHLIT, 1));
    assert_true(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CNOR, 6, NETF_PUSHLIT, 1));
    assert_true(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CNAND, 6, NETF_PUSHZERO));
    assert_false(CLASSIC(NETF_PUSHLIT, 5, NETF_PUSHLIT | NETF_CNAND, 5, NETF_PUSHZERO));
}

static void classic_arguments(void **state)
{
    (void)state;
    frame_make(0x0800);
    /* Word 0 is the data's length and the prefix's, word 1 the type, then the data; as it lies. */
    assert_true(CLASSIC(NETF_PUSHWORD, NETF_PUSHLIT | NETF_EQ, 86 + 4));
    assert_true(CLASSIC(NETF_PUSHWORD + 1, NETF_PUSHLIT | NETF_EQ, 0x0008));
    assert_true(CLASSIC(NETF_PUSHWORD + 2, NETF_PUSHLIT | NETF_EQ, 0x0f0e));
    assert_true(CLASSIC(NETF_PUSHWORD + 44, NETF_PUSHLIT | NETF_EQ, 0x6362));
    assert_false(CLASSIC(NETF_PUSHWORD + 45, NETF_PUSHLIT, 1)); /* behind the frame's end */
    assert_true(CLASSIC(NETF_PUSHHDR + 3, NETF_PUSHLIT | NETF_EQ, 0x0706));
    assert_true(CLASSIC(NETF_PUSHHDR + 31, NETF_PUSHZERO | NETF_EQ));
    assert_true(CLASSIC(NETF_PUSHLIT, 2, NETF_PUSHIND, NETF_PUSHLIT | NETF_EQ, 0x0f0e));
    assert_false(CLASSIC(NETF_PUSHLIT, 45, NETF_PUSHIND, NETF_PUSHLIT, 1));
    assert_false(CLASSIC(NETF_PUSHLIT, 0xffff, NETF_PUSHIND, NETF_PUSHLIT, 1));
    assert_true(CLASSIC(NETF_PUSHLIT, 3, NETF_PUSHHDRIND, NETF_PUSHLIT | NETF_EQ, 0x0706));
    assert_false(CLASSIC(NETF_PUSHLIT, 32, NETF_PUSHHDRIND, NETF_PUSHLIT, 1));
    assert_true(
        CLASSIC(NETF_PUSHLIT, 7, NETF_PUSHZERO, NETF_PUSHSTK + 1, NETF_PUSHLIT | NETF_EQ, 7));
    assert_true(CLASSIC(NETF_PUSHLIT, 7, NETF_PUSHLIT, 7, NETF_NOPUSH | NETF_EQ));
    assert_false(CLASSIC(NETF_PUSHLIT, 7, NETF_PUSHLIT, 8, NETF_NOPUSH | NETF_EQ));
}

static void refused(size_t count, const filter_t *words)
{
    assert_false(filter_make(&filter, words, count));
}
#define REFUSED(...)                                                                               \
    refused(sizeof((filter_t[]){__VA_ARGS__}) / sizeof(filter_t), (filter_t[]){__VA_ARGS__})

static void classic_programs_that_cannot_be(void **state)
{
    filter_t deep[NET_MAX_FILTER + 1] = {NETF_IN};

    (void)state;
    REFUSED(0);                                              /* for no direction */
    REFUSED(NETF_IN | 2 << NETF_NBPA);                       /* a language that nobody knows */
    REFUSED(NETF_IN, NETF_PUSHLIT);                          /* the literal is missing */
    REFUSED(NETF_IN, 3);                                     /* no such argument */
    REFUSED(NETF_IN, NETF_PUSHLIT | 18 << NETF_NBPA, 1);     /* no such operation */
    REFUSED(NETF_IN, NETF_NOPUSH | NETF_EQ);                 /* one operand only */
    REFUSED(NETF_IN, NETF_PUSHZERO | NETF_COR, NETF_NOPUSH); /* nothing is left */
    REFUSED(NETF_IN, NETF_PUSHSTK + 1);
    refused(0, deep);
    for (unsigned i = 1; i <= NET_MAX_FILTER; i++)
        deep[i] = NETF_PUSHZERO;
    refused(NET_FILTER_STACK_DEPTH + 1, deep);
    assert_true(filter_make(&filter, deep, NET_FILTER_STACK_DEPTH));
    for (unsigned i = 1; i <= NET_MAX_FILTER; i++)
        deep[i] = NETF_PUSHZERO | NETF_EQ;
    assert_true(filter_make(&filter, deep, NET_MAX_FILTER));
    refused(NET_MAX_FILTER + 1, deep);
}

/* A program between its beginning and an end that returns what A is. */
static uint32_t bpf(unsigned count, const struct bpf_insn *instructions)
{
    struct bpf_insn program[NET_MAX_BPF] = {{NETF_IN | NETF_BPF, 0, 0, 0}};

    memcpy(program + 1, instructions, count * sizeof(*instructions));
    program[count + 1] = (struct bpf_insn){BPF_RET | BPF_A, 0, 0, 0};
    return run(program, (count + 2) * sizeof(*program) / sizeof(filter_t), 100);
}
#define BPF(...)                                                                                   \
    bpf(sizeof((struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn),                        \
        (struct bpf_insn[]){__VA_ARGS__})

static void bpf_loads(void **state)
{
    struct bpf_insn x = {BPF_LDX | BPF_IMM, 0, 0, 20};

    (void)state;
    frame_make(0x0800);
    assert_int_equal(BPF({BPF_LD | BPF_B | BPF_ABS, 0, 0, 33}), 33);
    assert_int_equal(BPF({BPF_LD | BPF_B | BPF_ABS, 0, 0, 99}), 86); /* no more than there is */
    assert_int_equal(BPF({BPF_LD | BPF_B | BPF_ABS, 0, 0, 100}), 0);
    assert_int_equal(BPF({BPF_LD | BPF_H | BPF_ABS, 0, 0, 99}), 0);
    assert_int_equal(BPF({BPF_LD | BPF_W | BPF_ABS, 0, 0, -1}), 0);
    assert_int_equal(BPF({BPF_LD | BPF_H | BPF_ABS, 0, 0, 12}, {BPF_ALU | BPF_RSH, 0, 0, 8}), 8);
    assert_int_equal(BPF({BPF_LD | BPF_W | BPF_ABS, 0, 0, 12}, {BPF_ALU | BPF_AND, 0, 0, 0xff}),
                     15);
    assert_int_equal(BPF(x, {BPF_LD | BPF_B | BPF_IND, 0, 0, 3}), 23);
    assert_int_equal(BPF(x, {BPF_LD | BPF_B | BPF_IND, 0, 0, -19}), 1);
    assert_int_equal(BPF(x, {BPF_LD | BPF_B | BPF_IND, 0, 0, -21}), 0);
    assert_int_equal(BPF(x, {BPF_LD | BPF_H | BPF_IND, 0, 0, 79}), 0);
    assert_int_equal(BPF({BPF_LD | BPF_W | BPF_LEN, 0, 0, 0}), 86);
    assert_int_equal(BPF({BPF_LDX | BPF_W | BPF_LEN, 0, 0, 0}, {BPF_MISC | BPF_TXA, 0, 0, 0}), 86);
    assert_int_equal(BPF({BPF_LDX | BPF_MSH | BPF_B, 0, 0, 21}, {BPF_MISC | BPF_TXA, 0, 0, 0}), 20);
    assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, 7}, {BPF_ST, 0, 0, 15},
                         {BPF_LD | BPF_IMM, 0, 0, 0}, {BPF_LD | BPF_MEM, 0, 0, 15}),
                     7);
    assert_int_equal(BPF(x, {BPF_STX, 0, 0, 0}, {BPF_LDX | BPF_IMM, 0, 0, 0},
                         {BPF_LDX | BPF_MEM, 0, 0, 0}, {BPF_MISC | BPF_TXA, 0, 0, 0}),
                     20);
    assert_int_equal(BPF({BPF_LD | BPF_MEM, 0, 0, 3}), 0); /* what was never stored is 0 */
}

static void bpf_operators(void **state)
{
    static const struct {
        unsigned short operation;
        int left, right;
        uint32_t result;
    } cases[] = {
        {BPF_ADD, 5, 6, 11}, {BPF_SUB, 9, 6, 3},  {BPF_MUL, 5, 6, 30},   {BPF_DIV, 31, 6, 5},
        {BPF_MOD, 31, 6, 1}, {BPF_AND, 6, 3, 2},  {BPF_OR, 6, 1, 7},     {BPF_XOR, 6, 3, 5},
        {BPF_LSH, 3, 4, 48}, {BPF_RSH, 48, 4, 3}, {BPF_NEG, -17, 0, 17},
    };

    (void)state;
    frame_make(0x0800);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned short code = BPF_ALU | cases[i].operation;
        assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, cases[i].left}, {code, 0, 0, cases[i].right}),
                         cases[i].result);
        assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, cases[i].right},
                             {BPF_MISC | BPF_TAX, 0, 0, 0}, {BPF_LD | BPF_IMM, 0, 0, cases[i].left},
                             {code | BPF_X, 0, 0, 0}),
                         cases[i].result);
    }
    assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, 1}, {BPF_ALU | BPF_DIV | BPF_X, 0, 0, 0}), 0);
    assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, 1}, {BPF_LDX | BPF_IMM, 0, 0, 77},
                         {BPF_ALU | BPF_LSH | BPF_X, 0, 0, 0}),
                     0);
}

static void bpf_jumps(void **state)
{
    static const struct {
        unsigned short operation;
        int value;
        bool taken;
    } cases[] = {{BPF_JEQ, 40, true},  {BPF_JEQ, 41, false}, {BPF_JGT, 39, true},
                 {BPF_JGT, 40, false}, {BPF_JGE, 40, true},  {BPF_JGE, 41, false},
                 {BPF_JSET, 8, true},  {BPF_JSET, 7, false}};

    (void)state;
    frame_make(0x0800);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned short code = BPF_JMP | cases[i].operation;
        assert_int_equal(BPF({BPF_LD | BPF_IMM, 0, 0, 40}, {code, 0, 1, cases[i].value},
                             {BPF_ALU | BPF_ADD, 0, 0, 1}),
                         cases[i].taken ? 41 : 40);
        assert_int_equal(BPF({BPF_LDX | BPF_IMM, 0, 0, cases[i].value},
                             {BPF_LD | BPF_IMM, 0, 0, 40}, {code | BPF_X, 0, 1, 0},
                             {BPF_ALU | BPF_ADD, 0, 0, 1}),
                         cases[i].taken ? 41 : 40);
    }
    assert_int_equal(
        BPF({BPF_LD | BPF_IMM, 0, 0, 3}, {BPF_JMP | BPF_JA, 0, 0, 1}, {BPF_LD | BPF_IMM, 0, 0, 4}),
        3);
}

static void bpf_programs_that_cannot_be(void **state)
{
    static const struct bpf_insn cases[] = {
        {BPF_JMP | BPF_JA, 0, 0, 1},  /* behind the end */
        {BPF_JMP | BPF_JA, 0, 0, -1}, /* back */
        {BPF_JMP | BPF_JEQ, 1, 0, 0},
        {BPF_JMP | BPF_JEQ, 0, 255, 0},
        {BPF_JMP | 0x50, 0, 0, 0}, /* CKMATCH_IMM */
        {BPF_LD | BPF_MEM, 0, 0, BPF_MEMWORDS},
        {BPF_LDX | BPF_MEM, 0, 0, -1},
        {BPF_ST, 0, 0, BPF_MEMWORDS},
        {BPF_STX, 0, 0, -1},
        {BPF_ALU | BPF_DIV, 0, 0, 0},
        {BPF_ALU | BPF_MOD, 0, 0, 0},
        {BPF_ALU | 0xb0, 0, 0, 1},
        {BPF_RET | BPF_MATCH_IMM, 1, 0, 1},
        {BPF_MISC | BPF_KEY, 0, 0, 1},
        {BPF_LD | 0x18 | BPF_ABS, 0, 0, 0},
        {0x100 | BPF_LD | BPF_IMM, 0, 0, 1},
    };
    struct bpf_insn program[3] = {{NETF_IN | NETF_BPF, 0, 0, 0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        program[1] = cases[i];
        program[2] = (struct bpf_insn){BPF_RET | BPF_K, 0, 0, 1};
        assert_false(filter_make(&filter, (const filter_t *)program, COUNT(program)));
    }
    program[1] = program[2];
    assert_true(filter_make(&filter, (const filter_t *)program, 8));
    assert_false(filter_make(&filter, (const filter_t *)program, 4)); /* no end */
    assert_false(filter_make(&filter, (const filter_t *)program, 7));
    program[2] = (struct bpf_insn){BPF_LD | BPF_IMM, 0, 0, 1};
    assert_false(filter_make(&filter, (const filter_t *)program, 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(internet),
        cmocka_unit_test(classic_operators),
        cmocka_unit_test(classic_arguments),
        cmocka_unit_test(classic_programs_that_cannot_be),
        cmocka_unit_test(bpf_loads),
        cmocka_unit_test(bpf_operators),
        cmocka_unit_test(bpf_jumps),
        cmocka_unit_test(bpf_programs_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
