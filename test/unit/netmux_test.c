/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The multiplexer, with the network class above and below it, and a card that the test plays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/net.h>
#include <kit/core/net_client.h>
#include <service/netmux/mux.h>

#include <test/unit/cmocka.h>

enum { PORTS = 3, ROOM = 2048, BUFFER = 1 << 20, SENT_MOST = 4096, LONG = 5000 };
enum { KEPT = MUX_FRAMES / PORTS / 2 }; /* places of a card with one queue, for each port */

/* Below: the card. */
struct net_client_link {
    struct net_submission sent[SENT_MOST];
    unsigned count, filters, buffers;
    unsigned char *memory[NET_BUFFERS];
    struct net_filter filter;
};

static struct net_client card;
static struct net_client_link link;
static struct net_info card_info = {.address = {0x52, 0xff, 1, 2, 3, 4},
                                    .max_frame = 1514,
                                    .receive_size = 1526,
                                    .flags = NET_INFO_CHECKSUM_SEND | NET_INFO_CHECKSUM_RECEIVE,
                                    .model = "a card"};

void net_client_link_put(struct net_client_link *self, const struct net_submission *submission)
{
    assert_true(self->count < SENT_MOST);
    self->sent[self->count++] = *submission;
}

void net_client_link_publish(struct net_client_link *self)
{
    (void)self;
}

int net_client_link_filter(struct net_client_link *self, const struct net_filter *filter)
{
    self->filter = *filter;
    self->filters++;
    return 0;
}

int net_client_link_reopen(struct net_client_link *self, struct net_info *info)
{
    *info = card_info;
    self->count = 0;
    return 0;
}

const char *net_client_link_name(const struct net_client_link *self)
{
    return "card";
}

int net_client_buffer(struct net_client *client, size_t size, void **memory, uint32_t *buffer)
{
    link.memory[link.buffers] = *memory = calloc(1, size);
    *buffer = link.buffers++;
    net_client_note_buffer(client, *buffer, *memory, size);
    return 0;
}

/* Above: clients. */
static struct mux mux;
static struct client {
    struct net_session *session;
    unsigned char *memory;
    struct net_completion completion[NET_SLOTS * 4];
    unsigned count;
    struct net_state state;
    bool ended;
} clients[PORTS];

static bool client_deliver(void *context, struct net_completion *completions, unsigned count,
                           const struct net_state *state)
{
    struct client *client = context;

    memcpy(client->completion + client->count, completions, count * sizeof(*completions));
    client->count += count;
    client->state = *state;
    return true;
}

static void client_ended(void *context, struct net_session *session)
{
    struct client *client = context;

    client->ended = true;
    client->session = NULL;
}

static const struct net_transport transport = {client_deliver, client_ended};

static void client_open(unsigned number)
{
    struct client *client = &clients[number];
    uint64_t address;
    uint32_t buffer;

    memset(client, 0, sizeof(*client));
    client->memory = calloc(1, BUFFER);
    assert_int_equal(
        net_session_create(mux.port[number].device, &transport, client, &client->session), 0);
    assert_int_equal(mux_port_attach(&mux.port[number], client->memory, BUFFER, &address), 0);
    assert_int_equal(net_session_attach(client->session, address, BUFFER, &buffer), 0);
}

/* What the host's transport does then. */
static void client_close(unsigned number)
{
    net_session_end(clients[number].session);
    assert_true(clients[number].ended);
    mux.port[number].buffer_count = 0;
    free(clients[number].memory);
    clients[number].memory = NULL;
}

static int setup(void **state)
{
    memset(&link, 0, sizeof(link));
    memset(&mux, 0, sizeof(mux));
    net_client_init(&card, &card_info, &link);
    assert_int_equal(mux_init(&mux, &card, PORTS), 0);
    for (unsigned i = 0; i < PORTS; i++) {
        assert_int_equal(
            net_device_create(&mux.port[i].info, &mux_port_ops, &mux.port[i], &mux.port[i].device),
            0);
        client_open(i);
    }
    net_client_flush(&card);
    assert_int_equal(link.count, MUX_FRAMES); /* receive buffers */
    return 0;
}

