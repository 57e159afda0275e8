/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's core between a driver that the test plays and clients that it plays too.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <kit/clock.h>
#include <kit/core/block.h>
#include <kit/core/queue.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512, BLOCKS = 1000, BUFFER = 64 * 1024, ADDRESS = 0x10000000, ROOM = 4 };

static struct {
    struct block_request *started[64];
    unsigned count, kicks, room;
    bool done; /* has completed what it was given */
} driver;

static struct {
    struct block_completion completion[64];
    unsigned count, ended;
    bool deaf; /* takes no completions */
} client[2];

static struct block_device *device;
static struct block_session *session[2];
static uint32_t buffer;

static struct clock_timer *timer; /* that runs */
static const char *given_up;      /* why */
static jmp_buf ended;
static const char *problem; /* that the driver finds */

static uint64_t now;

uint64_t clock_now(void)
{
    return now;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds;
}

void clock_timer_start(struct clock_timer *started, uint64_t after, void (*expired)(void *),
                       void *context)
{
    *started = (struct clock_timer){after, expired, context, NULL, 1};
    timer = started;
}

void clock_timer_cancel(struct clock_timer *canceled)
{
    canceled->running = 0;
    timer = NULL;
}

void block_give_up(const char *why)
{
    given_up = why;
    longjmp(ended, 1);
}

static const char *driver_watch(void *context)
{
    (void)context;
    return problem;
}

static bool driver_start(void *context, struct block_request *request)
{
    (void)context;
    if (driver.count == driver.room)
        return false;
    driver.started[driver.count++] = request;
    return true;
}

static void driver_kick(void *context)
{
    (void)context;
    driver.kicks++;
}

static const struct block_device_ops ops = {.start = driver_start, .kick = driver_kick};

static unsigned client_deliver(void *link, struct block_completion *completions, unsigned count)
{
    unsigned who = (unsigned)(uintptr_t)link;

    if (client[who].deaf)
        return 0;
    for (unsigned i = 0; i < count; i++)
        client[who].completion[client[who].count++] = completions[i];
    return count;
}

static void client_ended(void *link, struct block_session *ended)
{
    (void)ended;
    client[(uintptr_t)link].ended++;
}

static const struct block_transport transport = {client_deliver, client_ended};

/* The core keeps its devices for the life of the task: one device serves all tests. */
static int setup(void **state)
{
    static const struct block_device_limits limits = {.blocks = BLOCKS,
                                                      .block_size = BLOCK,
                                                      .max_transfer = 32 * BLOCK,
                                                      .flags = BLOCK_INFO_SCATTER |
                                                               BLOCK_INFO_VOLATILE_CACHE,
                                                      .serial = "s"};

    (void)state;
    memset(&driver, 0, sizeof(driver));
    memset(client, 0, sizeof(client));
    driver.room = ROOM;
    if (!device)
        assert_int_equal(block_device_create(&limits, &ops, NULL, &device), 0);
    for (uintptr_t who = 0; who < 2; who++) {
        struct block_range range = block_device_range(device);
        assert_int_equal(
            block_session_create(device, &range, true, &transport, (void *)who, &session[who]), 0);
        assert_int_equal(block_session_attach(session[who], ADDRESS, BUFFER, &buffer), 0);
    }
    return 0;
}

static void driver_finish_all(enum block_status status)
{
    unsigned count = driver.count;

    driver.count = 0;
    for (unsigned i = 0; i < count; i++)
        block_request_done(driver.started[i], status);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++) {
        if (session[who])
            block_session_end(session[who]);
        session[who] = NULL;
    }
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    return 0;
}

static struct block_submission request(uint16_t slot, uint64_t block, uint32_t count)
{
    return (struct block_submission){.operation = BLOCK_READ,
                                     .slot = slot,
                                     .generation = 7u + slot,
                                     .block = block,
                                     .count = count,
                                     .buffer = buffer};
}

static int submit(unsigned who, struct block_submission submission)
{
    return block_session_submit(session[who], &submission);
}

