/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's core between clients that send anything and a driver that answers in any order.
 * The input is a list of steps. Checked: nothing that reaches the driver leaves the device or the
 * client's buffer, and every submission is answered once, truthfully.
 */
#include <errno.h>
#include <stdlib.h>

#include <kit/core/block.h>
#include <test/fuzz/fuzz.h>

/* Of a device that asks to be watched: there is none. */
uint64_t clock_now(void)
{
    return 0;
}

void clock_sleep(uint64_t nanoseconds)
{
    (void)nanoseconds;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    (void)timer, (void)after, (void)expired, (void)context;
}

void clock_timer_cancel(struct clock_timer *timer)
{
    (void)timer;
}

void block_give_up(const char *why)
{
    (void)why;
    abort();
}

enum { DEVICES = 3, CLIENTS = 4, OWNED_MAX = CLIENTS * BLOCK_SLOTS, STEPS_MAX = 400 };

static const struct block_device_limits limits[DEVICES] = {
    {.blocks = 1000,
     .block_size = 512,
     .max_transfer = 32 * 512,
     .max_blocks = 100,
     .flags = BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES | BLOCK_INFO_SCATTER |
              BLOCK_INFO_VOLATILE_CACHE},
    {.blocks = UINT64_MAX / 65536, .block_size = 65536, .max_transfer = UINT32_MAX & ~65535u},
    {.blocks = 500,
     .block_size = 512,
     .max_transfer = 32 * 512,
     .flags = BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES},
};

/* What a slot's owner has a right to hear. */
struct expectation {
    bool open;    /* submitted, not yet answered */
    bool started; /* the driver had it */
    bool over;    /* and is done with it */
    uint16_t status;
    struct block_submission submission;
};

struct client {
    struct block_session *session; /* null: not connected */
    unsigned device, buffers;
    bool write, deaf, ended;
    struct block_range range;
    struct block_buffer buffer[BLOCK_BUFFERS];
    struct expectation slot[BLOCK_SLOTS];
};

static struct block_device *devices[DEVICES];
static struct client clients[CLIENTS];
static struct block_request *owned[OWNED_MAX];
static unsigned owned_count, room, unkicked;
static bool answers_at_once;

static struct client *client_of(const struct block_request *request)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].session == request->session)
            return &clients[i];
    }
    return NULL;
}

static void place_check(const struct client *client, uint32_t id, uint64_t address, uint64_t length)
{
    fuzz_require(id < client->buffers);
    const struct block_buffer *buffer = &client->buffer[id];
    fuzz_require(address % 4 == 0 && address >= buffer->address);
    uint64_t offset = address - buffer->address;
    fuzz_require(offset <= buffer->size && length <= buffer->size - offset);
}

static void segments_check(const struct block_request *request, const struct client *client)
{
    const struct block_submission *asked = &client->slot[request->slot].submission;
    const struct block_device_limits *device = &limits[client->device];
    const struct block_segment *segment = request->segments;
    unsigned count = request->segment_count;
    uint64_t length = 0;

    fuzz_require(device->flags & BLOCK_INFO_SCATTER && count > 0 && count <= BLOCK_PARTS);
    for (unsigned i = 0; i < count; i++) {
        uint32_t id = i == 0 ? asked->buffer : (uint32_t)(asked->part[i - 1] & 0xff);
        fuzz_require(segment[i].length > 0 && segment[i].length % device->block_size == 0);
        place_check(client, id, segment[i].address, segment[i].length);
        length += segment[i].length;
        if (device->flags & BLOCK_INFO_SCATTER_PAGES)
            fuzz_require((i == 0 || segment[i].address % 4096 == 0) &&
                         (i + 1 == count || (segment[i].address + segment[i].length) % 4096 == 0));
    }
    fuzz_require(request->length == length && request->address == segment[0].address);
}

static void request_check(const struct block_request *request, const struct client *client)
{
    const struct block_device_limits *device = &limits[client->device];
    const struct block_submission *asked = &client->slot[request->slot].submission;

    fuzz_require(request->generation == asked->generation &&
                 request->operation == asked->operation);
    if (request->operation == BLOCK_FLUSH) {
        fuzz_require(request->count == 0 && request->length == 0);
        return;
    }
    bool zeroing = request->operation == BLOCK_DISCARD || request->operation == BLOCK_WRITE_ZEROES;
    fuzz_require(request->operation == BLOCK_READ ||
                 ((request->operation == BLOCK_WRITE || zeroing) && client->write));
    const struct block_range *range = &client->range;
    fuzz_require(request->count > 0 && request->block >= range->first);
    fuzz_require(request->block - range->first == asked->block && asked->block <= range->count);
    fuzz_require(request->count <= range->count - asked->block);
    if (zeroing) {
        fuzz_require(request->length == 0 && request->count <= device->max_blocks);
        return;
    }
    fuzz_require(request->length == (uint64_t)request->count * device->block_size);
    fuzz_require(request->length <= device->max_transfer);
    fuzz_require(!request->segments == !(asked->flags & BLOCK_SCATTER));
    if (request->segments)
        segments_check(request, client);
    else
        place_check(client, asked->buffer, request->address, request->length);
}