/* With a card whose buffers are shorter than its frames. */
static int setup_merging(void **state)
{
    card_info.receive_size = NET_MERGE_LEAST;
    card_info.flags |= NET_INFO_MERGES;
    return setup(state);
}

static int setup_long(void **state)
{
    card_info.max_frame = LONG;
    return setup_merging(state);
}

/* The longest frames, in the shortest buffers that virtio-net's driver asks for then, which four
 * queues have. */
static int setup_huge(void **state)
{
    card_info.queues = NET_QUEUES;
    card_info.max_frame = NET_FRAME_MOST - 1;
    card_info.receive_size = 2048;
    card_info.flags |= NET_INFO_MERGES;
    return setup(state);
}

static int teardown(void **state)
{
    card_info.max_frame = 1514;
    card_info.receive_size = 1526;
    card_info.queues = 0;
    card_info.flags &= ~(uint32_t)NET_INFO_MERGES;
    for (unsigned i = 0; i < PORTS; i++) {
        if (clients[i].memory)
            client_close(i);
        net_device_destroy(mux.port[i].device);
    }
    for (unsigned i = 0; i < link.buffers; i++)
        free(link.memory[i]);
    return 0;
}

static void turn(void)
{
    net_turn();
    mux_turn(&mux);
    net_client_flush(&card);
    net_turn();
}

static const uint8_t *address_of(unsigned number)
{
    return mux.port[number].info.address;
}

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 7};
static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 9};

static void frame_make(unsigned char *frame, const uint8_t *to, const uint8_t *from,
                       uint32_t length)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    for (uint32_t at = 12; at < length; at++)
        frame[at] = (unsigned char)(at * 7 + length);
}

static void submit(unsigned number, enum net_operation operation, uint16_t slot, uint32_t length)
{
    const struct net_submission submission = {.operation = (uint8_t)operation,
                                              .slot = slot,
                                              .length = length,
                                              .offset = slot * (uint64_t)ROOM};

    assert_int_equal(net_session_submit(clients[number].session, &submission), 0);
}

static void client_send(unsigned number, uint16_t slot, const uint8_t *to, const uint8_t *from,
                        uint32_t length)
{
    frame_make(clients[number].memory + slot * ROOM, to, from, length);
    submit(number, NET_SEND, slot, length);
}

static void client_receive(unsigned number, uint16_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        submit(number, NET_RECEIVE, (uint16_t)(first + i), 1526);
}

static void card_complete(unsigned which, enum net_completion_status status, uint32_t length,
                          uint8_t flags)
{
    const struct net_completion completion = {.slot = link.sent[which].slot,
                                              .generation = link.sent[which].generation,
                                              .status = (uint8_t)status,
                                              .flags = flags,
                                              .length = length};

    net_client_take(&card, &completion, 1, 0);
}

/* A frame comes into the buffer that was submitted as number `which`. */
static void card_receive(unsigned which, const uint8_t *to, uint32_t length)
{
    const struct net_submission *buffer = &link.sent[which];

    assert_int_equal(buffer->operation, NET_RECEIVE);
    frame_make(link.memory[buffer->buffer] + buffer->offset, to, stranger, length);
    card_complete(which, NET_STATUS_OK, length, NET_CHECKSUM_GOOD);
    turn();
}

/* A frame comes into the buffers from number `which` on, as a card that merges them has it. How
 * many it takes. */