static void a_request_goes_through(void **state)
{
    struct block_submission submission = request(3, 10, 8);

    (void)state;
    submission.offset = 4096;
    assert_int_equal(submit(0, submission), 0);
    assert_int_equal(driver.count, 0); /* not before the turn's end */
    block_turn();
    assert_int_equal(driver.count, 1);
    assert_int_equal(driver.kicks, 1);
    assert_int_equal(driver.started[0]->block, 10);
    assert_int_equal(driver.started[0]->address, ADDRESS + 4096);
    assert_int_equal(driver.started[0]->length, 8 * BLOCK);
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(client[0].count, 1);
    assert_int_equal(client[0].completion[0].slot, 3);
    assert_int_equal(client[0].completion[0].generation, 10);
    assert_int_equal(client[0].completion[0].length, 8 * BLOCK);
}

static enum block_status status_of(struct block_submission submission)
{
    client[0].count = 0;
    assert_int_equal(submit(0, submission), 0);
    block_turn();
    assert_int_equal(driver.count, 0); /* it never reached the driver */
    assert_int_equal(client[0].count, 1);
    assert_int_equal(client[0].completion[0].length, 0);
    return (enum block_status)client[0].completion[0].status;
}

static struct side {
    struct queue_side side;
    unsigned char gap[QUEUE_ENTRIES_OFFSET - sizeof(struct queue_side)];
    struct block_submission entry[BLOCK_SLOTS];
} theirs, ours;

/* A client that takes its completions only when the turn ends, as between tasks. */
static void a_slot_in_a_ring_is_taken_once(void **state)
{
    const char *problem;
    struct queue queue;

    (void)state;
    memset(&theirs, 0, sizeof(theirs));
    queue_init(&queue, &ours, &theirs, BLOCK_SLOTS);
    theirs.entry[0] = request(0, 0, 1);
    theirs.side.published = 1;
    assert_int_equal(block_session_take(session[0], &queue, &problem), 0);
    block_turn();
    driver_finish_all(BLOCK_STATUS_OK); /* by an interrupt: nobody was told of it yet */
    theirs.entry[1] = request(1, 0, 1);
    theirs.side.published = 2;
    assert_int_equal(block_session_take(session[0], &queue, &problem), 0);
    theirs.entry[2] = request(0, 0, 1);
    theirs.side.published = 3;
    assert_int_equal(block_session_take(session[0], &queue, &problem), EPROTO);
    block_turn();
    assert_int_equal(client[0].count, 1);
    theirs.entry[3] = request(0, 0, 1);
    theirs.side.published = 4;
    assert_int_equal(block_session_take(session[0], &queue, &problem), 0);

    /* What is answered at once is answered once, too. */
    theirs.entry[4] = theirs.entry[5] = request(2, BLOCKS, 1);
    theirs.side.published = 6;
    assert_int_equal(block_session_take(session[0], &queue, &problem), EPROTO);
    block_turn();
    assert_int_equal(client[0].count, 2);
    theirs.entry[6] = request(2, BLOCKS, 1);
    theirs.side.published = 7;
    assert_int_equal(block_session_take(session[0], &queue, &problem), 0);
}

/* From the client's ring to the session's, as it is between tasks. */
static void rings_are_used_in_place(void **state)
{
    static struct block_completion ring[BLOCK_SLOTS];
    const char *problem;
    struct queue queue;

    (void)state;
    memset(&theirs, 0, sizeof(theirs));
    queue_init(&queue, &ours, &theirs, BLOCK_SLOTS);
    block_session_place(session[0], ring, 9);
    for (uint16_t slot = 0; slot < 2; slot++)
        theirs.entry[slot] = request(slot, slot == 0 ? 10 : BLOCKS, 8);
    theirs.side.published = 2;
    assert_int_equal(block_session_take(session[0], &queue, &problem), 0);
    block_turn();
    assert_int_equal(driver.count, 1);
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(ring[0].slot, 1);
    assert_int_equal(ring[0].status, BLOCK_STATUS_RANGE);
    assert_int_equal(ring[1].slot, 0);
    assert_int_equal(ring[1].generation, 7);
    assert_int_equal(ring[1].length, 8 * BLOCK);
    assert_int_equal(ring[1].epoch, 9);
    theirs.entry[2].slot = BLOCK_SLOTS;
    theirs.side.published = 3;
    assert_int_equal(block_session_take(session[0], &queue, &problem), EPROTO);
    theirs.side.published = 3 + BLOCK_SLOTS + 1;
    assert_int_equal(block_session_take(session[0], &queue, &problem), EPROTO);
}

