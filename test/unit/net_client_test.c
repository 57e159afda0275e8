/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network client's core: what counts as an answer, and the death of drivers.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <kit/core/net_client.h>

#include <test/unit/cmocka.h>

enum { SIZE = 65536 };

struct net_client_link {
    struct net_submission sent[NET_SLOTS * 2];
    unsigned count, filters;
};

static uint8_t memory[SIZE];
static struct net_client client;
static struct net_client_link link;
static struct net_info info;
static int reopen_result, filter_result;
static unsigned sent[5], received[5], changes;

static unsigned in_flight(void)
{
    return NET_SLOTS - client.free_count;
}

void net_client_link_put(struct net_client_link *self, const struct net_submission *submission)
{
    assert_true(self->count < NET_SLOTS * 2);
    self->sent[self->count++] = *submission;
}

void net_client_link_publish(struct net_client_link *self)
{
    (void)self;
}

int net_client_link_filter(struct net_client_link *self, const struct net_filter *filter)
{
    (void)filter;
    self->filters++;
    return filter_result;
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

static int setup(void **state)
{
    (void)state;
    memset(&link, 0, sizeof(link));
    memset(sent, 0, sizeof(sent));
    memset(received, 0, sizeof(received));
    changes = 0;
    reopen_result = filter_result = 0;
    info = (struct net_info){.max_frame = 1514, .receive_size = 2048};
    net_client_init(&client, &info, &link);
    net_client_note_buffer(&client, 3, memory, SIZE);
    return 0;
}

static void sent_done(void *context, enum net_completion_status status, uint32_t length,
                      uint8_t flags)
{
    (void)context, (void)length, (void)flags;
    sent[status]++;
}

static void received_done(void *context, enum net_completion_status status, uint32_t length,
                          uint8_t flags)
{
    assert_int_equal(flags & NET_PIECES, 0); /* of this device */
    received[status]++;
    if (context)
        *(uint32_t *)context = length;
}

static void changed(void *context)
{
    (void)context;
    changes++;
}

static int send_one(void)
{
    return net_client_send(&client, &(struct net_place){3, 100, 0}, sent_done, NULL);
}

static int receive_one(uint32_t *length)
{
    return net_client_receive(&client, &(struct net_place){3, 2048, 4096}, received_done, length);
}

static void answer(unsigned which, uint8_t status, uint32_t length)
{
    const struct net_completion completion = {.slot = link.sent[which].slot,
                                              .generation = link.sent[which].generation,
                                              .status = status,
                                              .flags = 0xff,
                                              .length = length};

    net_client_take(&client, &completion, 1, 0);
}

static void answers_end_what_was_asked(void **state)
{
    uint32_t length = 0;

    (void)state;
    assert_int_equal(send_one(), 0);
    assert_int_equal(receive_one(&length), 0);
    assert_int_equal(link.count, 0); /* together, when there is nothing more to add */
    net_client_flush(&client);
    assert_int_equal(link.count, 2);
    answer(1, NET_STATUS_OK, 777);
    answer(0, NET_STATUS_OK, 100);
    assert_int_equal(sent[NET_STATUS_OK], 1);
    assert_int_equal(received[NET_STATUS_OK], 1);
    assert_int_equal(length, 777);
    assert_int_equal(in_flight(), 0);
    answer(0, NET_STATUS_OK, 100); /* once more */
    assert_int_equal(net_client_counts(&client).rejected, 1);
}

static void answers_that_cannot_be(void **state)
{
    static const struct {
        uint8_t status;
        uint32_t length;
    } cases[] = {{NET_STATUS_OK, 2049}, {NET_STATUS_OK, 13}, {4, 100}, {255, 0}};

    (void)state;
    assert_int_equal(receive_one(NULL), 0);
    net_client_take(
        &client,
        &(struct net_completion){.slot = client.batch[0],
                                 .generation = client.table[client.batch[0]].submission.generation,
                                 .length = 60},
        1, 0); /* it was not even told yet */
    net_client_flush(&client);
    net_client_take(&client,
                    &(struct net_completion){.slot = link.sent[0].slot,
                                             .generation = link.sent[0].generation,
                                             .length = 60,
                                             .epoch = 7},
                    1, 8); /* an older driver's, which is nobody's fault */
    net_client_take(&client, &(struct net_completion){.slot = NET_SLOTS, .generation = 1}, 1, 0);
    net_client_take(&client, &(struct net_completion){.slot = 65535, .generation = 1}, 1, 0);
    link.sent[0].generation++;
    answer(0, NET_STATUS_OK, 60);
    link.sent[0].generation--;
    assert_int_equal(net_client_counts(&client).rejected, 4);
    assert_int_equal(in_flight(), 1);
    answer(0, cases[0].status, cases[0].length);
    assert_int_equal(received[NET_STATUS_DROPPED], 1);
    for (unsigned i = 1; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(receive_one(NULL), 0);
        net_client_flush(&client);
        answer(i, cases[i].status, cases[i].length);
        assert_int_equal(received[NET_STATUS_DROPPED], i + 1);
    }
    assert_int_equal(received[NET_STATUS_OK], 0);
}

static void places_that_cannot_be(void **state)
{
    static const struct net_place places[] = {{2, 100, 0},          {16, 100, 0},
                                              {UINT32_MAX, 100, 0}, {3, SIZE + 1, 0},
                                              {3, 100, SIZE - 99},  {3, 100, UINT64_MAX - 50}};

    (void)state;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        assert_int_equal(net_client_send(&client, &places[i], NULL, NULL), EINVAL);
    for (unsigned i = 0; i < NET_SLOTS; i++)
        assert_int_equal(send_one(), 0);
    assert_int_equal(send_one(), EAGAIN);
    assert_int_equal(receive_one(NULL), EAGAIN);
}

/* With the link up, one that stays from one look to the next. */
static void frames_that_do_not_leave(void **state)
{
    struct net_state up = {.link = 1, .changes = 1}, down = {.link = 0, .changes = 2};

    (void)state;
    net_client_note_state(&client, &up);
    assert_int_equal(receive_one(NULL), 0);
    net_client_flush(&client);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS_NOTHING);
    for (unsigned i = 0; i < 3; i++) { /* each look finds another one */
        link.count = 0;
        assert_int_equal(send_one(), 0);
        net_client_flush(&client);
        assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS);
        answer(0, NET_STATUS_OK, 60);
    }
    assert_int_equal(send_one(), 0);
    net_client_flush(&client);
    assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS);
    assert_int_equal(net_client_look(&client), NET_CLIENT_STUCK);
    net_client_note_state(&client, &down);
    assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS);
    assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS);
    up.changes = 3; /* it was down in between, whatever it is now */
    net_client_note_state(&client, &up);
    assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS);
    assert_int_equal(net_client_look(&client), NET_CLIENT_STUCK);
    net_client_lost(&client);
    assert_int_equal(net_client_look(&client), NET_CLIENT_SENDS_NOTHING);
}