static unsigned card_receive_merged(unsigned which, const uint8_t *to, uint32_t length)
{
    unsigned char bytes[sizeof(struct net_frame_header) + LONG] = {0};
    uint32_t total = sizeof(struct net_frame_header) + length, at = 0;
    uint16_t count = (uint16_t)((total + NET_MERGE_LEAST - 1) / NET_MERGE_LEAST);

    memcpy(bytes + offsetof(struct net_frame_header, buffers), &count, sizeof(count));
    frame_make(bytes + sizeof(struct net_frame_header), to, stranger, length);
    for (unsigned i = 0; i < count; i++) {
        const struct net_submission *buffer = &link.sent[which + i];
        uint32_t piece = total - at < NET_MERGE_LEAST ? total - at : NET_MERGE_LEAST;
        memcpy(link.memory[buffer->buffer] + buffer->offset, bytes + at, piece);
        card_complete(which + i, NET_STATUS_OK, piece, 0);
        at += piece;
    }
    turn();
    return count;
}

static unsigned came(unsigned number, enum net_completion_status status)
{
    unsigned count = 0;

    for (unsigned i = 0; i < clients[number].count; i++)
        count += clients[number].completion[i].status == status;
    clients[number].count = 0;
    return count;
}

static void each_has_an_address(void **state)
{
    for (unsigned i = 0; i < PORTS; i++) {
        assert_int_equal(address_of(i)[0] & 3, 2);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(address_of(i), address_of(j), 6);
        assert_int_equal(mux.port[i].info.flags, NET_INFO_COPIES | NET_INFO_CHECKSUM_RECEIVE);
    }
    assert_memory_equal(address_of(0), card_info.address, 6);
    assert_int_equal(link.filter.own_count, PORTS - 1);
    assert_memory_equal(link.filter.own[0], address_of(1), 6);
    assert_int_equal(mux_init(&mux, &card, 0), EINVAL);
    assert_int_equal(mux_init(&mux, &card, MUX_PORTS_MAX + 1), EINVAL);
}

static void frames_go_out(void **state)
{
    unsigned at = link.count;
    unsigned char expected[1514];

    client_send(1, 0, stranger, address_of(1), 1514);
    turn();
    assert_int_equal(link.count, at + 1);
    assert_int_equal(link.sent[at].operation, NET_SEND);
    assert_int_equal(link.sent[at].length, 1514);
    memset(clients[1].memory, 0xee, 1514); /* what it does now does not matter any more */
    frame_make(expected, stranger, address_of(1), 1514);
    assert_memory_equal(link.memory[link.sent[at].buffer] + link.sent[at].offset, expected, 1514);
    assert_int_equal(clients[1].count, 0);
    card_complete(at, NET_STATUS_OK, 1514, 0);
    turn();
    assert_int_equal(came(1, NET_STATUS_OK), 1);
    client_send(1, 0, stranger, address_of(1), 60);
    turn();
    card_complete(at + 1, NET_STATUS_DROPPED, 0, 0);
    turn();
    assert_int_equal(came(1, NET_STATUS_DROPPED), 1);
}

static void nobody_sends_as_another(void **state)
{
    unsigned at = link.count;

    client_receive(0, 100, 4);
    client_receive(2, 100, 4);
    client_send(1, 0, stranger, address_of(0), 60);
    client_send(1, 1, address_of(2), address_of(0), 60);
    client_send(1, 2, all, stranger, 60);
    turn();
    assert_int_equal(link.count, at);
    assert_int_equal(came(1, NET_STATUS_INVALID), 3);
    assert_int_equal(clients[0].count + clients[2].count, 0);
}

static void what_comes_is_for_one(void **state)
{
    for (unsigned i = 0; i < PORTS; i++)
        client_receive(i, 0, 8);
    turn();
    card_receive(0, address_of(1), 700);
    assert_int_equal(clients[0].count + clients[2].count, 0);
    assert_int_equal(clients[1].count, 1);
    assert_int_equal(clients[1].completion[0].length, 700);
    assert_int_equal(clients[1].completion[0].flags, NET_CHECKSUM_GOOD);
    unsigned char expected[700];
    frame_make(expected, address_of(1), stranger, 700);
    assert_memory_equal(clients[1].memory, expected, 700);
    assert_int_equal(link.count, MUX_FRAMES + 1); /* posted again */
    card_receive(1, stranger, 60);                /* the card let more through */
    assert_int_equal(clients[0].count + clients[1].count + clients[2].count, 1);
    clients[1].count = 0;
    card_receive(2, all, 60);
    for (unsigned i = 0; i < PORTS; i++)
        assert_int_equal(came(i, NET_STATUS_OK), 1);
}