static void bad_requests_are_answered(void **state)
{
    struct block_submission s;

    (void)state;
    s = request(0, BLOCKS, 1);
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = request(0, BLOCKS - 1, 2);
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = request(0, UINT64_MAX, 1);
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = request(0, 0, 0);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 33);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, UINT32_MAX);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.offset = BUFFER - BLOCK + 4;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.offset = UINT64_MAX - 3;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.offset = 2;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.buffer = 1;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.buffer = UINT32_MAX;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.operation = 77;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.flags = BLOCK_POLLED | BLOCK_INTERRUPT;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 0, 1), s.flags = 1u << 3;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = request(0, 5, 0), s.operation = BLOCK_FLUSH;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
}

/* What was found out of one request is not believed of another. */
static void a_good_request_excuses_no_other(void **state)
{
    const struct block_submission good = request(1, BLOCKS - 2, 2);
    struct block_submission s;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        s = good, s.block -= i, s.offset = BUFFER - 2 * BLOCK - 4 * i;
        assert_int_equal(submit(0, s), 0);
        block_turn();
        assert_int_equal(driver.count, 1);
        assert_int_equal(driver.started[0]->block, BLOCKS - 2 - i);
        assert_int_equal(driver.started[0]->count, 2);
        assert_int_equal(driver.started[0]->address, ADDRESS + BUFFER - 2 * BLOCK - 4 * i);
        assert_int_equal(driver.started[0]->length, 2 * BLOCK);
        driver_finish_all(BLOCK_STATUS_OK);
        block_turn();
    }
    s = good, s.block++;
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = good, s.block = UINT64_MAX;
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = good, s.offset = BUFFER - 2 * BLOCK + 4;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = good, s.offset = UINT64_MAX - 3;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = good, s.offset = 2;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = good, s.count = 3;
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = good, s.buffer++;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = good, s.operation = 77;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = good, s.flags = BLOCK_POLLED | BLOCK_INTERRUPT;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
}

/* 10 blocks in three places: 5, 2 and 3. */
static struct block_submission scattered(void)
{
    struct block_submission s = request(0, 10, 10);

    s.flags = BLOCK_SCATTER | BLOCK_POLLED;
    s.offset = 4096;
    s.part[0] = block_part_make(buffer, 2, 512);
    s.part[1] = block_part_make(buffer, 3, BUFFER - 3 * BLOCK);
    return s;
}

static void a_request_in_several_places(void **state)
{
    static const struct block_segment expected[] = {
        {ADDRESS + 4096, 5 * BLOCK}, {ADDRESS + 512, 2 * BLOCK}, {ADDRESS + 62 * 1024 + 512, 1536}};

    (void)state;
    assert_int_equal(submit(0, scattered()), 0);
    block_turn();
    const struct block_request *started = driver.started[0];
    assert_int_equal(driver.count, 1);
    assert_int_equal(started->block, 10);
    assert_int_equal(started->length, 10 * BLOCK);
    assert_int_equal(started->address, ADDRESS + 4096);
    assert_int_equal(started->segment_count, 3);
    assert_memory_equal(started->segments, expected, sizeof(expected));
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(client[0].completion[0].length, 10 * BLOCK);

    /* What is left in a ring's entry without the flag is not looked at. */
    struct block_submission s = scattered();
    s.flags = 0;
    assert_int_equal(submit(0, s), 0);
    block_turn();
    assert_null(driver.started[0]->segments);
}

static void bad_parts_are_refused(void **state)
{
    struct block_submission s;

    (void)state;
    s = scattered(), s.operation = BLOCK_FLUSH;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.operation = 0;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.flags = BLOCK_SCATTER | BLOCK_POLLED | BLOCK_INTERRUPT;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.flags = UINT8_MAX;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.block = BLOCKS - 9;
    assert_int_equal(status_of(s), BLOCK_STATUS_RANGE);
    s = scattered(), s.count = 33;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.count = UINT32_MAX;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.count = 5; /* nothing is left for the first */
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.count = 0;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.count = 0, s.part[0] = s.part[1] = 0;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.offset = 2;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.offset = BUFFER - 4 * BLOCK;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.buffer = BLOCK_BUFFERS;
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(buffer, 3, BUFFER - 3 * BLOCK + 4);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(buffer, 3, UINT32_MAX * UINT64_C(4));
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(buffer + 1, 3, 0);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(UINT8_MAX, 3, 0);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(buffer, BLOCK_PART_BLOCKS_MAX, 0);
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[1] = block_part_make(buffer, 0, 512); /* of nothing */
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
    s = scattered(), s.part[3] = s.part[1], s.part[1] = 0; /* a gap */
    assert_int_equal(status_of(s), BLOCK_STATUS_INVALID);
}

