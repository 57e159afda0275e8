/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network client's core with a driver that completes anything, dies, and comes back as another.
 * Checked: each call back is for a submission in flight, once, with no more bytes than its place,
 * or its places, if the device merges them; no more of those are awaited than are out; slots and
 * the count of them agree; what is to be received goes on over deaths, what is being sent does not.
 */
#include <errno.h>

#include <kit/core/net_client.h>
#include <test/fuzz/fuzz.h>

enum { STEPS_MAX = 2000, SIZE = 65536 };

struct net_client_link {
    struct net_submission last[NET_SLOTS];
    unsigned sent;
};

static struct net_client client;
static struct net_client_link link;
static struct fuzz_input input;
static int reopen_result;
static struct net_info info;
static uint8_t memory[SIZE];
static struct token {
    bool out;
    enum net_operation operation;
    struct net_place place;
} tokens[NET_SLOTS];
static unsigned out, receiving;

void net_client_link_put(struct net_client_link *self, const struct net_submission *submission)
{
    fuzz_require(client.life == NET_CLIENT_RUNNING && submission->slot < NET_SLOTS);
    self->last[submission->slot] = *submission;
    self->sent++;
}

void net_client_link_publish(struct net_client_link *self)
{
    (void)self;
}

int net_client_link_filter(struct net_client_link *self, const struct net_filter *filter)
{
    (void)self;
    fuzz_require(filter->count <= NET_GROUPS);
    return 0;
}

int net_client_link_reopen(struct net_client_link *self, struct net_info *found)
{
    (void)self;
    *found = info;
    return reopen_result;
}

const char *net_client_link_name(const struct net_client_link *self)
{
    (void)self;
    return "net0";
}

static void submit(bool sends);

/* Each piece in a place of its own that is still out, or is just called back. */
static void pieces_check(const struct token *token, uint32_t length)
{
    static unsigned char room[NET_FRAME_MOST];
    unsigned count;
    const struct net_piece *pieces = net_client_pieces(&client, &count);
    uint32_t sum = 0;

    fuzz_require(count > 0 && count <= NET_PIECES_MOST && pieces[0].context == token);
    fuzz_require(length <= info.max_frame && pieces[0].length >= NET_FRAME_LEAST);
    for (unsigned i = 0; i < count; i++) {
        const struct token *other = pieces[i].context;
        uint64_t at = (uint64_t)(pieces[i].data - memory);
        fuzz_require(other->out && other->operation == NET_RECEIVE);
        fuzz_require(at >= other->place.offset &&
                     at + pieces[i].length <= other->place.offset + other->place.length);
        sum += pieces[i].length;
    }
    fuzz_require(sum == length);
    const unsigned char *whole = net_client_whole(&client, room);
    fuzz_require(count > 1 ? whole == room : whole == pieces[0].data);
}

static void done(void *context, enum net_completion_status status, uint32_t length, uint8_t flags)
{
    struct token *token = context;

    fuzz_require(token->out && status <= NET_STATUS_PIECE);
    fuzz_require(status != NET_STATUS_PIECE || client.merges);
    fuzz_require(status == NET_STATUS_OK || (length == 0 && !(flags & NET_PIECES)));
    if (flags & NET_PIECES)
        pieces_check(token, length);
    else
        fuzz_require(length <= token->place.length);
    fuzz_require(client.life != NET_CLIENT_LOST || token->operation == NET_SEND);
    token->out = false;
    out--;
    receiving -= token->operation == NET_RECEIVE;
    if (input.size > 0 && (fuzz_take8(&input) & 1))
        submit(token->operation == NET_SEND);
}

static void submit(bool sends)
{
    struct net_place place = {fuzz_take8(&input) & 1, 14 + fuzz_take16(&input) % 3000u,
                              fuzz_take16(&input)};
    unsigned free = 0;

    while (free < NET_SLOTS && tokens[free].out)
        free++;
    if (free == NET_SLOTS)
        return;
    tokens[free] = (struct token){true, sends ? NET_SEND : NET_RECEIVE, place};
    out++;
    receiving += !sends;
    int error =
        (sends ? net_client_send : net_client_receive)(&client, &place, done, &tokens[free]);
    if (error != 0) {
        tokens[free].out = false;
        out--;
        receiving -= !sends;
    }
    fuzz_require(error != 0 || place.length <= SIZE - place.offset);
}

static void complete(bool honest)
{
    struct net_completion completion;
    uint16_t slot = fuzz_take16(&input) % NET_SLOTS;

    fuzz_take(&input, &completion, sizeof(completion));
    if (honest) {
        completion.slot = slot;
        completion.generation = link.last[slot].generation;
        completion.status = 0;
        completion.length = link.last[slot].length;
        if (client.merges && (completion.flags & 1)) /* the end of a frame */
            completion.length = fuzz_take16(&input);
        uint64_t at = link.last[slot].offset + offsetof(struct net_frame_header, buffers);
        if (client.merges && completion.flags & 2 && at < SIZE - 1) {
            memory[at] = fuzz_take8(&input) % 8;
            memory[at + 1] = completion.flags & 4 ? fuzz_take8(&input) : 0;
        }
    }
    net_client_take(&client, &completion, 1, 0);
}

static void step(void)
{
    struct net_state state;
    static struct net_filter filter;

    switch (fuzz_take8(&input) % 12) {
    case 0:
        net_client_lost(&client);
        break;
    case 1:
        reopen_result = fuzz_take8(&input) & 7 ? 0 : fuzz_take8(&input) & 1 ? EAGAIN : ENODEV;
        fuzz_require((net_client_resume(&client) == EAGAIN) == (client.life == NET_CLIENT_LOST));
        break;
    case 2:
        fuzz_take(&input, &state, sizeof(state));
        if (client.life == NET_CLIENT_RUNNING)
            net_client_note_state(&client, &state);
        break;
    case 3:
        filter.count = fuzz_take8(&input);
        net_client_filter(&client, &filter);
        break;
    case 4:
    case 5:
        if (client.life == NET_CLIENT_RUNNING)
            net_client_flush(&client);
        break;
    case 6:
    case 7:
        complete(true);
        break;
    case 8:
        complete(false);
        break;
    default:
        submit(fuzz_take8(&input) & 1);
    }
    fuzz_require(client.free_count == NET_SLOTS - out);
    fuzz_require(client.frame.awaited + client.frame.count <= receiving);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = (struct fuzz_input){data, size};
    uint8_t kind = fuzz_take8(&input);
    memset(&link, 0, sizeof(link));
    memset(tokens, 0, sizeof(tokens));
    memset(memory, 0, sizeof(memory));
    out = receiving = 0;
    info = (struct net_info){.max_frame = 1514, .receive_size = 1514};
    if (kind & 1)
        info.flags = NET_INFO_MERGES;
    if (kind & 2)
        info.max_frame = 9014;
    net_client_init(&client, &info, &link);
    net_client_note_buffer(&client, 0, memory, SIZE);
    for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
        step();
    input.size = 0;
    net_client_lost(&client);
    reopen_result = ENODEV;
    net_client_resume(&client);
    fuzz_require(out == 0 && client.life == NET_CLIENT_GONE);
    return 0;
}