static void expect_frame(unsigned number, const uint8_t *to, uint32_t length)
{
    unsigned char expected[LONG];

    frame_make(expected, to, stranger, length);
    assert_int_equal(clients[number].completion[0].length, length);
    assert_int_equal(clients[number].completion[0].flags, 0);
    assert_memory_equal(clients[number].memory, expected, length);
    assert_int_equal(came(number, NET_STATUS_OK), 1);
}

/* Clients' buffers are filled from their beginning, whatever the card did. */
static void frames_come_in_pieces(void **state)
{
    static const uint32_t lengths[] = {60, NET_MERGE_LEAST - 12, NET_MERGE_LEAST - 11, 1514};
    unsigned which = 0;

    assert_int_equal(mux.port[0].info.receive_size, 1514);
    assert_int_equal(mux.port[0].info.flags & NET_INFO_MERGES, 0);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (unsigned j = 0; j < PORTS; j++)
            client_receive(j, 0, 1);
        turn();
        which += card_receive_merged(which, all, lengths[i]);
        for (unsigned j = 0; j < PORTS; j++)
            expect_frame(j, all, lengths[i]);
    }
    assert_int_equal(link.count, mux.receive_count + which); /* posted again */
    client_receive(2, 0, 1);
    turn();
    which += card_receive_merged(which, address_of(2), 1514);
    expect_frame(2, address_of(2), 1514);
    /* What a client has no buffer for yet waits in all of its places. */
    which += card_receive_merged(which, address_of(1), 1514);
    assert_int_equal(link.count, mux.receive_count + which - 2);
    client_receive(1, 0, 1);
    turn();
    expect_frame(1, address_of(1), 1514);
    assert_int_equal(link.count, mux.receive_count + which);
    which += card_receive_merged(which, address_of(1), 1514);
    client_close(1);
    turn();
    assert_int_equal(link.count, mux.receive_count + which);
}

/* However many places a frame takes, half of all are with the card. */
static void who_has_no_buffers_has_a_share_of_places(void **state)
{
    unsigned which = 0;

    for (unsigned i = 0; i < 400; i++) {
        which += card_receive_merged(which, address_of(i % 2), 1514);
        assert_in_range(link.count - which, mux.receive_count / 2, mux.receive_count);
    }
    assert_int_equal(mux.port[0].device->state.statistics.missed, 200 - KEPT / 2);
    client_receive(2, 0, 1);
    turn();
    which += card_receive_merged(which, address_of(2), 1514);
    expect_frame(2, address_of(2), 1514);
    for (unsigned i = 0; i < 2; i++) {
        client_receive(i, 0, 200);
        turn();
        assert_int_equal(came(i, NET_STATUS_OK), KEPT / 2);
    }
    assert_int_equal(link.count, mux.receive_count + which);
}

static uint32_t random_below(uint32_t limit)
{
    static uint32_t seed = 1;

    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * limit >> 32);
}

/* As many as are in flight, or kept: none is lost, and none is in two places. */
static void expect_all_places(void)
{
    bool seen[MUX_FRAMES] = {false};
    unsigned count = 0;

    for (unsigned slot = 0; slot < NET_SLOTS; slot++) {
        const struct net_client_request *request = &card.table[slot];
        const struct mux_frame *frame = request->context;
        if (!request->in_flight || request->submission.operation != NET_RECEIVE)
            continue;
        assert_false(seen[frame - mux.receive] || frame->is_kept);
        seen[frame - mux.receive] = true;
        count++;
    }
    for (unsigned i = 0; i < mux.receive_count; i++)
        count += mux.receive[i].is_kept;
    assert_int_equal(count, mux.receive_count);
}

/* Frames that come, clients that have buffers or not, that go and come back, and drivers' deaths.
 */