/* In a client's ring, whose second page is not there until it is looked at. */
static struct block_submission *changing;

static void change(int number)
{
    (void)number;
    mprotect((char *)(changing) + 32, 4096, PROT_READ | PROT_WRITE);
    changing->offset = 8192;
    changing->count = 11;
}

/* What a client changes meanwhile is not looked at again: the words are read before the parts. */
static void each_word_is_read_once(void **state)
{
    struct sigaction old, handler = {.sa_handler = change};
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    changing = (struct block_submission *)(pages + 4096 - offsetof(struct block_submission, part));
    *changing = scattered();
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    sigaction(SIGSEGV, &handler, &old);
    int error = block_session_submit(session[0], changing);
    sigaction(SIGSEGV, &old, NULL);
    assert_int_equal(error, 0);
    assert_int_equal(changing->offset, 8192);
    block_turn();
    assert_int_equal(driver.count, 1);
    assert_int_equal(driver.started[0]->count, 10);
    assert_int_equal(driver.started[0]->address, ADDRESS + 4096);
    assert_int_equal(driver.started[0]->segments[0].address, ADDRESS + 4096);
    munmap(pages, 8192);
}

static void a_reader_writes_no_parts(void **state)
{
    struct block_range range = block_device_range(device);
    struct block_submission s = scattered();
    struct block_session *reader;

    (void)state;
    s.operation = BLOCK_WRITE;
    assert_int_equal(block_session_create(device, &range, false, &transport, (void *)1, &reader),
                     0);
    assert_int_equal(block_session_attach(reader, ADDRESS, BUFFER, &buffer), 0);
    assert_int_equal(block_session_submit(reader, &s), 0);
    block_turn();
    assert_int_equal(driver.count, 0);
    assert_int_equal(client[1].completion[0].status, BLOCK_STATUS_READ_ONLY);
    block_session_end(reader);
}

static void slots_are_the_clients_to_keep_apart(void **state)
{
    (void)state;
    assert_int_equal(submit(0, request(BLOCK_SLOTS, 0, 1)), EPROTO);
    assert_int_equal(submit(0, request(5, 0, 1)), 0);
    assert_int_equal(submit(0, request(5, 0, 1)), EPROTO);
    block_turn();
    driver_finish_all(BLOCK_STATUS_OK);
    client[0].deaf = true;
    assert_true(block_turn() == CLOCK_MILLISECOND);
    assert_int_equal(submit(0, request(5, 0, 1)), EPROTO); /* its completion is still here */
    client[0].deaf = false;
    assert_true(block_turn() == BLOCK_TURN_NEVER);
    assert_int_equal(submit(0, request(5, 0, 1)), 0);
}

static void read_only_sessions_do_not_write(void **state)
{
    struct block_session *reader;
    struct block_range range = block_device_range(device);
    struct block_submission s = request(0, 0, 1);

    (void)state;
    assert_int_equal(block_session_create(device, &range, false, &transport, (void *)1, &reader),
                     0);
    assert_int_equal(block_session_attach(reader, ADDRESS, BUFFER, &buffer), 0);
    s.operation = BLOCK_WRITE;
    assert_int_equal(block_session_submit(reader, &s), 0);
    block_turn();
    assert_int_equal(driver.count, 0);
    assert_int_equal(client[1].completion[0].status, BLOCK_STATUS_READ_ONLY);
    block_session_end(reader);
}

static void a_full_driver_is_shared_fairly(void **state)
{
    (void)state;
    for (uint16_t slot = 0; slot < 20; slot++)
        assert_int_equal(submit(0, request(slot, slot, 1)), 0);
    assert_int_equal(submit(1, request(0, 500, 1)), 0);
    block_turn();
    assert_int_equal(driver.count, ROOM);
    bool served = false;
    for (unsigned i = 0; i < ROOM; i++)
        served |= driver.started[i]->block == 500;
    assert_true(served); /* in the first batch, though twenty were before it */

    for (unsigned turn = 0; turn < 10; turn++) {
        driver_finish_all(BLOCK_STATUS_OK);
        block_turn();
    }
    assert_int_equal(client[0].count, 20);
    assert_int_equal(client[1].count, 1);
    for (unsigned i = 0; i < 20; i++) /* and in order within a session */
        assert_int_equal(client[0].completion[i].slot, i);
}

