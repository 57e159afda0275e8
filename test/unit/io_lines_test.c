/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The authority's interrupt lines (server/io/interrupt.c, sharing.c, storm.c), on a kernel of
 * theirs: what comes of rights that do not come home, and of what a driver left behind.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <server/io/io.h>
#include <server/io/line.h>
#include <test/unit/cmocka.h>
#include <test/unit/io_kernel.h>

enum { PIN = 10, STORM = 2500 };

static unsigned reports[IO_LINE_STORMS + 1];
static char reported[48];

bool io_iommu_report_line(const char *holder, unsigned number, enum io_line_trouble trouble)
{
    (void)number;
    reports[trouble]++;
    strcpy(reported, holder);
    return true;
}

/* Lines are for ever: each test goes on with what there is. */
static int setup(void **state)
{
    static bool was_started;

    (void)state;
    memset(reports, 0, sizeof(reports));
    if (!was_started) {
        kernel_begin();
        assert_int_equal(io_interrupt_start(), 0);
    }
    was_started = true;
    kernel_run(2 * CLOCK_SECOND);
    return 0;
}

static struct io_line *message_take(void)
{
    struct io_line *line;

    assert_int_equal(io_line_take_message(&line), 0);
    return line;
}

static mach_port_t lend(struct io_line *line, const char *name)
{
    mach_port_t right;

    assert_int_equal(io_line_lend(line, name, &right), 0);
    return right;
}

/* A driver that gives its right to somebody who keeps it loses its device, and no more lines. */
static void a_line_that_does_not_come_home(void **state)
{
    struct io_line *line = message_take(), *other;

    (void)state;
    mach_port_t right = lend(line, "nvme0");
    assert_false(io_line_is_astray("nvme0")); /* it is its own */
    io_line_release(line);
    assert_true(io_line_is_astray("nvme0"));
    assert_false(io_line_is_astray("nvme1"));
    assert_int_equal(kernel_logged("nvme0: gave interrupt line"), 1);
    other = message_take();
    assert_ptr_not_equal(other, line);
    io_line_release(other);

    kernel_come_home(right);
    assert_false(io_line_is_astray("nvme0"));
    line = message_take();
    kernel_come_home(lend(line, "nvme0"));
    io_line_release(line);
}

/* Who has a right to tell of lines that came home makes one of another's of it. */
static void a_forged_return(void **state)
{
    struct io_line *line = message_take();
    mach_port_t right = lend(line, "nvme0"), again;

    (void)state;
    kernel_forge_home(right);
    assert_true(line->lent);
    assert_int_equal(io_line_lend(line, "nvme0", &again), EBUSY);
    kernel_forge_home(MACH_PORT_NULL);
    assert_int_equal(kernel_logged("never lent"), 2);
    kernel_come_home(right);
    assert_false(line->lent);
    io_line_release(line);
}

/* He has the line, and sends it home with other rights, or memory: what is kept of those, each time
 * that it is lent, would be names and memory of the authority's without end. */
static void a_return_with_more_in_it(void **state)
{
    struct io_line *line = message_take();
    mach_port_t right = lend(line, "nvme0");

    (void)state;
    kernel_destroyed = 0;
    kernel_come_home_with(right, 16);
    assert_int_equal(kernel_destroyed, 1);
    assert_true(line->lent); /* its port is gone, which he could have had without us */
    io_line_release(line);
    assert_true(io_line_is_astray("nvme0"));
    kernel_come_home(right);
    assert_false(line->lent);
}

/* Interrupts on a line of several; `sat_on`: so long does it take until all may have the next. */
static uint64_t round_time(struct io_line *honest, mach_port_t right, mach_port_t stray)
{
    uint64_t start = clock_now();

    kernel_raise(right, 1);
    kernel_raise(stray, 1);
    io_line_acknowledge(honest, 1, true);
    while (kernel_port(stray)->outstanding > 0)
        kernel_run(CLOCK_MILLISECOND);
    return clock_now() - start;
}

/* The others on the line of one that is nobody's any more wait for it three times. */
static void a_shared_line_that_does_not_come_home(void **state)
{
    struct io_line *honest, *stray;
    unsigned slow = 0;

    (void)state;
    assert_int_equal(io_line_take_shared(PIN, &honest), 0);
    assert_int_equal(io_line_take_shared(PIN, &stray), 0);
    mach_port_t right = lend(honest, "sharer0"), kept = lend(stray, "sharer1");
    io_line_release(stray);
    for (unsigned i = 0; i < 100; i++)
        slow += round_time(honest, right, kept) > 10 * CLOCK_MILLISECOND;
    assert_int_equal(slow, 3);
    assert_int_equal(kernel_logged("sharer1 sits on it: skipped"), 3);
    assert_int_equal(reports[IO_LINE_IS_SAT_ON], 1);
    kernel_come_home(kept);
    kernel_come_home(right);
    io_line_release(honest);
}

/* What a driver left unacknowledged is not its successor's storm. */
static void what_was_left_is_no_storm(void **state)
{
    struct io_line *line = message_take();
    mach_port_t right = lend(line, "uart0");

    (void)state;
    kernel_raise(right, STORM);
    kernel_come_home(right);
    right = lend(line, "uart0");
    kernel_run(CLOCK_SECOND);
    assert_int_equal(reports[IO_LINE_STORMS], 0);
    assert_int_equal(kernel_port(right)->outstanding, 0);

    kernel_raise(right, STORM);
    kernel_run(CLOCK_SECOND);
    assert_int_equal(reports[IO_LINE_STORMS], 1);
    assert_string_equal(reported, "uart0");
    kernel_raise(right, STORM);
    kernel_run(CLOCK_SECOND);
    assert_int_equal(reports[IO_LINE_STORMS], 1); /* its driver is being stopped */
    kernel_come_home(right);
    right = lend(line, "uart0");
    kernel_raise(right, STORM);
    kernel_run(CLOCK_SECOND);
    assert_int_equal(reports[IO_LINE_STORMS], 2); /* its successor is looked at again */
    kernel_come_home(right);
    io_line_release(line);
}

/* A line whose port was ended and which the kernel does not take again is used no more; and its
 * name, which another port gets, is not taken for its own. */
static void a_line_that_cannot_be_renewed(void **state)
{
    struct io_line *line = message_take();

    (void)state;
    kernel_run(2 * CLOCK_SECOND); /* it may just have been renewed */
    kernel_raise(line->port, 1000);
    io_line_release(line);
    kernel_refuses_lines = true;
    struct io_line *other = message_take();
    kernel_refuses_lines = false;
    assert_ptr_not_equal(other, line);
    assert_int_equal(line->port, MACH_PORT_NULL);
    mach_port_t right = lend(other, "nvme0");
    io_line_release(other);
    kernel_come_home(right);
    assert_false(other->lent);
    assert_false(line->taken || line->lent);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_that_does_not_come_home), TEST(a_forged_return),
        TEST(a_return_with_more_in_it),       TEST(a_shared_line_that_does_not_come_home),
        TEST(what_was_left_is_no_storm),      TEST(a_line_that_cannot_be_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