static void the_interface_outlives_its_driver(void **state)
{
    const struct net_filter filter = {.flags = NET_FILTER_PROMISCUOUS};
    struct net_state net = {.changes = 1, .link = 7, .statistics = {.sent_frames = 5}};
    uint32_t length = 0;

    (void)state;
    net_client_watch(&client, changed, NULL);
    net_client_note_state(&client, &net);
    assert_int_equal(changes, 1);
    assert_int_equal(net_client_filter(&client, &filter), 0);
    assert_int_equal(send_one(), 0);
    assert_int_equal(receive_one(&length), 0);
    net_client_flush(&client);
    assert_int_equal(receive_one(&length), 0); /* in the batch */

    net_client_lost(&client);
    assert_int_equal(sent[NET_STATUS_DROPPED], 1);
    assert_int_equal(in_flight(), 2);
    assert_int_equal(changes, 2);
    net_client_state(&client, &net);
    assert_int_equal(net.link, 0);
    assert_int_equal(net.statistics.sent_frames, 5);
    assert_int_equal(send_one(), ENETDOWN);
    assert_int_equal(receive_one(&length), 0);
    answer(1, NET_STATUS_OK, 60); /* by the dead one */
    assert_int_equal(received[NET_STATUS_OK], 0);

    reopen_result = EAGAIN;
    assert_int_equal(net_client_resume(&client), EAGAIN);
    reopen_result = 0;
    info.queues = 4; /* which its clients may have to know */
    memset(&link, 0, sizeof(link));
    assert_int_equal(net_client_resume(&client), 0);
    assert_int_equal(net_client_info(&client)->queues, 4);
    assert_int_equal(link.filters, 1);
    assert_int_equal(link.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(link.sent[i].operation, NET_RECEIVE);
        answer(i, NET_STATUS_OK, 60 + i);
    }
    assert_int_equal(received[NET_STATUS_OK], 3);
    assert_int_equal(send_one(), 0);
    net = (struct net_state){.changes = 1, .link = 1, .statistics = {.sent_frames = 2}};
    net_client_note_state(&client, &net);
    net_client_state(&client, &net);
    assert_int_equal(net.statistics.sent_frames, 7);
    struct net_client_counts counts = net_client_counts(&client);
    assert_int_equal(counts.recoveries, 1);
    assert_int_equal(counts.dropped, 1);
    assert_int_equal(counts.reposted, 3);
}