static void a_session_ends_when_the_driver_has_let_go(void **state)
{
    (void)state;
    for (uint16_t slot = 0; slot < 10; slot++)
        assert_int_equal(submit(0, request(slot, 0, 1)), 0);
    block_turn();
    assert_int_equal(driver.count, ROOM);
    block_session_end(session[0]);
    session[0] = NULL;
    assert_int_equal(client[0].ended, 0); /* the device may still write to its buffers */
    driver.room = 64;
    block_request_done(driver.started[--driver.count], BLOCK_STATUS_OK);
    assert_int_equal(submit(1, request(0, 0, 1)), 0);
    block_turn();
    assert_int_equal(driver.count, ROOM); /* what waited is not started beside another's */
    driver_finish_all(BLOCK_STATUS_OK);
    assert_int_equal(client[0].ended, 1);
    block_turn();
    assert_int_equal(driver.count, 0); /* what waited is gone */
    assert_int_equal(client[0].count, 0);
}

static enum block_status status_in(struct block_session *which, struct block_submission submission)
{
    unsigned before = client[1].count;

    assert_int_equal(block_session_submit(which, &submission), 0);
    block_turn();
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(client[1].count, before + 1);
    return (enum block_status)client[1].completion[before].status;
}

static void a_bounded_session_sees_its_part(void **state)
{
    struct block_range whole = block_device_range(device), part;
    struct block_session *bounded;
    struct block_info info;

    (void)state;
    assert_int_equal(block_range_bound(&whole, 100, 50, true, &part), 0);
    assert_int_equal(block_session_create(device, &part, true, &transport, (void *)1, &bounded), 0);
    assert_int_equal(block_session_attach(bounded, ADDRESS, BUFFER, &buffer), 0);
    block_session_info(bounded, &info);
    assert_int_equal(info.blocks, 50);
    assert_int_equal(info.flags & BLOCK_INFO_READ_ONLY, 0);

    assert_int_equal(status_in(bounded, request(0, 0, 1)), BLOCK_STATUS_OK);
    assert_int_equal(driver.started[0]->block, 100);
    assert_int_equal(status_in(bounded, request(0, 47, 3)), BLOCK_STATUS_OK);
    assert_int_equal(driver.started[0]->block, 147);
    assert_int_equal(status_in(bounded, request(0, 48, 3)), BLOCK_STATUS_RANGE);
    assert_int_equal(status_in(bounded, request(0, 50, 1)), BLOCK_STATUS_RANGE);
    assert_int_equal(status_in(bounded, request(0, UINT64_MAX, 1)), BLOCK_STATUS_RANGE);
    assert_int_equal(status_in(bounded, request(0, UINT64_MAX - 99, 8)), BLOCK_STATUS_RANGE);
    struct block_submission flush = {.operation = BLOCK_FLUSH};
    assert_int_equal(status_in(bounded, flush), BLOCK_STATUS_OK);
    assert_int_equal(driver.started[0]->block, 0);
    block_session_end(bounded);
}

static void a_device_without_a_cache_has_nothing_to_flush(void **state)
{
    struct block_submission flush = {.operation = BLOCK_FLUSH};

    (void)state;
    device->limits.flags &= ~(uint32_t)BLOCK_INFO_VOLATILE_CACHE;
    assert_int_equal(status_of(flush), BLOCK_STATUS_OK);
    device->limits.flags |= BLOCK_INFO_VOLATILE_CACHE;
}

static void bounds_nest(void **state)
{
    struct block_range whole = block_device_range(device), outer, inner, none;

    (void)state;
    assert_int_equal(block_range_bound(&whole, 100, 900, false, &outer), 0);
    assert_int_equal(block_range_bound(&outer, 10, 20, false, &inner), 0);
    assert_int_equal(inner.first, 110);
    assert_int_equal(inner.count, 20);
    assert_int_equal(block_range_bound(&inner, 0, 20, false, &none), 0);
    assert_int_equal(block_range_bound(&inner, 0, 20, true, &none), EROFS);
    assert_int_equal(block_range_bound(&inner, 1, 20, false, &none), ERANGE);
    assert_int_equal(block_range_bound(&inner, 20, 1, false, &none), ERANGE);
    assert_int_equal(block_range_bound(&inner, 0, 0, false, &none), EINVAL);
    assert_int_equal(block_range_bound(&inner, UINT64_MAX, 2, false, &none), ERANGE);
    assert_int_equal(block_range_bound(&inner, 2, UINT64_MAX, false, &none), ERANGE);
    assert_int_equal(block_range_bound(&inner, UINT64_MAX - 109, 110, false, &none), ERANGE);
}

