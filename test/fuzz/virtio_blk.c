/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-blk with a device that says anything (block_driver.h). Checked besides: chains name memory
 * of their request, all of it and nothing else, or the driver's own; and a request ends only when
 * the device has given it back, or was reset.
 */
#include <driver/virtio_blk/layout.h>
#include <test/fuzz/block_driver.h>
#include <test/fuzz/virtio_device.h>

enum { QUEUES = 3, NOTIFY = 0x1000, FLIGHT_MAX = 256 };

struct flight {
    unsigned queue;
    uint16_t head;
    int request;      /* or -1 */
    uint8_t *status;  /* where that is to go, or null */
    uint32_t written; /* if all goes well */
};

static struct flight flight[FLIGHT_MAX];
static unsigned flight_count;
static bool with_device[FUZZ_REQUESTS];
static bool obeys;     /* what the driver asks by itself, and waits for, is done at once */
static bool is_forged; /* it gave back what it was not given */

static void forget_all(void)
{
    flight_count = 0;
    memset(with_device, 0, sizeof(with_device));
}

/* A piece of the chain; what it has of a request's data is counted. */
static void piece_take(struct flight *one, const struct virtio_descriptor *piece, uint64_t *data)
{
    uint8_t *own = fuzz_memory(piece->address, piece->length);

    fuzz_require(piece->length > 0);
    one->written += piece->flags & VIRTIO_DESCRIPTOR_WRITE ? piece->length : 0;
    one->status = own && piece->length == 1 ? own : one->status;
    if (own)
        return;
    int index = fuzz_request_find(piece->address, piece->length);
    fuzz_require(index >= 0 && (one->request < 0 || one->request == index));
    fuzz_require((fuzz_request[index].operation == BLOCK_READ) ==
                 ((piece->flags & VIRTIO_DESCRIPTOR_WRITE) != 0));
    one->request = index;
    *data += piece->length;
}

static void chain_take(unsigned id, uint16_t head)
{
    const struct fuzz_virtio_queue *queue = &fuzz_virtio_queue[id];
    unsigned entries = queue->size;
    const struct virtio_descriptor *table =
        fuzz_memory(queue->descriptors, entries * sizeof(*table));
    struct flight one = {.queue = id, .head = head, .request = -1};
    uint64_t data = 0;
    unsigned at = head, count = 0;

    fuzz_require(table && at < entries);
    if (table[at].flags & VIRTIO_DESCRIPTOR_INDIRECT) {
        entries = table[at].length / (unsigned)sizeof(*table);
        table = fuzz_memory(table[at].address, table[at].length);
        fuzz_require(table);
        at = 0;
    }
    for (;; at = table[at].next) {
        fuzz_require(at < entries && count++ < entries);
        piece_take(&one, &table[at], &data);
        if (!(table[at].flags & VIRTIO_DESCRIPTOR_NEXT))
            break;
    }
    fuzz_require(one.status);
    if (one.request >= 0) {
        fuzz_require(!with_device[one.request] && data == fuzz_request[one.request].length);
        with_device[one.request] = true;
    }
    fuzz_require(flight_count < FLIGHT_MAX);
    flight[flight_count++] = one;
}

static void flight_end(unsigned place, uint8_t status, uint32_t written)
{
    struct flight one = flight[place];

    flight[place] = flight[--flight_count];
    *one.status = status;
    if (one.request >= 0)
        with_device[one.request] = false;
    fuzz_virtio_give_back(one.queue, one.head, written);
}

static void chains_take(unsigned id)
{
    struct fuzz_virtio_queue *queue = &fuzz_virtio_queue[id];
    const struct virtio_available *available =
        fuzz_memory(queue->available, sizeof(*available) + queue->size * sizeof(uint16_t));

    /* What was given back too early is perhaps still there to be taken. */
    if (!available || queue->size == 0 || fuzz_is_scribbled || is_forged)
        return;
    while (queue->seen != available->index && flight_count < FLIGHT_MAX) {
        chain_take(id, available->ring[queue->seen++ % queue->size]);
        const struct flight *last = &flight[flight_count - 1];
        if (last->request < 0 && obeys)
            flight_end(flight_count - 1, VIRTIO_BLK_S_OK, last->written);
    }
}

void fuzz_window_was_read(size_t offset, uint64_t value)
{
    if (offset == offsetof(struct virtio_common, status) &&
        (value == VIRTIO_STATUS_RESET || value == VIRTIO_STATUS_GONE))
        forget_all();
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    (void)before;
    if (fuzz_virtio_was_written(offset, width, value))
        forget_all();
    else if (offset >= NOTIFY && offset < NOTIFY + 0x1000 && value < QUEUES)
        chains_take((unsigned)value);
}

bool fuzz_device_ends(unsigned index, enum block_status status)
{
    (void)status;
    return is_forged || fuzz_is_scribbled || !with_device[index];
}

void fuzz_device_make(struct fuzz_input *input)
{
    struct virtio_blk_config config = {
        .capacity = 1 << 20,
        .size_max = 1 << 16,
        .seg_max = 32,
        .blk_size = 512,
        .queues = 2,
        .max_discard_sectors = 1 << 16,
        .max_discard_seg = 1,
        .max_write_zeroes_sectors = 1 << 16,
        .max_write_zeroes_seg = 1,
    };
    uint8_t kind = fuzz_take8(input);

    forget_all();
    is_forged = false;
    obeys = true;
    fuzz_virtio_make(input, 0x1042, QUEUES,
                     1u << VIRTIO_BLK_F_SIZE_MAX | 1u << VIRTIO_BLK_F_SEG_MAX |
                         1u << VIRTIO_BLK_F_BLK_SIZE | 1u << VIRTIO_BLK_F_FLUSH |
                         1u << VIRTIO_BLK_F_MQ | 1u << VIRTIO_BLK_F_DISCARD |
                         1u << VIRTIO_BLK_F_WRITE_ZEROES | (kind & 32 ? 3u << 28 : 0),
                     kind);
    if (kind & 16)
        fuzz_take(input, &config, 32);
    if (kind & 64)
        config.queues = fuzz_take16(input);
    memcpy(fuzz_window.bytes + FUZZ_VIRTIO_CONFIG, &config, sizeof(config));
}

void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    unsigned place;

    for (unsigned id = 0; id < QUEUES; id++)
        chains_take(id);
    place = flight_count > 0 ? (what >> 3) % flight_count : 0;
    switch (what & 7) {
    case 0:
        is_forged = true;
        fuzz_virtio_give_back(what % QUEUES, fuzz_take8(input), fuzz_take32(input));
        break;
    case 1:
        fuzz_window_override(input, sizeof(struct virtio_common));
        break;
    case 2:
        fuzz_window.overrides = 0;
        break;
    case 3:
        fuzz_window.bytes[FUZZ_VIRTIO_CONFIG + fuzz_take8(input) % 64] = fuzz_take8(input);
        break;
    case 4:
        obeys = what & 8;
        break;
    case 5:
        if (flight_count > 0)
            flight_end(place, fuzz_take8(input), fuzz_take32(input));
        break;
    default:
        if (flight_count > 0)
            flight_end(place, VIRTIO_BLK_S_OK, flight[place].written);
    }
}

void fuzz_device_mend(void)
{
    fuzz_window.overrides = 0;
    obeys = true;
}
