/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The floor for bench/run: the NVMe driver's hot path alone, with its client in the same task, no
 * block class, no queue in shared memory, no kernel: 4 KiB random reads, polled. It takes the place
 * of the driver in an image of its own.
 */
#include <stdint.h>

#include <bench/marks.h>
#include <driver/nvme/nvme.h>
#include <kit/dma.h>
#include <kit/driver.h>
#include <kit/log.h>

enum { SIZE = 4096, BLOCKS = SIZE / 512, DEPTH_MAX = 32, OPERATIONS = 2000 };
enum { POSITIONS = (1 << 30) / SIZE }; /* of the disk that bench/run makes */

bool block_spin(void);

static struct nvme nvme;
static struct nvme_namespace namespace = {.nvme = &nvme, .id = 1};
static struct block_request request[DEPTH_MAX];
static unsigned left, in_flight, failed;
static uint64_t position = 1;

static void request_start(struct block_request *next)
{
    left--;
    in_flight++;
    position = position * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    next->block = (position >> 33) % POSITIONS * BLOCKS;
    nvme_io_submit(&namespace, next);
}

/* What the block class is to the driver elsewhere. */
void block_request_done(struct block_request *done, enum block_status status)
{
    in_flight--;
    failed += status != BLOCK_STATUS_OK;
    if (left > 0)
        request_start(done);
}

void block_request_failed(struct block_request *done, enum block_status status, unsigned why)
{
    (void)why;
    block_request_done(done, status);
}

__attribute__((noinline)) bool block_spin(void)
{
    while (!nvme_io_is_ready(&namespace))
        __builtin_ia32_pause();
    return true;
}

static void reads_run(unsigned operations, unsigned depth)
{
    left = operations;
    for (unsigned i = 0; i < depth; i++)
        request_start(&request[i]);
    while (in_flight > 0) {
        nvme_io_kick(&namespace);
        block_spin();
        nvme_io_poll(&namespace);
    }
}

/* One at a time, as the supervisor expects an answer in between; the cheapest of each counts. */
static void measure(void *context)
{
    static const unsigned depths[] = {1, 32, 1, 32, 1, 32};
    static unsigned done;
    unsigned depth = depths[done++];

    reads_run(depth * 4, depth);
    uint64_t start = clock_now();
    bench_mark_begin();
    reads_run(OPERATIONS, depth);
    bench_mark_end();
    log_info("floor: depth %u: %u operations in %llu us, %u failed", depth, OPERATIONS,
             (unsigned long long)(clock_now() - start) / 1000, failed);
    if (done < sizeof(depths) / sizeof(depths[0]))
        clock_timer_start(context, CLOCK_MILLISECOND, measure, context);
}

static int attach(struct device *device)
{
    static struct clock_timer timer;
    struct dma_buffer buffer;
    int error = nvme_start(device, &nvme);

    if (error == 0)
        error = nvme_io_open(&nvme);
    if (error == 0)
        error = dma_buffer_create(device, (size_t)SIZE * DEPTH_MAX, &buffer);
    for (unsigned i = 0; error == 0 && i < DEPTH_MAX; i++)
        request[i] = (struct block_request){.operation = BLOCK_READ,
                                            .count = BLOCKS,
                                            .address = buffer.address + (uint64_t)i * SIZE,
                                            .length = SIZE,
                                            .silent = true};
    clock_timer_start(&timer, 500 * CLOCK_MILLISECOND, measure, &timer);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "floor", .attach = attach, .detach = detach};