static void request_finish(struct block_request *request, enum block_status status)
{
    struct client *client = client_of(request);

    if (client && !client->ended) {
        client->slot[request->slot].over = true;
        client->slot[request->slot].status = (uint16_t)status;
    }
    block_request_done(request, status);
}

static bool driver_start(void *context, struct block_request *request)
{
    struct client *client = client_of(request);

    fuzz_require(client && !client->ended && context == &devices[client->device]);
    struct expectation *slot = &client->slot[request->slot];
    fuzz_require(slot->open && !slot->started);
    request_check(request, client);
    if (owned_count == room)
        return false;
    slot->started = true;
    unkicked++;
    if (answers_at_once)
        request_finish(request, BLOCK_STATUS_OK);
    else
        owned[owned_count++] = request;
    return true;
}

static void driver_kick(void *context)
{
    (void)context;
    unkicked = 0;
}

static const struct block_device_ops ops = {.start = driver_start, .kick = driver_kick};

static unsigned client_deliver(void *link, struct block_completion *completions, unsigned count)
{
    struct client *client = link;
    unsigned taken = client->deaf ? count / 2 : count;

    fuzz_require(!client->ended && count <= BLOCK_SLOTS);
    for (unsigned i = 0; i < taken; i++) {
        const struct block_completion *completion = &completions[i];
        fuzz_require(completion->slot < BLOCK_SLOTS);
        struct expectation *slot = &client->slot[completion->slot];
        const struct block_submission *asked = &slot->submission;
        bool is_passed_on = asked->operation != BLOCK_FLUSH ||
                            limits[client->device].flags & BLOCK_INFO_VOLATILE_CACHE;
        bool moves = asked->operation == BLOCK_READ || asked->operation == BLOCK_WRITE;
        uint64_t length = moves ? (uint64_t)asked->count * limits[client->device].block_size : 0;

        fuzz_require(slot->open && completion->generation == asked->generation);
        fuzz_require(slot->started == slot->over);
        if (slot->started)
            fuzz_require(completion->status == slot->status);
        else
            fuzz_require(completion->status != BLOCK_STATUS_OK || !is_passed_on);
        fuzz_require(completion->length == (completion->status == BLOCK_STATUS_OK ? length : 0));
        slot->open = false;
    }
    return taken;
}

static void client_ended(void *link, struct block_session *session)
{
    struct client *client = link;

    fuzz_require(client->session == session && client->ended);
    for (unsigned i = 0; i < owned_count; i++)
        fuzz_require(owned[i]->session != session);
    memset(client, 0, sizeof(*client));
}

static const struct block_transport transport = {client_deliver, client_ended};

static void client_end(struct client *client)
{
    if (!client->session || client->ended)
        return;
    client->ended = true;
    block_session_end(client->session);
}

/* Half of the clients see a part; what becomes of theirs is a part of a part. */
static struct block_range range_choose(struct client *client, uint8_t choice)
{
    struct block_range range = block_device_range(devices[client->device]), part;

    for (unsigned depth = 0; depth < (choice >> 6); depth++) {
        uint64_t first = choice & 4 ? UINT64_MAX - choice : choice * UINT64_C(3);
        uint64_t count = choice & 8 ? UINT64_MAX - first : range.count / 2 + (choice & 16);
        if (block_range_bound(&range, first, count, choice & 32, &part) != 0)
            continue;
        fuzz_require(part.count > 0 && part.first >= range.first && part.count <= range.count);
        fuzz_require(part.first - range.first <= range.count - part.count);
        fuzz_require(range.write || !part.write);
        range = part;
    }
    return range;
}

static void client_connect(struct client *client, uint8_t choice)
{
    struct block_info info;

    if (client->session)
        return;
    client->device = choice % DEVICES;
    client->range = range_choose(client, choice);
    client->write = choice & 2;
    int error = block_session_create(devices[client->device], &client->range, client->write,
                                     &transport, client, &client->session);
    fuzz_require(error == (client->write && !client->range.write ? EROFS : 0));
    if (error != 0)
        return;
    block_session_info(client->session, &info);
    fuzz_require(info.blocks == client->range.count);
    fuzz_require(!!(info.flags & BLOCK_INFO_READ_ONLY) == !client->write);
}

