/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class's core between a driver and clients that are made of nothing.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/stream.h>

#include <test/unit/cmocka.h>

static struct {
    unsigned read_on, opened, closed;
    bool is_used, read_on_unused;
} driver;

static struct stream_device *device;
static struct stream_completion last; /* that was delivered */
static unsigned delivered;

static void driver_read_on(void *context)
{
    driver.read_on++;
    driver.read_on_unused |= !driver.is_used;
}

static void driver_in_use(void *context, bool used)
{
    driver.is_used = used;
    *(used ? &driver.opened : &driver.closed) += 1;
}

static unsigned driver_control(void *context, struct stream_request *request)
{
    if (request->code == STREAM_CODE_FIRST)
        memcpy(stream_request_reply(request, 2), "ok", 2);
    return STREAM_STATUS_OK;
}

static const struct stream_device_ops no_ops;
static const struct stream_device_ops all_ops = {
    .control = driver_control, .read_on = driver_read_on, .in_use = driver_in_use};

static bool deliver(void *link, struct stream_completion *completions, unsigned count)
{
    delivered += count;
    last = completions[count - 1];
    return true;
}

static const struct stream_transport transport = {deliver};

static void begin(unsigned flags, const struct stream_device_ops *ops)
{
    const struct stream_info info = {.flags = flags};

    memset(&driver, 0, sizeof(driver));
    delivered = 0;
    assert_int_equal(stream_device_create(&info, ops, NULL, &device), 0);
}

static int end(void **state)
{
    stream_device_destroy(device);
    return 0;
}

static struct stream_session *open_session(void)
{
    struct stream_session *session;

    assert_int_equal(stream_session_create(device, &transport, NULL, &session), 0);
    return session;
}

static void submit(struct stream_session *session, unsigned operation, uint16_t code,
                   uint16_t length)
{
    struct stream_submission submission = {
        .operation = (uint8_t)operation, .code = code, .length = length};

    memset(submission.data, 'q', length);
    assert_int_equal(stream_session_submit(session, &submission), 0);
    stream_turn();
}

/* What it takes until the sender is told to stop, in pieces of that size. */
static void fill(size_t piece)
{
    static const uint8_t bytes[STREAM_ROOM];

    for (unsigned i = 0; i < STREAM_BACKLOG; i++) {
        if (!stream_device_received(device, bytes, piece, 0))
            return;
    }
    fail_msg("the sender is never told to stop");
}

static void drain(struct stream_session *session)
{
    uint32_t before;

    do {
        before = session->taken;
        submit(session, STREAM_READ, 0, 0);
    } while (session->taken != before && session->taken != session->put);
}

static void the_last_client_leaves_with_all_that_nobody_reads(void **state)
{
    begin(0, &all_ops);
    struct stream_session *session = open_session();
    fill(100);
    stream_session_end(session);
    assert_int_equal(driver.closed, 1);
    assert_int_equal(driver.read_on, 0);
    session = open_session();
    assert_true(stream_device_received(device, "a", 1, 0));
    drain(session);
    assert_int_equal(last.length, 1);
}

static void one_of_several_that_are_full_leaves(void **state)
{
    begin(STREAM_INFO_SHARED, &all_ops);
    struct stream_session *first = open_session(), *second = open_session();
    fill(100);
    stream_session_end(first);
    assert_int_equal(driver.read_on, 0); /* the second has no room */
    assert_int_equal(driver.closed, 0);
    drain(second);
    assert_int_equal(driver.read_on, 1);
}

static void the_one_that_is_full_leaves(void **state)
{
    begin(STREAM_INFO_SHARED, &all_ops);
    struct stream_session *slow = open_session();
    struct stream_session *quick = open_session();
    fill(100);
    drain(quick);
    assert_int_equal(driver.read_on, 0);
    stream_session_end(slow);
    assert_int_equal(driver.read_on, 1);
    assert_false(driver.read_on_unused);
}

static void who_heeds_the_answer_loses_nothing(void **state)
{
    begin(0, &all_ops);
    struct stream_session *session = open_session();
    for (size_t piece = 1; piece <= STREAM_ROOM; piece++) {
        fill(piece);
        assert_false(session->has_lost);
        drain(session);
        assert_int_equal(last.flags, 0);
    }
    assert_int_equal(driver.read_on, STREAM_ROOM);
}

static void what_comes_while_nobody_has_it(void **state)
{
    begin(0, &all_ops);
    for (unsigned i = 0; i < STREAM_BACKLOG; i++)
        assert_true(stream_device_received(device, "a", 1, 0));
    struct stream_session *session = open_session();
    submit(session, STREAM_READ, 0, 0);
    assert_int_equal(delivered, 0);
}

static void a_driver_that_only_has_bytes_to_read(void **state)
{
    begin(0, &no_ops);
    struct stream_session *session = open_session();
    submit(session, STREAM_WRITE, 0, 3);
    assert_int_equal(last.status, STREAM_STATUS_UNSUPPORTED);
    assert_int_equal(last.length, 0);
    submit(session, STREAM_CONTROL, STREAM_CODE_FIRST, 3);
    assert_int_equal(last.status, STREAM_STATUS_UNSUPPORTED);
    fill(100);
    drain(session);
    assert_int_equal(last.status, STREAM_STATUS_OK);
    stream_session_end(session);
}

static void a_reply_is_what_the_driver_makes(void **state)
{
    begin(0, &all_ops);
    struct stream_session *session = open_session();
    submit(session, STREAM_CONTROL, STREAM_CODE_FIRST, 5);
    assert_int_equal(last.length, 2);
    assert_memory_equal(last.data, "ok", 3);
    submit(session, STREAM_CONTROL, STREAM_CODE_FIRST + 1, 5);
    assert_int_equal(last.status, STREAM_STATUS_OK);
    assert_int_equal(last.length, 0);
    assert_int_equal(last.data[0], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(the_last_client_leaves_with_all_that_nobody_reads),
        TEST(one_of_several_that_are_full_leaves),
        TEST(the_one_that_is_full_leaves),
        TEST(who_heeds_the_answer_loses_nothing),
        TEST(what_comes_while_nobody_has_it),
        TEST(a_driver_that_only_has_bytes_to_read),
        TEST(a_reply_is_what_the_driver_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
