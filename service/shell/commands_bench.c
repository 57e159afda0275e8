/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load for measurements. bench/count.c counts the instructions between the two marks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/port.h>
#include <kit/client/block.h>
#include <kit/clock.h>

#include "console.h"
#include "shell.h"

enum { SIZE_MAX_BYTES = 1 << 20, DEPTH_MAX = 256, CLIENTS_MAX = 8, OPERATIONS_MAX = 1 << 20 };

struct load;

/* Where in the buffer a slot's data goes comes with its completion, so nothing is allocated. */
struct slot {
    struct load *load;
    uint64_t offset;
    uint64_t started;
};

/* One client: a session of its own, with `depth` requests in flight. Positions are those of a
 * linear congruential generator, whose upper bits are good; or one after the other. */
struct load {
    struct block_client *client;
    block_client_done done;
    enum block_operation operation;
    uint32_t buffer, blocks;
    uint64_t positions, position, factor, step;
    unsigned shift;
    unsigned idle; /* slots that have done their part */
    uint64_t left;
    enum block_status failed;
    struct slot slot[DEPTH_MAX];
};

static struct load loads[CLIENTS_MAX];
static uint32_t *latencies; /* microseconds */
static uint64_t latency_count;

static void slot_start(struct slot *slot)
{
    struct load *load = slot->load;

    if (load->left == 0) {
        load->idle++;
        return;
    }
    load->left--;
    load->position = load->position * load->factor + load->step;
    uint64_t position = (load->position >> load->shift) % load->positions;
    block_client_submit(load->client, load->operation, position * load->blocks, load->blocks,
                        load->buffer, slot->offset, load->done, slot);
}

static void slot_done(void *context, enum block_status status)
{
    struct slot *slot = context;

    if (status != BLOCK_STATUS_OK) {
        slot->load->failed = status;
        slot->load->left = 0;
    }
    slot_start(slot);
}

/* Likewise, for who asks for the times of each. */
static void slot_timed_done(void *context, enum block_status status)
{
    struct slot *slot = context;
    uint64_t now = clock_now();

    latencies[latency_count++] = (uint32_t)((now - slot->started) / 1000);
    slot->started = now;
    slot_done(slot, status);
}

/* So many of a load's slots begin, to do as many operations. */
static void load_begin(struct load *load, unsigned depth, uint64_t operations,
                       block_client_done done)
{
    load->left = operations;
    load->done = done;
    load->idle = 0;
    for (unsigned slot = 0; slot < depth; slot++) {
        load->slot[slot].started = clock_now();
        slot_start(&load->slot[slot]);
    }
}

struct bench {
    uint64_t operations, depth, size, clients;
    enum block_operation operation;
    bool random;
    uint8_t flags;
};

static int load_open(const char *device, const struct bench *bench, unsigned number)
{
    struct load *load = &loads[number];
    void *memory;

    *load =
        (struct load){.operation = bench->operation, .position = number, .factor = 1, .step = 1};
    if (bench->random) {
        load->factor = UINT64_C(6364136223846793005);
        load->step = UINT64_C(1442695040888963407);
        load->shift = 33;
    }
    int error = block_client_open(device, bench->operation == BLOCK_WRITE, &load->client);
    if (error != 0)
        return error;
    const struct block_info *info = block_client_info(load->client);
    load->blocks = (uint32_t)bench->size / info->block_size;
    load->positions = load->blocks ? info->blocks / load->blocks : 0;
    block_client_flags(load->client, bench->flags);
    for (unsigned i = 0; i < bench->depth; i++)
        load->slot[i] = (struct slot){.load = load, .offset = i * bench->size};
    return load->positions == 0 ? EINVAL
                                : block_client_buffer(load->client, bench->size * bench->depth,
                                                      &memory, &load->buffer);
}

