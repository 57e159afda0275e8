/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load for measurements. bench/count.c counts the instructions between the two marks.
 */
#include <errno.h>
#include <string.h>

#include <kit/block_client.h>
#include <kit/clock.h>

#include "console.h"
#include "shell.h"

enum { SIZE_MAX_BYTES = 1 << 20, DEPTH_MAX = 256 };

/* Found by name in the executable; what they do is be executed. */
void bench_mark_begin(void);
void bench_mark_end(void);

__attribute__((noinline)) void bench_mark_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void bench_mark_end(void)
{
    __asm__ volatile("" ::: "memory");
}

struct load {
    struct block_client *client;
    uint32_t buffer, blocks;
    uint64_t positions, random;
    uint64_t left;
    unsigned depth;
    enum block_status failed;
};

/* Where in the buffer a slot's data goes comes with its completion, so nothing is allocated. */
struct slot {
    struct load *load;
    uint64_t offset;
};

static void slot_start(struct slot *slot);

static void slot_done(void *context, enum block_status status)
{
    struct slot *slot = context;

    if (status != BLOCK_STATUS_OK)
        slot->load->failed = status;
    slot_start(slot);
}

static void slot_start(struct slot *slot)
{
    struct load *load = slot->load;

    if (load->left == 0 || load->failed != BLOCK_STATUS_OK)
        return;
    load->left--;
    load->random = load->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t position = (load->random >> 33) % load->positions;
    block_client_submit(load->client, BLOCK_READ, position * load->blocks, load->blocks,
                        load->buffer, slot->offset, slot_done, slot);
}

static void load_run(struct load *load, struct slot *slots)
{
    for (unsigned i = 0; i < load->depth; i++)
        slot_start(&slots[i]);
    block_client_wait(load->client, true);
}

static int bench_read_run(unsigned count, char **words)
{
    static struct slot slots[DEPTH_MAX];
    uint64_t operations, depth, size = 4096;
    struct load load = {.random = 1};
    void *memory;

    if (count < 4 || count > 5 || !shell_number(words[2], &operations) ||
        !shell_number(words[3], &depth) || (count == 5 && !shell_number(words[4], &size)) ||
        operations == 0 || depth == 0 || depth > DEPTH_MAX || size < 512 || size > SIZE_MAX_BYTES)
        return SHELL_USAGE;
    int error = block_client_open(words[1], false, &load.client);
    if (error != 0)
        return shell_complain("bench-read", words[1], error);
    const struct block_info *info = block_client_info(load.client);
    load.blocks = (uint32_t)size / info->block_size;
    load.depth = (unsigned)depth;
    load.positions = load.blocks ? info->blocks / load.blocks : 0;
    error = load.positions ? block_client_buffer(load.client, size * depth, &memory, &load.buffer)
                           : EINVAL;
    if (error == 0) {
        for (unsigned i = 0; i < depth; i++)
            slots[i] = (struct slot){&load, i * size};
        load.left = depth * 4; /* first touches are not what is measured */
        load_run(&load, slots);
        load.left = operations;
        uint64_t start = clock_now();
        bench_mark_begin();
        load_run(&load, slots);
        bench_mark_end();
        uint64_t took = clock_now() - start;
        error = block_status_error(load.failed);
        if (error == 0)
            console_print("%llu reads of %llu bytes at depth %llu in %llu us\n",
                          (unsigned long long)operations, (unsigned long long)size,
                          (unsigned long long)depth, (unsigned long long)(took / 1000));
    }
    block_client_close(load.client);
    return error ? shell_complain("bench-read", words[1], error) : 0;
}

const struct command commands_bench[] = {
    {"bench-read", "DEVICE OPERATIONS DEPTH [BYTES]", "random reads, for bench/run",
     bench_read_run},
    {0},
};
