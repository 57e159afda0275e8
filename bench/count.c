/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A plugin for QEMU's TCG that counts executed guest instructions between two marks, by address:
 * every program of ours has a base of its own, and the kernel is in the upper half. Idle time does
 * not count. The marks may be passed several times: each passage from begin to end is an interval.
 *
 * Arguments: out=FILE, begin=ADDRESS, end=ADDRESS, and NAME=FIRST for each program in ascending
 * order; @NAME=ADDRESS counts how often that instruction is executed. FILE gets a line for each
 * program: its name, and its count in each interval; and one for @switches: how often another
 * program's user code ran than before (`spin` is the waiting of the program around it). @halts: how
 * often the kernel had nothing to do and halted the processor; with counted instructions time is
 * theirs but for that, and each halt takes until the kernel's next tick at most.
 * profile=FILE gets a line for each block of code, over all intervals: address, how many
 * instructions it has, how often it ran.
 *
 * Declarations are those of QEMU's documented plugin interface, whose header Debian does not
 * ship.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*exec_callback)(unsigned cpu, void *context);
enum { NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*callback)(qemu_plugin_id_t id,
                                                            struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_callback callback,
                                          int flags, void *context);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_callback callback,
                                            int flags, void *context);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void *),
                                    void *context);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *insn);

int qemu_plugin_version = PLUGIN_VERSION;
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

enum { PROGRAMS_MAX = 48, INTERVALS_MAX = 256, PROCESSORS_MAX = 4 };

static struct {
    char name[32];
    bool event; /* count how often its first instruction is executed, not all of its own */
    uint64_t first;
    uint64_t count[PROCESSORS_MAX]; /* each is run by a thread of its own */
    uint64_t intervals[INTERVALS_MAX];
} programs[PROGRAMS_MAX];
static unsigned program_count, interval_count;
static uint64_t begin, end;
static const char *out, *profile;
static bool counting;

/* What a translated block adds, and where. */
struct block {
    uint64_t *count;
    uint64_t instructions, address, executed;
    const char *program; /* whose user code it is; null: the kernel's */
    struct block *next;
};

static struct block *blocks;
static unsigned switches, halts; /* the events' numbers */
static const char *running[PROCESSORS_MAX];

static void block_executed(unsigned cpu, void *context)
{
    struct block *block = context;

    if (!counting || cpu >= PROCESSORS_MAX)
        return;
    block->count[cpu] += block->instructions;
    block->executed++;
    if (block->program && block->program != running[cpu]) {
        programs[switches].count[cpu] += running[cpu] != NULL;
        running[cpu] = block->program;
    }
}

static void interval_end(void)
{
    if (!counting || interval_count == INTERVALS_MAX)
        return;
    for (unsigned i = 0; i < program_count; i++) {
        uint64_t *interval = &programs[i].intervals[interval_count];
        for (unsigned cpu = 0; cpu < PROCESSORS_MAX; cpu++) {
            *interval += programs[i].count[cpu];
            programs[i].count[cpu] = 0;
        }
    }
    interval_count++;
    counting = false;
}

static void mark_executed(unsigned cpu, void *context)
{
    (void)cpu;
    if (context)
        counting = true;
    else
        interval_end();
}

static void event_executed(unsigned cpu, void *context)
{
    if (counting && cpu < PROCESSORS_MAX)
        ((uint64_t *)context)[cpu]++;
}

static unsigned program_at(uint64_t address)
{
    unsigned at = 0;

    for (unsigned i = 0; i < program_count; i++) {
        if (!programs[i].event && address >= programs[i].first)
            at = i;
    }
    return at;
}

/* One that is in several places, and what is another's waiting, is one task all the same. */
static const char *task_of(unsigned at)
{
    if (programs[at].first >> 63)
        return NULL;
    while (strcmp(programs[at].name, "spin") == 0)
        at--;
    for (unsigned i = 0; i < at; i++) {
        if (strcmp(programs[i].name, programs[at].name) == 0)
            return programs[i].name;
    }
    return programs[at].name;
}

static bool is_halt(const struct qemu_plugin_insn *insn)
{
    if (!(qemu_plugin_insn_vaddr(insn) >> 63) || qemu_plugin_insn_size(insn) != 1)
        return false;
    char *text = qemu_plugin_insn_disas(insn);
    bool is = text && strncmp(text, "hlt", 3) == 0;

    free(text);
    return is;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = malloc(sizeof(*block)); /* lives as long as QEMU may run it */
    size_t count = qemu_plugin_tb_n_insns(tb);

    (void)id;
    if (!block)
        abort();
    uint64_t first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    unsigned at = program_at(first);
    *block = (struct block){
        .count = programs[at].count,
        .instructions = count,
        .address = first,
        .program = task_of(at),
        .next = blocks,
    };
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, NO_REGISTERS, block);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        if (address == begin || address == end)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_executed, NO_REGISTERS,
                                                   address == begin ? &begin : NULL);
        if (is_halt(insn))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, event_executed, NO_REGISTERS,
                                                   programs[halts].count);
        for (unsigned k = 0; k < program_count; k++) {
            if (programs[k].event && programs[k].first == address)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, event_executed, NO_REGISTERS,
                                                       programs[k].count);
        }
    }
}

static void profile_write(void)
{
    FILE *file = profile ? fopen(profile, "w") : NULL;

    if (!file)
        return;
    for (const struct block *block = blocks; block; block = block->next) {
        if (block->executed > 0)
            fprintf(file, "%#" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->address,
                    block->instructions, block->executed);
    }
    fclose(file);
}

static void finish(qemu_plugin_id_t id, void *context)
{
    FILE *file = fopen(out, "w");

    (void)id, (void)context;
    if (!file)
        return;
    interval_end();
    profile_write();
    for (unsigned i = 0; i < program_count; i++) {
        fprintf(file, "%s", programs[i].name);
        for (unsigned k = 0; k < interval_count; k++)
            fprintf(file, " %" PRIu64, programs[i].intervals[k]);
        fputc('\n', file);
    }
    fclose(file);
}

static unsigned event_add(const char *name)
{
    programs[program_count].event = true;
    programs[program_count].first = UINT64_MAX;
    strcpy(programs[program_count].name, name);
    return program_count++;
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return -1;
        *value++ = '\0';
        if (strcmp(argv[i], "out") == 0) {
            out = strdup(value);
        } else if (strcmp(argv[i], "profile") == 0) {
            profile = strdup(value);
        } else if (strcmp(argv[i], "begin") == 0) {
            begin = strtoull(value, NULL, 0);
        } else if (strcmp(argv[i], "end") == 0) {
            end = strtoull(value, NULL, 0);
        } else if (program_count < PROGRAMS_MAX) {
            programs[program_count].event = argv[i][0] == '@';
            snprintf(programs[program_count].name, sizeof(programs[0].name), "%s", argv[i]);
            programs[program_count++].first = strtoull(value, NULL, 0);
        }
    }
    if (!out || !begin || !end || !program_count || program_count + 2 > PROGRAMS_MAX)
        return -1;
    switches = event_add("@switches");
    halts = event_add("@halts");
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
