/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests whose data is in several places of their client's buffers.
 */
#include <kit/core/block.h>

enum { PAGE = 4096, MORE = BLOCK_PARTS - 1 };

static_assert(sizeof(((struct block_submission *)0)->part) == MORE * sizeof(uint64_t),
              "all but the first");

/* How many segments there are, the first one's blocks in `first`; 0: that cannot be. */
static unsigned parts_count(const uint64_t *part, uint32_t count, uint32_t *first)
{
    unsigned parts = 0;

    for (; parts < MORE && part[parts] != 0; parts++) {
        uint32_t blocks = block_part_blocks(part[parts]);
        if (blocks == 0 || blocks >= count)
            return 0;
        count -= blocks;
    }
    for (unsigned i = parts; i < MORE; i++) {
        if (part[i] != 0)
            return 0;
    }
    *first = count;
    return 1 + parts;
}

/* BLOCK_INFO_SCATTER_PAGES */
static bool is_paged(const struct block_segment *segments, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if ((i > 0 && segments[i].address % PAGE != 0) ||
            (i + 1 < count && (segments[i].address + segments[i].length) % PAGE != 0))
            return false;
    }
    return true;
}

enum block_status block_scatter_check(struct block_session *session, struct block_request *request,
                                      uint32_t buffer, uint64_t offset,
                                      const volatile uint64_t *more)
{
    const struct block_device_limits *limits = &session->device->limits;
    struct block_segment *segments = session->segments[request->slot];
    uint64_t part[MORE];
    uint32_t first = 0;

    request->flags = (uint8_t)(request->flags & ~BLOCK_SCATTER);
    request->length = (uint64_t)request->count * limits->block_size;
    if (!(limits->flags & BLOCK_INFO_SCATTER) || request->flags > BLOCK_INTERRUPT ||
        (request->operation != BLOCK_READ && request->operation != BLOCK_WRITE))
        return BLOCK_STATUS_INVALID;
    if (request->operation == BLOCK_WRITE && !session->write)
        return BLOCK_STATUS_READ_ONLY;
    for (unsigned i = 0; i < MORE; i++)
        part[i] = more[i];
    unsigned count = parts_count(part, request->count, &first);
    segments[0].length = (uint64_t)first * limits->block_size;
    if (count == 0 || request->length > limits->max_transfer ||
        !block_session_place_at(session, buffer, offset, segments[0].length, &segments[0].address))
        return BLOCK_STATUS_INVALID;
    for (unsigned i = 1; i < count; i++) {
        segments[i].length = (uint64_t)block_part_blocks(part[i - 1]) * limits->block_size;
        if (!block_session_place_at(session, block_part_buffer(part[i - 1]),
                                    block_part_offset(part[i - 1]), segments[i].length,
                                    &segments[i].address))
            return BLOCK_STATUS_INVALID;
    }
    if (limits->flags & BLOCK_INFO_SCATTER_PAGES && !is_paged(segments, count))
        return BLOCK_STATUS_INVALID;
    request->address = segments[0].address;
    request->segments = segments;
    request->segment_count = count;
    return BLOCK_STATUS_OK;
}