static void another_device_by_that_name(void **state)
{
    static const struct net_info others[] = {
        {.max_frame = 1513, .receive_size = 2048},
        {.max_frame = 1514, .receive_size = 2049},
        {.max_frame = 1514, .receive_size = 2048, .flags = NET_INFO_MERGES}};

    for (unsigned i = 0; i < 3; i++) {
        setup(state);
        assert_int_equal(receive_one(NULL), 0);
        net_client_flush(&client);
        net_client_lost(&client);
        info = others[i];
        assert_int_equal(net_client_resume(&client), 0);
        assert_int_equal(received[NET_STATUS_GONE], 1);
        assert_int_equal(send_one(), ENODEV);
        assert_int_equal(receive_one(NULL), ENODEV);
    }
}

static void descriptions_that_cannot_be(void **state)
{
    struct net_info good = {.max_frame = 1514, .receive_size = 1514};
    struct net_info bad[7];

    (void)state;
    assert_true(net_info_is_possible(&good));
    for (unsigned i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].max_frame = 14;
    bad[1].max_frame = bad[1].receive_size = NET_FRAME_MOST + 1;
    bad[2].receive_size = 1513;
    bad[3].receive_size = UINT32_MAX;
    bad[4].address[0] = 1;
    bad[5] = (struct net_info){
        .max_frame = 1514, .receive_size = NET_MERGE_LEAST - 1, .flags = NET_INFO_MERGES};
    bad[6].queues = NET_QUEUES + 1;
    for (unsigned i = 0; i < 7; i++)
        assert_false(net_info_is_possible(&bad[i]));
    bad[5].receive_size++;
    assert_true(net_info_is_possible(&bad[5]));
}

/* A frame as long as any, and its header, in each of them. */
static void how_many_buffers(void **state)
{
    static const struct {
        uint32_t flags, length;
        uint16_t queues;
        unsigned least;
    } cases[] = {{0, 1514, 0, 1},
                 {0, 65535, 4, 4},
                 {NET_INFO_MERGES, 2048, 1, 33},
                 {NET_INFO_MERGES, 2048, 4, 132},
                 {NET_INFO_MERGES, 1536, 0, 43},
                 {NET_INFO_MERGES, 65536, 2, 4}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct net_info of = {.flags = cases[i].flags, .queues = cases[i].queues};
        assert_int_equal(net_buffers_least(&of, cases[i].length), cases[i].least);
    }
}

enum { PLACE = 2048 };
static struct {
    uint32_t length;
    unsigned count;
    uint8_t whole[9014];
} frame;

static void piece_done(void *context, enum net_completion_status status, uint32_t length,
                       uint8_t flags)
{
    received[status]++;
    if (status != NET_STATUS_OK)
        return;
    assert_true(flags & NET_PIECES);
    const struct net_piece *pieces = net_client_pieces(&client, &frame.count);
    assert_ptr_equal(pieces[0].context, context);
    frame.length = length;
    const unsigned char *data = net_client_whole(&client, frame.whole);
    if (frame.count == 1)
        memcpy(frame.whole, data, length);
}

/* A device that merges buffers, and `count` of them, told to it. */
static void merging_begin(void **state, unsigned count)
{
    setup(state);
    memset(&frame, 0, sizeof(frame));
    info = (struct net_info){.max_frame = 9014, .receive_size = PLACE, .flags = NET_INFO_MERGES};
    net_client_init(&client, &info, &link);
    net_client_note_buffer(&client, 3, memory, SIZE);
    for (unsigned i = 0; i < count; i++) {
        memset(memory + i * PLACE, (int)i + 1, PLACE);
        assert_int_equal(net_client_receive(&client, &(struct net_place){3, PLACE, i * PLACE},
                                            piece_done, memory + i * PLACE),
                         0);
    }
    net_client_flush(&client);
}