static void no_place_is_lost(void **state)
{
    unsigned which = 0;

    for (unsigned round = 0; round < 3000; round++) {
        unsigned port = random_below(PORTS);
        uint32_t length = 14 + random_below(1501);
        switch (random_below(16)) {
        case 0:
            client_close(port);
            client_open(port);
            break;
        case 1:
            for (uint16_t slot = 0; slot < NET_SLOTS && random_below(8) != 0; slot++) {
                if (!clients[port].session->busy[slot])
                    client_receive(port, slot, 1);
            }
            break;
        case 2:
            if (random_below(4) == 0) { /* in the middle of a frame */
                const struct net_submission *buffer = &link.sent[which];
                memset(link.memory[buffer->buffer] + buffer->offset, 2, NET_MERGE_LEAST);
                memcpy(link.memory[buffer->buffer] + buffer->offset +
                           offsetof(struct net_frame_header, buffers),
                       (uint16_t[]){2}, 2);
                card_complete(which, NET_STATUS_OK, NET_MERGE_LEAST, 0);
            }
            net_client_lost(&card);
            turn();
            expect_all_places();
            assert_int_equal(net_client_resume(&card), 0);
            which = 0;
            break;
        case 3: /* one with nothing in it */
            card_complete(which++, NET_STATUS_DROPPED, 0, 0);
            break;
        default:
            which +=
                card_receive_merged(which, random_below(4) == 0 ? all : address_of(port), length);
        }
        turn();
        for (unsigned i = 0; i < PORTS; i++)
            clients[i].count = 0;
        expect_all_places();
        if (link.count > SENT_MOST / 2) { /* the test's own list begins anew */
            memmove(link.sent, link.sent + which, (link.count - which) * sizeof(link.sent[0]));
            link.count -= which;
            which = 0;
        }
    }
}

/* The buffers of a queue are those that are kept for clients who post none, and in those that are
 * left a frame of any length has room with its header. */
static void the_longest_frames_have_room(void **state)
{
    unsigned which = 0, has = MUX_FRAMES / NET_QUEUES;

    assert_int_equal(mux.port[0].info.queues, 0); /* its client's buffers are the multiplexer's */
    while (which < 3 * MUX_FRAMES)
        which += card_receive_merged(which, address_of(which % PORTS), 1200);
    unsigned kept = MUX_FRAMES + which - link.count;
    assert_in_range(kept, PORTS, has);
    assert_in_range((has - kept) * ROOM, sizeof(struct net_frame_header) + NET_FRAME_MOST,
                    UINT32_MAX);
}

static void frames_in_many_pieces(void **state)
{
    unsigned which = 0;

    for (uint32_t length = 1260; length <= LONG; length += 17) {
        submit(0, NET_RECEIVE, 0, LONG);
        turn();
        which += card_receive_merged(which, address_of(0), length);
        expect_frame(0, address_of(0), length);
    }
    assert_int_equal(link.count, mux.receive_count + which);
}

static void frames_are_flows(void **state)
{
    unsigned at = link.count;

    for (unsigned i = 0; i < PORTS; i++) {
        client_send(i, 0, stranger, address_of(i), 60);
        turn();
        assert_int_equal(link.sent[at + i].flow, i);
    }
}

static void groups_are_for_who_asked(void **state)
{
    struct net_filter filter = {.count = 1};

    memcpy(filter.group[0], group, 6);
    assert_int_equal(net_session_filter(clients[2].session, &filter), 0);
    assert_int_equal(link.filter.count, 1);
    assert_memory_equal(link.filter.group[0], group, 6);
    unsigned told = link.filters;
    assert_int_equal(net_session_filter(clients[2].session, &filter), 0);
    assert_int_equal(link.filters, told); /* nothing new */
    filter = (struct net_filter){.flags = NET_FILTER_PROMISCUOUS};
    assert_int_equal(net_session_filter(clients[1].session, &filter), 0);
    assert_int_equal(link.filter.flags, NET_FILTER_ALL_MULTICAST);
    for (unsigned i = 0; i < PORTS; i++)
        client_receive(i, 0, 8);
    turn();
    card_receive(0, group, 60);
    card_receive(1, address_of(0), 60); /* not for the promiscuous one */
    card_receive(2, stranger, 60);
    assert_int_equal(came(0, NET_STATUS_OK), 1);
    assert_int_equal(came(1, NET_STATUS_OK), 1);
    assert_int_equal(came(2, NET_STATUS_OK), 1);
    client_close(1);
    assert_int_equal(link.filter.flags, 0);
    assert_int_equal(link.filter.count, 1);
}

