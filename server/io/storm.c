/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts without end.
 *
 * The kernel makes a message of each, in memory of its own, and keeps it until the driver receives
 * it; there is no limit. The authority sees neither the interrupts nor the messages. But whether a
 * driver receives them it can try: a message of its own finds no room where several wait. An MSI-X
 * vector is masked then, until there is room. What a driver leaves unacknowledged of another
 * message it can acknowledge itself, and so count. So a line storms when many of its interrupts in
 * a short time are nobody's, or when many are acknowledged while the queue is seen to be full each
 * time. Its driver is stopped, which resets the device.
 *
 * Of an MSI-X vector the kernel counts, in an int, what was delivered since the driver got its
 * right; the authority acknowledges one for each look, and so sees whether there is any. The driver
 * is asked for the right back (interrupt.c) when it reported OWED_MAX, because the kernel forgets
 * them in a loop that nothing interrupts, and whatever it reports when LOOKS_MAX looks in a row
 * found some: no driver receives 2^31 in ten minutes. The vector is masked until it is given back.
 * That is not often, nor can a driver make it so (interrupt.c): the kernel writes three lines to
 * its console and loses some hundred bytes.
 */
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/line.h>

#define LOOK_TURN (100 * CLOCK_MILLISECOND)

/* In a turn; since the last attempt that found room; since then, and none has found any. */
enum { UNCLAIMED_MAX = 2000, ACKNOWLEDGED_TRY = 4000, UNRECEIVED_MAX = 40000 };

enum { LOOKS_MIN = 100, LOOKS_MAX = 6000, OWED_MAX = 1 << 19 };

/* False: its queue has no room. */
static bool driver_tell(const struct io_line *line, enum io_line_note note)
{
    mach_msg_header_t message = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                                 .msgh_size = sizeof(message),
                                 .msgh_remote_port = line->port,
                                 .msgh_id = note};

    return mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL,
                    0, MACH_PORT_NULL) == MACH_MSG_SUCCESS;
}

/* It is not looked at again until it is lent again, if the supervisor has room to hear of it. */
static void storm_end(struct io_line *line, const char *how)
{
    log_warning("interrupt line %u of %s storms: %s", line->number, line->holder, how);
    if (io_iommu_report_line(line->holder, line->number, IO_LINE_STORMS))
        line->stormed = true;
    io_line_mask(line);
}

/* Whether so much came that there may be no room. */
static bool line_is_busy(struct io_line *line)
{
    if (line->entry) {
        line->looks = io_line_kernel_acknowledge(line) ? line->looks + 1 : 0;
        return line->looks > 0;
    }
    while (line->message && line->unclaimed < UNCLAIMED_MAX && io_line_kernel_acknowledge(line))
        line->unclaimed++;
    return line->acknowledged - line->received >= ACKNOWLEDGED_TRY;
}

static void line_look(struct io_line *line)
{
    bool busy = line_is_busy(line), was_full = line->full;
    unsigned unclaimed = line->unclaimed, owed = io_line_count(line) - line->acknowledged;
    bool wanted = line->looks >= LOOKS_MAX || (line->looks >= LOOKS_MIN && owed >= OWED_MAX);

    line->unclaimed = 0;
    if (unclaimed >= UNCLAIMED_MAX)
        storm_end(line, "it claims none of them");
    if (unclaimed >= UNCLAIMED_MAX || (!busy && !was_full))
        return;
    line->full = !driver_tell(line, wanted ? IO_LINE_RENEW : IO_LINE_ROOM);
    line->held = wanted || (was_full && line->full);
    io_line_mask(line);
    if (!line->full)
        line->received = line->acknowledged;
    else if (line->acknowledged - line->received >= UNRECEIVED_MAX)
        storm_end(line, "more come than it receives");
}

static void look(void *context)
{
    (void)context;
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (!line->lent || line->stormed)
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