/* Addresses and sizes are the authority's: whole pages, never past the end of what can be. */
static void client_attach(struct client *client, uint8_t pages)
{
    struct block_buffer buffer = {UINT64_MAX - UINT32_MAX - (uint64_t)(client->buffers << 12),
                                  ((uint64_t)pages + 1) << 12};
    uint32_t id;

    if (!client->session || client->ended)
        return;
    int error = block_session_attach(client->session, buffer.address, buffer.size, &id);
    fuzz_require(error == (client->buffers == BLOCK_BUFFERS ? ENOSPC : 0));
    if (error != 0)
        return;
    fuzz_require(id == client->buffers);
    client->buffer[client->buffers++] = buffer;
}

/* A few parts of a few blocks, as they may well be. */
static void parts_add(struct block_submission *submission, struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);

    submission->flags = BLOCK_SCATTER;
    submission->offset &= ~UINT64_C(511);
    for (unsigned i = 0; i < what % 5u; i++) {
        uint32_t buffer = fuzz_take8(input) % 3u, blocks = fuzz_take8(input) % 9u;
        submission->part[i] =
            block_part_make(buffer, blocks, fuzz_take8(input) * (what & 0x80 ? 4096u : 512u));
    }
}

static void client_submit(struct client *client, struct fuzz_input *input, bool raw)
{
    struct block_submission submission = {0};

    if (raw) {
        fuzz_take(input, &submission, sizeof(submission));
    } else {
        submission.operation = fuzz_take8(input) % 5;
        submission.slot = fuzz_take8(input);
        submission.generation = fuzz_take8(input);
        submission.block = fuzz_take16(input);
        submission.count = fuzz_take8(input);
        submission.buffer = fuzz_take8(input) % 4;
        submission.offset = fuzz_take16(input);
        if (submission.generation % 2)
            parts_add(&submission, input);
    }
    if (!client->session || client->ended)
        return;
    bool breach = submission.slot >= BLOCK_SLOTS || client->slot[submission.slot].open;
    if (!breach)
        client->slot[submission.slot] =
            (struct expectation){.open = true, .submission = submission};
    int error = block_session_submit(client->session, &submission);
    fuzz_require(error == (breach ? EPROTO : 0));
    if (breach)
        client_end(client);
}

static void driver_finish(unsigned which, enum block_status status)
{
    if (owned_count == 0)
        return;
    which %= owned_count;
    struct block_request *request = owned[which];
    owned[which] = owned[--owned_count];
    request_finish(request, status);
}

static void turn(void)
{
    block_turn();
    fuzz_require(unkicked == 0);
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    struct client *client = &clients[what >> 4 & 3];

    switch (what & 0xf) {
    case 0:
        client_connect(client, fuzz_take8(input));
        break;
    case 1:
        client_attach(client, fuzz_take8(input));
        break;
    case 2:
        client_submit(client, input, true);
        break;
    case 3:
        client_end(client);
        break;
    case 4:
        client->deaf = !client->deaf && client->session;
        break;
    case 5:
        room = fuzz_take8(input) * 4u + 1; /* a driver that owns nothing has room */
        answers_at_once = what & 0x80;
        break;
    case 6:
    case 7:
        driver_finish(fuzz_take8(input), what >> 4 & 7);
        break;
    case 8:
    case 9:
        turn();
        break;
    default:
        client_submit(client, input, false);
    }
}

/* Everything is answered, then everybody leaves. */
static void wind_up(void)
{
    room = OWNED_MAX;
    answers_at_once = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].deaf = false;
    while (owned_count > 0)
        driver_finish(0, BLOCK_STATUS_DEVICE);
    /* Devices whose driver had refused go on in the turn after. */
    turn();
    turn();
    for (unsigned i = 0; i < CLIENTS; i++) {
        for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
            fuzz_require(!clients[i].slot[slot].open);
        client_end(&clients[i]);
        fuzz_require(!clients[i].session);
    }
    for (unsigned i = 0; i < DEVICES; i++)
        fuzz_require(block_device_pending(devices[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    for (unsigned i = 0; i < DEVICES; i++) {
        if (!devices[i])
            fuzz_require(block_device_create(&limits[i], &ops, &devices[i], &devices[i]) == 0);
    }
    room = 8;
    answers_at_once = false;
    for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
        step(&input);
    wind_up();
    return 0;
}