static void a_read_only_part_is_not_written(void **state)
{
    struct block_range whole = block_device_range(device), part;
    struct block_session *bounded;
    struct block_submission s = request(0, 0, 1);
    struct block_info info;

    (void)state;
    assert_int_equal(block_range_bound(&whole, 0, BLOCKS, false, &part), 0);
    assert_int_equal(block_session_create(device, &part, true, &transport, (void *)1, &bounded),
                     EROFS);
    assert_int_equal(block_session_create(device, &part, false, &transport, (void *)1, &bounded),
                     0);
    assert_int_equal(block_session_attach(bounded, ADDRESS, BUFFER, &buffer), 0);
    block_session_info(bounded, &info);
    assert_int_equal(info.flags & BLOCK_INFO_READ_ONLY, BLOCK_INFO_READ_ONLY);
    s.operation = BLOCK_WRITE;
    assert_int_equal(status_in(bounded, s), BLOCK_STATUS_READ_ONLY);
    block_session_end(bounded);
}

static void impossible_devices_are_refused(void **state)
{
    struct block_device_limits limits = {.blocks = 1, .block_size = 512, .max_transfer = 512};
    struct block_device *none;

    (void)state;
    limits.block_size = 500;
    assert_int_equal(block_device_create(&limits, &ops, NULL, &none), EINVAL);
    limits.block_size = 512, limits.max_transfer = 700;
    assert_int_equal(block_device_create(&limits, &ops, NULL, &none), EINVAL);
    limits.max_transfer = 512, limits.blocks = UINT64_MAX;
    assert_int_equal(block_device_create(&limits, &ops, NULL, &none), EINVAL);
}

static void driver_poll(void *context)
{
    (void)context;
    driver_finish_all(BLOCK_STATUS_OK);
}

static bool driver_is_ready(void *context)
{
    (void)context;
    return driver.done;
}

static const struct block_device_ops polled_ops = {
    .start = driver_start, .kick = driver_kick, .poll = driver_poll, .ready = driver_is_ready};

/* Whether the driver is to look for a request itself, which is done after so many turns more. */
static bool is_polled(struct block_submission submission, unsigned turns)
{
    unsigned count = client[0].count;

    driver.done = false;
    assert_int_equal(submit(0, submission), 0);
    block_turn();
    bool silent = driver.started[0]->silent;
    while (turns-- > 0)
        block_turn();
    driver.done = true;
    if (!silent)
        driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(client[0].count, count + 1);
    client[0].count = 0;
    return silent;
}

/* Few requests are polled for while the device is quick, and nobody else wants the processor. */
static void a_quick_device_is_polled(void **state)
{
    static const struct moderation few = {.poll_from = 4, .poll_few = 10, .gather = 1};
    static const struct block_submission flush = {.operation = BLOCK_FLUSH};
    const struct block_submission read = request(1, 0, 1);

    (void)state;
    device->ops = &polled_ops;
    assert_false(is_polled(read, 0)); /* not if nothing is said */
    assert_int_equal(block_device_moderate(device, &few), 0);
    assert_true(is_polled(read, 0));
    assert_false(is_polled(flush, 0));
    assert_true(is_polled(read, 100)); /* once is not always */
    assert_true(is_polled(read, 0));
    assert_true(is_polled(read, 100));
    assert_true(is_polled(read, 100));
    for (unsigned i = 0; i < 64; i++)
        assert_false(is_polled(read, 0));
    assert_true(is_polled(read, 0)); /* it may be quick again */
    block_poll_less();
    assert_false(is_polled(read, 0));
    device->ops = &ops;
    assert_int_equal(block_device_moderate(device, &MODERATION_DEFAULT), 0);
}