static void header_put(unsigned place, uint16_t buffers)
{
    memcpy(memory + place * PLACE + offsetof(struct net_frame_header, buffers), &buffers, 2);
}

static void frames_in_pieces(void **state)
{
    merging_begin(state, 4);
    header_put(0, 1);
    answer(0, NET_STATUS_OK, 112);
    assert_int_equal(frame.length, 100);
    assert_int_equal(frame.count, 1);
    header_put(1, 3);
    answer(1, NET_STATUS_OK, PLACE);
    answer(2, NET_STATUS_OK, PLACE);
    assert_int_equal(received[NET_STATUS_OK], 1);
    assert_int_equal(in_flight(), 3); /* they are the device's until all are here */
    answer(1, NET_STATUS_OK, PLACE);  /* once more */
    assert_int_equal(net_client_counts(&client).rejected, 1);
    answer(3, NET_STATUS_OK, 1);
    assert_int_equal(received[NET_STATUS_OK], 2);
    assert_int_equal(received[NET_STATUS_PIECE], 2);
    assert_int_equal(frame.length, 2 * PLACE - 12 + 1);
    assert_int_equal(frame.whole[0], 2);
    assert_int_equal(frame.whole[PLACE - 12], 3);
    assert_int_equal(frame.whole[2 * PLACE - 12], 4);
    assert_int_equal(in_flight(), 0);
}

/* The driver dies in the middle of a frame: nothing of it is told, and its buffers wait for frames
 * with the next one. */
static void a_death_between_pieces(void **state)
{
    merging_begin(state, 4);
    header_put(0, 3);
    answer(0, NET_STATUS_OK, PLACE);
    answer(1, NET_STATUS_OK, PLACE);
    net_client_lost(&client);
    answer(2, NET_STATUS_OK, 5);
    memset(&link, 0, sizeof(link));
    assert_int_equal(net_client_resume(&client), 0);
    net_client_flush(&client);
    assert_int_equal(link.count, 4);
    assert_int_equal(received[NET_STATUS_OK] + received[NET_STATUS_DROPPED], 0);
    header_put(0, 1);
    answer(0, NET_STATUS_OK, 72);
    assert_int_equal(frame.length, 60);
    header_put(1, 2);
    answer(1, NET_STATUS_OK, PLACE);
    net_client_lost(&client);
    reopen_result = ENODEV;
    net_client_resume(&client);
    assert_int_equal(received[NET_STATUS_GONE], 3);
    assert_int_equal(in_flight(), 0);
}

static void pieces_that_cannot_be(void **state)
{
    static const struct {
        uint16_t buffers;
        uint32_t first;
        unsigned dropped; /* at once */
    } cases[] = {{0, 100, 1}, {1, 25, 1}, {5, PLACE, 1}, {65535, PLACE, 1}, {2, PLACE - 1, 1}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        merging_begin(state, 4);
        header_put(0, cases[i].buffers);
        answer(0, NET_STATUS_OK, cases[i].first);
        assert_int_equal(received[NET_STATUS_DROPPED], cases[i].dropped);
        assert_int_equal(net_client_counts(&client).rejected, 1);
        header_put(1, 1); /* the next one is a frame */
        answer(1, NET_STATUS_OK, 112);
        assert_int_equal(received[NET_STATUS_OK], 1);
    }
    merging_begin(state, 8); /* longer than any, but counted rightly */
    header_put(0, 7);
    for (unsigned i = 0; i < 7; i++)
        answer(i, NET_STATUS_OK, PLACE);
    assert_int_equal(received[NET_STATUS_DROPPED], 7);
    assert_int_equal(net_client_counts(&client).rejected, 0);
    merging_begin(state, 8); /* one comes back with nothing, in the middle, as its driver counted */
    header_put(0, 3);
    answer(0, NET_STATUS_OK, PLACE);
    answer(1, NET_STATUS_DROPPED, 0);
    assert_int_equal(received[NET_STATUS_DROPPED], 2);
    assert_int_equal(client.frame_errors, 0);
    header_put(2, 1);
    answer(2, NET_STATUS_OK, 112);
    assert_int_equal(received[NET_STATUS_OK], 1);
}

