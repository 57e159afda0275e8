/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts without end.
 *
 * The kernel makes a message of each, in memory of its own, and keeps it until the driver receives
 * it; there is no limit. The authority sees neither the interrupts nor the messages. But what a
 * driver leaves unacknowledged it can acknowledge itself, and so count; and whether a driver
 * receives what it acknowledges it can try: a message of its own finds no room where several wait.
 * So a line storms when many of its interrupts in a short time are nobody's, or when many are
 * acknowledged while the queue is seen to be full each time. Its driver is stopped, which resets
 * the device.
 */
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/line.h>
#include <server/io/msix.h>

#define LOOK_TURN (100 * CLOCK_MILLISECOND)

/* In a turn; since the last attempt that found room; since then, and none has found any. */
enum { UNCLAIMED_MAX = 2000, ACKNOWLEDGED_TRY = 4000, UNRECEIVED_MAX = 40000 };

/* The driver takes it for one more interrupt. */
static bool queue_has_room(const struct io_line *line)
{
    mach_msg_header_t probe = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                               .msgh_size = sizeof(probe),
                               .msgh_remote_port = line->port};

    return mach_msg(&probe, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(probe), 0, MACH_PORT_NULL, 0,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

static void storm_end(struct io_line *line, const char *how)
{
    log_warning("interrupt line %u of %s storms: %s", line->number, line->holder, how);
    if (line->entry)
        io_msix_mask(line->entry, true);
    io_iommu_report_line(line->holder, line->number, IO_LINE_STORMS);
}

static void line_look(struct io_line *line)
{
    while (line->message && line->unclaimed < UNCLAIMED_MAX && io_line_kernel_acknowledge(line))
        line->unclaimed++;
    if (line->unclaimed >= UNCLAIMED_MAX)
        storm_end(line, "it claims none of them");
    line->unclaimed = 0;
    if (line->acknowledged - line->received < ACKNOWLEDGED_TRY)
        return;
    if (queue_has_room(line))
        line->received = line->acknowledged;
    else if (line->acknowledged - line->received >= UNRECEIVED_MAX)
        storm_end(line, "more come than it receives");
}

static void look(void *context)
{
    (void)context;
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (!line->lent || !line->holder)
            continue;
        line_look(line);
        io_storm_watch();
    }
}

void io_storm_watch(void)
{
    static struct clock_timer timer;

    if (!timer.running)
        clock_timer_start(&timer, LOOK_TURN, look, NULL);
}
