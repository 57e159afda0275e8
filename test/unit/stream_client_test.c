/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream client's core with drivers that answer as told, or not at all.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/stream_client.h>

#include <test/unit/cmocka.h>

enum { SET = STREAM_CODE_FIRST, BREAK, QUEUE = 4 * STREAM_SLOTS };

/* What one driver does; when it is complained of the next one takes over. */
struct life {
    bool holds_writes; /* until they are cancelled */
    bool ignores_cancel, keeps_cancelled, ignores_set;
    bool stays;           /* the next one is like it */
    uint64_t break_takes; /* 0: for ever */
};

/* As host/mach/session_link.h has it: after so many complaints with nothing done in between no
 * other driver is asked. */
enum { COMPLAINTS_MOST = 4 };

static struct {
    const struct life *life;
    unsigned lives, complaints;
    unsigned in_a_row, called; /* of them; at the last one */
    bool is_dying;
    struct stream_submission pending[QUEUE];
    unsigned count;
    struct stream_submission control; /* a break; length 0: none */
    uint64_t control_ends;
    unsigned sets[8]; /* by life */
} link;

static uint64_t now;
static struct stream_client client;

uint64_t clock_now(void)
{
    return now;
}

static void begin(const struct life *life)
{
    static const struct stream_info info;

    now = CLOCK_SECOND;
    memset(&link, 0, sizeof(link));
    memset(&client, 0, sizeof(client));
    link.life = life;
    stream_client_begin(&client, &info);
}

static void answer(const struct stream_submission *submission, unsigned status)
{
    struct stream_completion completion = {
        .slot = submission->slot,
        .generation = submission->generation,
        .status = (uint8_t)status,
        .length = status == STREAM_STATUS_OK && submission->operation == STREAM_WRITE
                      ? submission->length
                      : 0,
    };

    stream_client_take(&client, &completion);
}

void stream_client_link_put(struct stream_client_link *unused,
                            const struct stream_submission *submission)
{
    assert_true(link.count < QUEUE);
    link.pending[link.count++] = *submission;
}

void stream_client_link_publish(struct stream_client_link *unused)
{
}

void stream_client_link_complain(struct stream_client_link *unused, const char *reason)
{
    link.complaints++;
    link.in_a_row = client.called == link.called ? link.in_a_row + 1 : 1;
    link.called = client.called;
    link.is_dying = true;
}

static void next_life(void)
{
    static const struct stream_info info;

    link.is_dying = false;
    link.count = 0;
    link.control.length = 0;
    link.lives++;
    if (!link.life->stays)
        link.life++;
    stream_client_lost(&client);
    client.is_gone = link.in_a_row >= COMPLAINTS_MOST;
    if (!client.is_gone)
        stream_client_begin(&client, &info);
}

static void cancel(const struct stream_submission *submission)
{
    unsigned kept = 0;

    if (link.life->ignores_cancel)
        return;
    for (unsigned i = 0; i < link.count; i++) {
        if (link.pending[i].operation == STREAM_WRITE && !link.life->keeps_cancelled)
            answer(&link.pending[i], STREAM_STATUS_CANCELLED);
        else
            link.pending[kept++] = link.pending[i];
    }
    link.count = kept;
    answer(submission, STREAM_STATUS_OK);
}

static void control(const struct stream_submission *submission)
{
    if (submission->code == STREAM_CODE_CANCEL) {
        cancel(submission);
    } else if (submission->code == SET) {
        link.sets[link.lives]++;
        if (!link.life->ignores_set)
            answer(submission, STREAM_STATUS_OK);
    } else {
        link.control = *submission;
        link.control_ends = link.life->break_takes ? now + link.life->break_takes : UINT64_MAX;
    }
}

/* True: something was answered. */
static bool driver_turn(void)
{
    unsigned before = client.called, kept = 0, count = link.count;
    struct stream_submission controls[2];
    unsigned control_count = 0;

    for (unsigned i = 0; i < count; i++) {
        if (link.pending[i].operation == STREAM_CONTROL)
            controls[control_count++] = link.pending[i];
        else if (link.pending[i].operation == STREAM_WRITE && !link.life->holds_writes)
            answer(&link.pending[i], STREAM_STATUS_OK);
        else
            link.pending[kept++] = link.pending[i];
    }
    link.count = kept;
    for (unsigned i = 0; i < control_count; i++)
        control(&controls[i]);
    if (link.control.length > 0 && now >= link.control_ends) {
        answer(&link.control, STREAM_STATUS_OK);
        link.control.length = 0;
    }
    return client.called != before;
}

int stream_client_link_wait(struct stream_client_link *unused, unsigned milliseconds)
{
    uint64_t end = now + milliseconds * CLOCK_MILLISECOND;

    assert_true(now < 1000 * CLOCK_SECOND); /* or it waits for ever */
    if (client.is_gone)
        return ENODEV;
    if (link.is_dying) {
        next_life();
        return client.is_gone ? ENODEV : 0;
    }
    if (driver_turn())
        return 0;
    now = link.control.length > 0 && link.control_ends < end ? link.control_ends : end;
    return driver_turn() ? 0 : ETIMEDOUT;
}

static int ask(uint16_t code, bool keep, unsigned milliseconds)
{
    uint8_t data[STREAM_DATA] = {0};
    size_t length = 4;

    return stream_client_control(&client, code, 0, keep, data, &length, milliseconds);
}

static int write_some(unsigned milliseconds)
{
    uint8_t data[200] = {0};
    size_t written;

    return stream_client_write(&client, data, sizeof(data), milliseconds, &written);
}