/* Where a buffer has no room for a header, none is looked for behind it. */
static void a_buffer_at_the_end_of_memory(void **state)
{
    enum { PAGE = 4096 };
    unsigned char *pages =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
    merging_begin(state, 0);
    net_client_note_buffer(&client, 4, pages, PAGE);
    assert_int_equal(
        net_client_receive(&client, &(struct net_place){4, 8, PAGE - 8}, piece_done, NULL), 0);
    net_client_flush(&client);
    answer(0, NET_STATUS_OK, 8);
    assert_int_equal(received[NET_STATUS_DROPPED], 1);
    assert_int_equal(net_client_counts(&client).rejected, 1);
    munmap(pages, 2 * PAGE);
}

/* What is being sent is no room for a frame. */
static void only_buffers_are_counted(void **state)
{
    merging_begin(state, 4);
    assert_int_equal(send_one(), 0);
    net_client_flush(&client);
    header_put(0, 5);
    answer(0, NET_STATUS_OK, PLACE);
    assert_int_equal(received[NET_STATUS_DROPPED], 1);
    header_put(1, 3); /* but for those that are there */
    for (unsigned i = 1; i < 4; i++)
        answer(i, NET_STATUS_OK, i < 3 ? PLACE : 0);
    assert_int_equal(received[NET_STATUS_OK], 0); /* the last one was empty */
    assert_int_equal(received[NET_STATUS_DROPPED], 4);
}

/* Nobody's room for a whole one is overrun, in one piece or in several of unlike lengths. */
static void frames_longer_than_the_longest(void **state)
{
    static const struct net_place places[] = {
        {3, 1280, 0}, {3, 3000, 2048}, {3, 1280, 6144}, {3, 2048, 8192}};

    for (uint32_t more = 0; more < 2; more++) {
        merging_begin(state, 0);
        client.info.max_frame = 1514;
        assert_int_equal(net_client_receive(&client, &places[1], piece_done, memory + 2048), 0);
        net_client_flush(&client);
        header_put(1, 1);
        answer(0, NET_STATUS_OK, 12 + 1514 + more);
        assert_int_equal(received[more ? NET_STATUS_DROPPED : NET_STATUS_OK], 1);
        merging_begin(state, 0);
        client.info.max_frame = 1268 + 3000 + 1280 + 50;
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(
                net_client_receive(&client, &places[i], piece_done, memory + places[i].offset), 0);
        net_client_flush(&client);
        memset(memory, 0, SIZE);
        memory[2048 + 2999] = 7;
        memory[8192 + 49] = 9;
        header_put(0, 4);
        for (unsigned i = 0; i < 4; i++)
            answer(i, NET_STATUS_OK, i < 3 ? places[i].length : 50 + more);
        assert_int_equal(received[NET_STATUS_OK], !more);
        assert_int_equal(received[NET_STATUS_DROPPED], more ? 4 : 0);
        if (more)
            continue;
        assert_int_equal(frame.length, client.info.max_frame);
        assert_int_equal(frame.whole[1268 + 2999], 7);
        assert_int_equal(frame.whole[client.info.max_frame - 1], 9);
    }
}

/* Places too short for any device, of which a driver makes more pieces than there may be. */
static void more_pieces_than_any_frame_has(void **state)
{
    enum { COUNT = NET_PIECES_MOST + 6, SHORT = 40 };

    merging_begin(state, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(
            net_client_receive(&client, &(struct net_place){3, SHORT, i * SHORT}, piece_done, NULL),
            0);
    net_client_flush(&client);
    header_put(0, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        answer(i, NET_STATUS_OK, SHORT);
    assert_int_equal(received[NET_STATUS_DROPPED], COUNT);
    assert_int_equal(in_flight(), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_end_what_was_asked),
        TEST(answers_that_cannot_be),
        TEST(places_that_cannot_be),
        TEST(frames_that_do_not_leave),
        TEST(the_interface_outlives_its_driver),
        TEST(another_device_by_that_name),
        TEST(descriptions_that_cannot_be),
        TEST(how_many_buffers),
        TEST(frames_in_pieces),
        TEST(a_death_between_pieces),
        TEST(pieces_that_cannot_be),
        TEST(only_buffers_are_counted),
        TEST(a_buffer_at_the_end_of_memory),
        TEST(frames_longer_than_the_longest),
        TEST(more_pieces_than_any_frame_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