/* Every client does its part; who has completions is served in turn. */
static int loads_run(const struct bench *bench, uint64_t operations, block_client_done done)
{
    bool busy = true;

    for (unsigned i = 0; i < bench->clients; i++)
        load_begin(&loads[i], bench->depth, operations / bench->clients, done);
    while (busy) {
        busy = false;
        for (unsigned i = 0; i < bench->clients; i++)
            busy |= block_client_wait(loads[i].client, bench->clients == 1) == 0 &&
                    (loads[i].left > 0 || bench->clients == 1);
        busy &= bench->clients > 1;
    }
    for (unsigned i = 0; i < bench->clients; i++) {
        block_client_wait(loads[i].client, true);
        if (loads[i].failed != BLOCK_STATUS_OK)
            return block_status_error(loads[i].failed);
    }
    return 0;
}

static int smaller(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* Once without the clock, for the cost; once with it, for the times. */
static int bench_measure(const struct bench *bench)
{
    int error = loads_run(bench, bench->depth * bench->clients * 4, slot_done); /* first touches */
    if (error != 0)
        return error;
    uint64_t start = clock_now();
    bench_mark_begin();
    error = loads_run(bench, bench->operations, slot_done);
    bench_mark_end();
    uint64_t took = clock_now() - start;
    latencies = calloc(bench->operations + 1, sizeof(latencies[0]));
    latency_count = 0;
    if (error == 0)
        error = latencies ? loads_run(bench, bench->operations, slot_timed_done) : ENOMEM;
    if (error == 0) {
        qsort(latencies, latency_count, sizeof(latencies[0]), smaller);
        console_print("%llu operations in %llu us, p50 %u us, p99 %u us\n",
                      (unsigned long long)bench->operations, (unsigned long long)(took / 1000),
                      latencies[latency_count / 2], latencies[latency_count * 99 / 100]);
    }
    free(latencies);
    latencies = NULL;
    return error;
}

static uint32_t percentile(unsigned percent)
{
    qsort(latencies, latency_count, sizeof(latencies[0]), smaller);
    return latencies[latency_count * percent / 100];
}

static void begun(void *context)
{
    (void)context;
}

/* One request after the other of the second client's, while the first has `depth` in flight. */
static int neighbours_run(unsigned depth, unsigned operations)
{
    static struct clock_timer begin;
    struct load *busy = &loads[0], *single = &loads[1];

    latency_count = 0;
    load_begin(busy, depth, UINT64_MAX, slot_done);
    load_begin(single, 1, operations, slot_timed_done);
    clock_timer_start(&begin, 0, begun, NULL); /* the loop sends at the end of a turn */
    while (latency_count < operations && busy->failed == BLOCK_STATUS_OK &&
           single->failed == BLOCK_STATUS_OK)
        loop_once(UINT64_MAX);
    busy->left = 0;
    while (busy->idle < depth)
        loop_once(UINT64_MAX);
    enum block_status failed = busy->failed ? busy->failed : single->failed;
    return failed == BLOCK_STATUS_OK ? 0 : block_status_error(failed);
}

static int neighbours_measure(unsigned depth, unsigned operations)
{
    latencies = calloc(operations + 1, sizeof(latencies[0]));
    if (!latencies)
        return ENOMEM;
    int error = neighbours_run(0, operations);
    uint32_t alone = error == 0 ? percentile(50) : 0;
    if (error == 0)
        error = neighbours_run(depth, operations);
    if (error == 0)
        console_print("alone p50 %u us; beside %u in flight p50 %u us, p99 %u us\n", alone, depth,
                      percentile(50), percentile(99));
    free(latencies);
    latencies = NULL;
    return error;
}

static bool pattern_parse(const char *word, struct bench *bench)
{
    bool read = strcmp(word, "randread") == 0 || strcmp(word, "seqread") == 0;

    bench->random = strncmp(word, "rand", 4) == 0;
    bench->operation = read ? BLOCK_READ : BLOCK_WRITE;
    return read || strcmp(word, "randwrite") == 0 || strcmp(word, "seqwrite") == 0;
}

static bool mode_parse(const char *word, struct bench *bench)
{
    bench->flags = strcmp(word, "polled") == 0      ? BLOCK_POLLED
                   : strcmp(word, "interrupt") == 0 ? BLOCK_INTERRUPT
                                                    : 0;
    return bench->flags != 0 || strcmp(word, "hybrid") == 0;
}

static int bench_run(unsigned count, char **words)
{
    struct bench bench = {.size = 4096, .clients = 1};
    unsigned opened = 0;
    int error = 0;

    if (count < 5 || count > 8 || !pattern_parse(words[2], &bench) ||
        !shell_number(words[3], &bench.operations) || !shell_number(words[4], &bench.depth) ||
        (count > 5 && !shell_number(words[5], &bench.size)) ||
        (count > 6 && !mode_parse(words[6], &bench)) ||
        (count > 7 && !shell_number(words[7], &bench.clients)) || bench.operations == 0 ||
        bench.operations > OPERATIONS_MAX || bench.depth == 0 || bench.depth > DEPTH_MAX ||
        bench.size < 512 || bench.size > SIZE_MAX_BYTES || bench.clients == 0 ||
        bench.clients > CLIENTS_MAX)
        return SHELL_USAGE;
    while (error == 0 && opened < bench.clients)
        error = load_open(words[1], &bench, opened++);
    if (error == 0)
        error = bench_measure(&bench);
    while (opened-- > 0) {
        if (loads[opened].client)
            block_client_close(loads[opened].client);
        loads[opened].client = NULL;
    }
    return error ? shell_complain("bench", words[1], error) : 0;
}

/* 4 KiB random reads, without the times of each. */
static int rate_run(unsigned count, char **words)
{
    struct bench bench = {.size = 4096, .random = true, .operation = BLOCK_READ, .clients = 1};

    if (count != 4 || !shell_number(words[2], &bench.operations) ||
        !shell_number(words[3], &bench.depth) || bench.depth == 0 || bench.depth > DEPTH_MAX)
        return SHELL_USAGE;
    int error = load_open(words[1], &bench, 0);
    uint64_t start = clock_now();
    if (error == 0)
        error = loads_run(&bench, bench.operations, slot_done);
    uint64_t took = clock_now() - start;
    if (loads[0].client)
        block_client_close(loads[0].client);
    loads[0].client = NULL;
    if (error != 0)
        return shell_complain("bench-rate", words[1], error);
    console_print("%llu operations in %llu us\n", (unsigned long long)bench.operations,
                  (unsigned long long)(took / 1000));
    return 0;
}

static int neighbours_command(unsigned count, char **words)
{
    struct bench bench = {.size = 4096, .random = true, .operation = BLOCK_READ};
    uint64_t operations;
    int error = 0;

    if (count != 4 || !shell_number(words[2], &operations) ||
        !shell_number(words[3], &bench.depth) || operations == 0 || operations > OPERATIONS_MAX ||
        bench.depth == 0 || bench.depth > DEPTH_MAX)
        return SHELL_USAGE;
    for (unsigned i = 0; i < 2 && error == 0; i++) {
        error = load_open(words[1], &bench, i);
        if (error == 0)
            error = block_client_join_loop(loads[i].client);
    }
    if (error == 0)
        error = neighbours_measure((unsigned)bench.depth, (unsigned)operations);
    for (unsigned i = 0; i < 2; i++) {
        if (loads[i].client)
            block_client_close(loads[i].client);
        loads[i].client = NULL;
    }
    return error ? shell_complain("bench-neighbours", words[1], error) : 0;
}

const struct command commands_bench[] = {
    {"bench-neighbours", "DEVICE OPERATIONS DEPTH",
     "latency of one read at a time, alone and beside a client with DEPTH in flight",
     neighbours_command},
    {"bench-rate", "DEVICE OPERATIONS DEPTH", "how long so many random reads take", rate_run},
    {"bench", "DEVICE PATTERN OPERATIONS DEPTH [BYTES [MODE [CLIENTS]]]",
     "rand|seq + read|write; hybrid, polled or interrupt", bench_run},
    {0},
};
