/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lane.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

#include "io.h"
#include "layout.h"

enum { STATUS_NONE = 0xff }; /* the device has not written one */

/* What a command shares with the device, other than data. A cache line each. */
struct slot {
    struct virtio_blk_header header;
    struct virtio_blk_range range;
    uint8_t answer[VIRTIO_BLK_ID_SIZE];
    uint8_t status;
    uint8_t reserved[11];
};
static_assert(sizeof(struct slot) == 64, "slots do not share cache lines");

static struct slot *slot_of(const struct virtio_blk_lane *lane, unsigned id)
{
    return (struct slot *)lane->slots.memory + id;
}

static uint64_t slot_address(const struct virtio_blk_lane *lane, unsigned id, size_t offset)
{
    return lane->slots.address + id * sizeof(struct slot) + offset;
}

static enum block_status status_translate(const struct block_request *request, uint8_t status)
{
    /* 5.2.6: an error "of device or driver", of which a request for data has only one that is
     * likely. */
    return status == VIRTIO_BLK_S_IOERR && request->count > 0 ? BLOCK_STATUS_MEDIUM
                                                              : BLOCK_STATUS_DEVICE;
}

/* The driver's own commands are waited for. */
static bool is_loud(const struct block_request *request)
{
    return request && !request->silent;
}

static void command_take(struct virtio_blk_lane *lane, struct virtio_blk_command *command,
                         uint32_t written)
{
    unsigned id = (unsigned)(command - lane->command);
    const volatile struct slot *slot = slot_of(lane, id);
    /* 2.7.8.2: what lies behind `written` means nothing, and the status is the last byte. */
    uint8_t status = written < command->expected ? STATUS_NONE : slot->status;
    struct block_request *request = command->request;

    lane->free_id[lane->free_count++] = (uint16_t)id;
    lane->loud -= is_loud(request);
    if (!request)
        lane->io->own_status = status;
    else if (status == VIRTIO_BLK_S_OK)
        block_request_done(request, BLOCK_STATUS_OK);
    else
        block_request_failed(request, status_translate(request, status), status);
}

bool virtio_blk_lane_take(struct virtio_blk_lane *lane)
{
    struct virtio_blk_command *command;
    uint32_t written;
    bool any = false;

    while ((command = virtio_queue_take(&lane->queue, &written))) {
        command_take(lane, command, written);
        any = true;
    }
    return any;
}

static void gathering_expired(void *context)
{
    const struct virtio_blk_lane *lane = context;

    virtio_blk_io_ops.poll(lane->io);
}

/* A queue serves loud and silent requests: it interrupts as long as somebody waits for that. The
 * device can gather by number only (2.7.7.2); time is ours to watch. */
void virtio_blk_lane_arm(struct virtio_blk_lane *lane)
{
    while (lane->loud > 0) {
        unsigned gather = lane->io->gather, together = gather < lane->loud ? gather : lane->loud;
        if (virtio_queue_arm(&lane->queue, together)) {
            if (together > 1 && !lane->gathering.running)
                clock_timer_start(&lane->gathering, lane->io->gather_time, gathering_expired, lane);
            return;
        }
        if (!virtio_blk_lane_take(lane))
            break;
    }
    virtio_queue_disarm(&lane->queue);
    clock_timer_cancel(&lane->gathering);
}

/* 5.2.6.4: header, data, status. The device may want what is contiguous in pieces, or the client
 * have it in several. How many segments that are. */
static unsigned segments_fill(const struct virtio_blk_lane *lane, unsigned id,
                              const struct block_request *request, uint64_t address,
                              uint64_t length, struct virtio_segment *segments)
{
    unsigned count = 0, parts = request && request->segments ? request->segment_count : 0;

    segments[count++] = (struct virtio_segment){
        slot_address(lane, id, offsetof(struct slot, header)), sizeof(struct virtio_blk_header)};
    for (unsigned i = 0; i < parts; i++)
        segments[count++] = (struct virtio_segment){request->segments[i].address,
                                                    (uint32_t)request->segments[i].length};
    while (parts == 0 && length > 0 && count <= lane->io->shape.pieces) {
        uint32_t piece = length < lane->io->shape.piece ? (uint32_t)length : lane->io->shape.piece;
        segments[count++] = (struct virtio_segment){address, piece};
        address += piece;
        length -= piece;
    }
    segments[count++] =
        (struct virtio_segment){slot_address(lane, id, offsetof(struct slot, status)), 1};
    return count;
}

/* What a command reads or writes, unless it is a client's: in its slot. */
static uint64_t slot_data(struct virtio_blk_lane *lane, unsigned id, uint32_t type,
                          const struct block_request *request)
{
    if (type == VIRTIO_BLK_T_GET_ID)
        return slot_address(lane, id, offsetof(struct slot, answer));
    if (type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES)
        return request ? request->address : 0;
    slot_of(lane, id)->range = (struct virtio_blk_range){
        .sector = request->block * lane->io->shape.sectors_per_block,
        .count = request->count * lane->io->shape.sectors_per_block,
    };
    return slot_address(lane, id, offsetof(struct slot, range));
}

bool virtio_blk_lane_start(struct virtio_blk_lane *lane, const struct virtio_blk_header *header,
                           uint64_t length, struct block_request *request)
{
    struct virtio_segment segments[VIRTIO_BLK_PIECES_MAX + 2];
    bool is_read = header->type == VIRTIO_BLK_T_IN || header->type == VIRTIO_BLK_T_GET_ID;

    if (lane->free_count == 0)
        return false;
    unsigned id = lane->free_id[lane->free_count - 1];
    struct virtio_blk_command *command = &lane->command[id];
    struct slot *slot = slot_of(lane, id);
    uint64_t address = slot_data(lane, id, header->type, request);

    unsigned count = segments_fill(lane, id, request, address, length, segments);
    unsigned out = is_read ? 1 : count - 1;
    slot->header = *header;
    slot->status = STATUS_NONE;
    if (!virtio_queue_add(&lane->queue, segments, out, count - out, command))
        return false;
    lane->free_count--;
    command->request = request;
    command->expected = is_read ? (uint32_t)length + 1 : 1;
    lane->loud += is_loud(request);
    return true;
}

int virtio_blk_lane_open(struct virtio_blk_io *io, unsigned index, irq_handler handler,
                         struct virtio_blk_lane *lane)
{
    struct virtio_queue_plan plan = {
        .entries = VIRTIO_ENTRIES_MAX,
        .segments = io->shape.pieces + 2,
        .handler = handler,
        .context = lane,
    };

    *lane = (struct virtio_blk_lane){.io = io};
    int error = virtio_queue_create(io->virtio, index, &plan, &lane->queue);
    if (error != 0)
        return error;
    lane->commands = lane->queue.entries;
    error =
        dma_buffer_create(io->virtio->device, lane->commands * sizeof(struct slot), &lane->slots);
    if (error != 0) {
        log_error("no memory for %u requests: %s", lane->commands, strerror(error));
        return error;
    }
    for (unsigned id = lane->commands; id-- > 0;)
        lane->free_id[lane->free_count++] = (uint16_t)id;
    virtio_queue_disarm(&lane->queue);
    return 0;
}

const uint8_t *virtio_blk_lane_answer(const struct virtio_blk_lane *lane)
{
    return slot_of(lane, lane->free_id[lane->free_count - 1])->answer;
}