static void a_write_that_is_held_may_wait(void **state)
{
    static const struct life lives[] = {{.holds_writes = true}};

    begin(lives);
    assert_int_equal(write_some(300000), ETIMEDOUT);
    assert_int_equal(write_some(30000), ETIMEDOUT);
    assert_int_equal(link.complaints, 0);
}

static void a_cancel_without_an_answer(void **state)
{
    static const struct life lives[] = {{.holds_writes = true, .ignores_cancel = true}, {0}};
    uint64_t start;

    begin(lives);
    start = now;
    assert_int_equal(write_some(1000), ECONNRESET);
    assert_int_equal(link.complaints, 1);
    assert_in_range((now - start) / CLOCK_SECOND, 11, 12);
    assert_int_equal(write_some(1000), 0);
}

static void a_cancel_that_cancels_nothing(void **state)
{
    static const struct life lives[] = {{.holds_writes = true, .keeps_cancelled = true}, {0}};

    begin(lives);
    assert_int_equal(write_some(1000), ECONNRESET);
    assert_int_equal(link.complaints, 1);
    assert_int_equal(write_some(1000), 0);
}

static void what_is_kept_and_the_next_driver_does_not_take(void **state)
{
    static const struct life lives[] = {
        {.holds_writes = true, .ignores_cancel = true}, {.ignores_set = true}, {0}};

    begin(lives);
    assert_int_equal(ask(SET, true, 1000), 0);
    assert_int_equal(write_some(1000), ECONNRESET);
    assert_int_equal(link.complaints, 2);
    assert_int_equal(link.sets[2], 1);
    assert_int_equal(write_some(1000), 0);
}

/* It takes the settings that it finds, and nothing else is done by it, or by any other. */
static void one_that_answers_what_is_kept_alone_is_given_up(void **state)
{
    static const struct life lives[] = {
        {.holds_writes = true, .ignores_cancel = true, .stays = true}};
    unsigned calls = 0;

    begin(lives);
    assert_int_equal(ask(SET, true, 1000), 0);
    while (!client.is_gone) {
        assert_int_equal(write_some(1000), ++calls < COMPLAINTS_MOST ? ECONNRESET : ENODEV);
        assert_in_range(calls, 0, COMPLAINTS_MOST);
    }
    assert_int_equal(calls, COMPLAINTS_MOST);
    assert_int_equal(link.sets[2], 1);
    assert_int_equal(write_some(1000), ENODEV);
}

/* Likewise within a single call, where the second of what is kept is not answered. */
static void one_that_answers_the_first_of_what_is_kept_is_given_up(void **state)
{
    static const struct life lives[] = {
        {.holds_writes = true, .ignores_cancel = true, .break_takes = CLOCK_SECOND},
        {.holds_writes = true, .stays = true}};

    begin(lives);
    assert_int_equal(ask(SET, true, 1000), 0);
    assert_int_equal(ask(BREAK, true, 2000), 0);
    assert_int_not_equal(write_some(1000), 0);
    assert_int_equal(link.complaints, COMPLAINTS_MOST);
    assert_true(client.is_gone);
    assert_int_equal(write_some(1000), ENODEV);
}

static void a_control_without_an_answer(void **state)
{
    static const struct life lives[] = {{.ignores_set = true}, {0}};
    size_t length;
    unsigned flags;
    uint8_t byte;

    begin(lives);
    assert_int_equal(ask(SET, false, 2000), ETIMEDOUT);
    assert_int_equal(ask(SET, false, 2000), EBUSY);
    assert_int_equal(link.complaints, 0);
    assert_int_equal(stream_client_read(&client, &byte, 1, 20000, &length, &flags), ECONNRESET);
    assert_int_equal(link.complaints, 1);
    assert_int_equal(ask(SET, false, 2000), 0);
}

static void a_control_that_nobody_waits_for_any_more(void **state)
{
    static const struct life lives[] = {{.ignores_set = true}, {0}};

    begin(lives);
    assert_int_equal(ask(SET, false, 2000), ETIMEDOUT);
    now += 60 * CLOCK_SECOND;
    assert_int_equal(ask(SET, false, 2000), EBUSY);
    assert_int_equal(link.complaints, 1);
    assert_int_equal(ask(SET, false, 2000), 0);
}

static void a_break_may_take_what_its_caller_gives_it(void **state)
{
    static const struct life lives[] = {{.break_takes = 13 * CLOCK_SECOND}, {0}, {0}};

    begin(lives);
    assert_int_equal(ask(BREAK, false, 15000), 0);
    assert_int_equal(link.complaints, 0);
    next_life();
    assert_int_equal(ask(BREAK, false, 15000), ETIMEDOUT);
    assert_int_equal(link.complaints, 1);
}

static void an_answer_that_was_not_fetched_is_one(void **state)
{
    static const struct life lives[] = {{.break_takes = 5 * CLOCK_SECOND}};

    begin(lives);
    assert_int_equal(ask(BREAK, false, 2000), ETIMEDOUT);
    now += 60 * CLOCK_SECOND;
    assert_int_equal(ask(SET, false, 2000), 0);
    assert_int_equal(link.complaints, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_is_held_may_wait),
        cmocka_unit_test(a_cancel_without_an_answer),
        cmocka_unit_test(a_cancel_that_cancels_nothing),
        cmocka_unit_test(what_is_kept_and_the_next_driver_does_not_take),
        cmocka_unit_test(one_that_answers_what_is_kept_alone_is_given_up),
        cmocka_unit_test(one_that_answers_the_first_of_what_is_kept_is_given_up),
        cmocka_unit_test(a_control_without_an_answer),
        cmocka_unit_test(a_control_that_nobody_waits_for_any_more),
        cmocka_unit_test(a_break_may_take_what_its_caller_gives_it),
        cmocka_unit_test(an_answer_that_was_not_fetched_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