static void more_groups_than_the_card_has(void **state)
{
    struct net_filter filter = {.count = NET_GROUPS};

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < NET_GROUPS; j++)
            memcpy(filter.group[j], (uint8_t[]){1, 0, 0, 0, (uint8_t)i, (uint8_t)j}, 6);
        assert_int_equal(net_session_filter(clients[i].session, &filter), 0);
    }
    assert_int_equal(link.filter.flags, NET_FILTER_ALL_MULTICAST);
    assert_int_equal(link.filter.count, NET_GROUPS);
}

static void between_clients(void **state)
{
    unsigned at = link.count;

    client_receive(1, 0, 2);
    client_receive(2, 0, 2);
    client_send(0, 0, address_of(1), address_of(0), 1000);
    turn();
    assert_int_equal(link.count, at); /* not on the wire */
    assert_int_equal(came(0, NET_STATUS_OK), 1);
    assert_int_equal(clients[1].completion[0].length, 1000);
    assert_int_equal(came(1, NET_STATUS_OK), 1);
    assert_memory_equal(clients[1].memory, clients[0].memory, 1000);
    client_send(0, 1, all, address_of(0), 64);
    turn();
    assert_int_equal(link.count, at + 1); /* on the wire too */
    assert_int_equal(came(1, NET_STATUS_OK), 1);
    assert_int_equal(came(2, NET_STATUS_OK), 1);
    client_send(0, 2, address_of(1), address_of(0), 64); /* no buffer is left */
    turn();
    assert_int_equal(clients[1].count, 0);
    assert_int_equal(mux.port[1].device->state.statistics.missed, 1);
}

/* What comes faster than it posts buffers waits, some of it, and keeps its order. */
static void a_client_without_buffers(void **state)
{
    enum { MORE = 3 };

    for (unsigned i = 0; i < KEPT + MORE; i++)
        card_receive(i, address_of(1), 60 + i);
    assert_int_equal(clients[1].count, 0);
    assert_int_equal(mux.port[1].device->state.statistics.missed, MORE);
    assert_int_equal(link.count, MUX_FRAMES + MORE); /* the others are not with the card */
    client_receive(2, 0, 1);
    turn();
    card_receive(MUX_FRAMES, address_of(2), 60); /* others are not held up */
    assert_int_equal(came(2, NET_STATUS_OK), 1);
    client_receive(1, 0, 2);
    turn();
    assert_int_equal(clients[1].count, 2);
    assert_int_equal(clients[1].completion[0].length, 60);
    assert_int_equal(clients[1].completion[1].length, 61);
    assert_int_equal(clients[1].completion[1].flags, NET_CHECKSUM_GOOD);
    client_close(1);
    net_client_flush(&card);
    assert_int_equal(link.count, MUX_FRAMES + MORE + 1 + KEPT); /* all are */
}