/* What has a processor of its own polls even one request, and leaves waiting to its caller. */
static void a_device_apart_is_polled(void **state)
{
    (void)state;
    device->ops = &polled_ops;
    device->apart = true;
    assert_int_equal(submit(0, request(1, 0, 1)), 0);
    assert_int_equal(block_turn(), 0);
    assert_true(driver.started[0]->silent);
    assert_false(block_is_ready());
    assert_int_equal(block_turn(), 0);
    driver.done = true;
    assert_true(block_is_ready());
    assert_true(block_turn() == BLOCK_TURN_NEVER);
    assert_int_equal(client[0].count, 1);
    assert_false(block_is_ready()); /* nothing is in flight */
    device->ops = &ops;
    device->apart = false;
}

static void what_is_stopped_starts_nothing(void **state)
{
    static const struct block_device_ops watched = {.start = driver_start, .watch = driver_watch};

    (void)state;
    device->ops = &watched;
    assert_true(block_stop(0));
    device->stopped = false;
    assert_int_equal(submit(0, request(1, 0, 1)), 0);
    block_turn();
    assert_int_equal(driver.count, 1);
    uint64_t before = now;
    assert_false(block_stop(CLOCK_SECOND));
    assert_int_equal(now - before, CLOCK_SECOND);
    driver_finish_all(BLOCK_STATUS_OK);
    assert_int_equal(submit(0, request(2, 0, 1)), 0);
    block_turn();
    assert_int_equal(driver.count, 0);
    assert_int_equal(client[0].count, 1);
    assert_true(block_stop(0));
    device->stopped = false;
    device->ops = &ops;
    clock_timer_cancel(timer);
}

/* A round of the watch: why the device was given up, or null. */
static const char *watch_tick(void)
{
    struct clock_timer *due = timer;

    given_up = NULL;
    assert_non_null(due);
    clock_timer_cancel(due);
    if (setjmp(ended) == 0)
        due->expired(due->context);
    return given_up;
}

static void a_driver_is_watched_while_it_has_requests(void **state)
{
    static const struct block_device_ops watched = {
        .start = driver_start, .kick = driver_kick, .watch = driver_watch};

    (void)state;
    device->ops = &watched;
    driver.room = 1;
    for (uint16_t slot = 1; slot <= 2; slot++)
        assert_int_equal(submit(0, request(slot, 0, 1)), 0);
    assert_null(timer);
    block_turn();
    for (unsigned i = 0; i < 6; i++)
        assert_null(watch_tick());
    driver_finish_all(BLOCK_STATUS_OK);
    block_turn();
    assert_int_equal(driver.count, 1); /* of the other, which waited as long, the time begins now */
    for (unsigned i = 0; i < 6; i++)
        assert_null(watch_tick());
    assert_string_equal(watch_tick(), "a request was not completed within 30 s");
    driver_finish_all(BLOCK_STATUS_OK);

    assert_int_equal(submit(0, request(3, 0, 1)), 0);
    client[0].deaf = true;
    block_turn();
    assert_null(watch_tick());
    problem = "it burns";
    assert_string_equal(watch_tick(), problem);
    problem = NULL;

    /* What a client does not take is not the driver's fault. */
    block_turn();
    driver_finish_all(BLOCK_STATUS_OK);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(submit(1, request(3, 0, 1)), 0);
        block_turn();
        assert_null(watch_tick());
        driver_finish_all(BLOCK_STATUS_OK);
        block_turn();
    }
    assert_null(watch_tick());
    assert_null(timer);
    device->ops = &ops;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_through),
        TEST(rings_are_used_in_place),
        TEST(bad_requests_are_answered),
        TEST(a_good_request_excuses_no_other),
        TEST(a_slot_in_a_ring_is_taken_once),
        TEST(a_request_in_several_places),
        TEST(bad_parts_are_refused),
        TEST(each_word_is_read_once),
        TEST(a_reader_writes_no_parts),
        TEST(slots_are_the_clients_to_keep_apart),
        TEST(read_only_sessions_do_not_write),
        TEST(a_full_driver_is_shared_fairly),
        TEST(a_session_ends_when_the_driver_has_let_go),
        TEST(a_bounded_session_sees_its_part),
        TEST(a_read_only_part_is_not_written),
        TEST(a_device_without_a_cache_has_nothing_to_flush),
        TEST(bounds_nest),
        TEST(a_device_apart_is_polled),
        TEST(a_driver_is_watched_while_it_has_requests),
        TEST(what_is_stopped_starts_nothing),
        TEST(a_quick_device_is_polled),
        cmocka_unit_test(impossible_devices_are_refused),
    };
    int failed = cmocka_run_group_tests_name("block class", tests, NULL, NULL);

    free(device);
    return failed;
}
