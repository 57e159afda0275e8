/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-net with a device that says anything (net_driver.h).
 */
#include <test/fuzz/net_driver.h>
#include <test/fuzz/virtio_device.h>

enum { PAIRS = 2, QUEUES = 2 * PAIRS + 1, HEADER = 12, CONFIG_SIZE = 17 };
enum { DOORBELLS = 0x1000, CAUSE = 0x2000 }; /* regions (virtio_device.c) */
enum { MERGES = 1u << 15, SEVERAL = 1u << 22, NEXT = 1, INDIRECT = 4 };
static_assert(QUEUES <= FUZZ_VIRTIO_QUEUES, "they have room");

static unsigned control;
static bool agrees, is_silent;

void fuzz_device_make(struct fuzz_input *input)
{
    uint8_t kind = fuzz_take8(input);
    uint32_t features = 1u << 5 | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 29;

    features |= (kind & 32 ? MERGES : 0) | (kind & 64 ? SEVERAL : 0);
    control = kind & 64 ? 2 * PAIRS : 2;
    agrees = kind & 128;
    is_silent = false;
    fuzz_virtio_make(input, 0x1041, QUEUES, features, kind);
    fuzz_window.bytes[FUZZ_VIRTIO_CONFIG] = 2;
    fuzz_window.bytes[FUZZ_VIRTIO_CONFIG + 8] = PAIRS;
    if (kind & 16)
        fuzz_take(input, fuzz_window.bytes + FUZZ_VIRTIO_CONFIG, CONFIG_SIZE);
}

void fuzz_window_was_read(size_t offset, uint64_t value)
{
    (void)offset, (void)value;
}

/* Where a chain ends, a device says how a command went. */
static void answer(uint8_t head, uint8_t value)
{
    const struct fuzz_virtio_queue *queue = &fuzz_virtio_queue[control];
    struct virtio_descriptor entry = {.flags = NEXT, .next = head}, *at;
    uint64_t table = queue->descriptors;
    uint8_t *last;

    for (unsigned steps = 0; steps < 8 && entry.flags & (NEXT | INDIRECT); steps++) {
        unsigned next = entry.flags & INDIRECT ? 0 : entry.next;
        table = entry.flags & INDIRECT ? entry.address : table;
        at = fuzz_memory(table + next * sizeof(entry), sizeof(entry));
        if (!at)
            return;
        entry = *at;
    }
    last = fuzz_memory(entry.address, 1);
    if (last && entry.length == 1)
        *last = value;
}

/* A command is waited for, so it is answered at once or never: the queue's only chain, and so the
 * first. */
void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    (void)before;
    fuzz_virtio_was_written(offset, width, value);
    if (offset < DOORBELLS || offset >= DOORBELLS + 0x1000 || value != control || is_silent)
        return;
    answer(0, agrees ? 0 : 1);
    fuzz_virtio_give_back(control, 0, 1);
}

void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input), head = fuzz_take8(input);
    unsigned id = what % QUEUES;
    uint32_t length = id % 2 == 0 ? HEADER + 60 : 0;

    if (what & 0x40)
        length = fuzz_take32(input);
    if (id == control) {
        is_silent = what & 0x10;
        answer(head, what & 0x80 ? 1 : 0);
    }
    fuzz_virtio_give_back(id, head, id == control ? 1 : length);
    fuzz_window.bytes[CAUSE] = what & 0x20 ? 3 : 1; /* for the next interrupt */
}