/* One that floods has its share, and no more. */
static void fair(void **state)
{
    unsigned at = link.count, counts[PORTS] = {0};

    for (unsigned slot = 0; slot < NET_SLOTS; slot++)
        client_send(0, (uint16_t)slot, stranger, address_of(0), 60);
    for (unsigned slot = 0; slot < 10; slot++) {
        client_send(1, (uint16_t)slot, stranger, address_of(1), 60);
        client_send(2, (uint16_t)slot, stranger, address_of(2), 60);
    }
    turn();
    assert_int_equal(link.count - at, MUX_FRAMES / PORTS + 20);
    for (unsigned i = at; i < at + 30; i++) {
        const unsigned char *frame = link.memory[link.sent[i].buffer] + link.sent[i].offset;
        for (unsigned port = 0; port < PORTS; port++)
            counts[port] += memcmp(frame + 6, address_of(port), 6) == 0;
    }
    for (unsigned port = 0; port < PORTS; port++)
        assert_int_equal(counts[port], 10); /* in turn */
    for (unsigned done = at; done < link.count; done++) {
        card_complete(done, NET_STATUS_OK, 60, 0);
        turn();
    }
    assert_int_equal(came(0, NET_STATUS_OK), NET_SLOTS);
    assert_int_equal(came(1, NET_STATUS_OK) + came(2, NET_STATUS_OK), 20);
}

static void a_client_goes_away(void **state)
{
    unsigned at = link.count;

    client_receive(1, 0, 4);
    client_send(1, 10, stranger, address_of(1), 60);
    turn();
    for (unsigned slot = 20; slot < 20 + 2 * MUX_FRAMES / PORTS; slot++)
        client_send(1, (uint16_t)slot, stranger, address_of(1), 60);
    net_turn(); /* some are still waiting */
    client_close(1);
    client_open(1);
    card_complete(at, NET_STATUS_OK, 60, 0); /* its predecessor's */
    card_receive(0, address_of(1), 60);      /* it has no buffer yet */
    assert_int_equal(clients[1].count, 0);
    client_receive(1, 0, 1);
    turn();
    card_receive(1, address_of(1), 60);
    assert_int_equal(came(1, NET_STATUS_OK), 1);
    unsigned free = 0;
    for (const struct mux_frame *frame = mux.free; frame; frame = frame->next)
        free++;
    assert_int_equal(free, MUX_FRAMES);
}

static void the_card_s_driver_dies(void **state)
{
    client_receive(0, 0, 1);
    client_send(0, 10, stranger, address_of(0), 60);
    turn();
    net_client_lost(&card);
    turn();
    assert_int_equal(came(0, NET_STATUS_DROPPED), 1);
    client_send(0, 10, stranger, address_of(0), 60);
    turn();
    assert_int_equal(came(0, NET_STATUS_DROPPED), 1);
    unsigned told = link.filters;
    assert_int_equal(net_client_resume(&card), 0);
    assert_int_equal(link.filters, told + 1);
    assert_int_equal(link.count, MUX_FRAMES);
    card_receive(0, address_of(0), 61);
    assert_int_equal(came(0, NET_STATUS_OK), 1);
}

static void buffers_are_bounded(void **state)
{
    uint64_t address;
    unsigned char byte;

    assert_int_equal(mux_port_attach(&mux.port[0], &byte, (size_t)UINT32_MAX + 1, &address),
                     EINVAL);
    while (mux.port[0].buffer_count < NET_BUFFERS)
        assert_int_equal(mux_port_attach(&mux.port[0], &byte, 1, &address), 0);
    assert_int_equal(mux_port_attach(&mux.port[0], &byte, 1, &address), ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_has_an_address),
        TEST(frames_go_out),
        TEST(nobody_sends_as_another),
        TEST(what_comes_is_for_one),
        TEST(frames_are_flows),
        cmocka_unit_test_setup_teardown(frames_come_in_pieces, setup_merging, teardown),
        cmocka_unit_test_setup_teardown(who_has_no_buffers_has_a_share_of_places, setup_merging,
                                        teardown),
        cmocka_unit_test_setup_teardown(frames_in_many_pieces, setup_long, teardown),
        cmocka_unit_test_setup_teardown(no_place_is_lost, setup_merging, teardown),
        cmocka_unit_test_setup_teardown(the_longest_frames_have_room, setup_huge, teardown),
        TEST(groups_are_for_who_asked),
        TEST(more_groups_than_the_card_has),
        TEST(between_clients),
        TEST(fair),
        TEST(a_client_without_buffers),
        TEST(a_client_goes_away),
        TEST(the_card_s_driver_dies),
        TEST(buffers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
