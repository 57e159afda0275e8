/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Several drivers on one interrupt line, none of which trusts another.
 *
 * The kernel raises the line for all of them and keeps it masked until each has acknowledged. That
 * is a round. The authority does not see an interrupt, but it sees the acknowledgements: from the
 * first of a round on the others have LINE_BOUND to follow. Who does not is skipped (the authority
 * acknowledges for it) and named; who is skipped again and again is no longer waited for, and the
 * supervisor is told to stop it. When in most of many rounds everybody says that the interrupt was
 * not his, the line is quarantined: acknowledged at a slow pace, so that the machine goes on, and
 * the drivers with it, until nobody is needlessly called for a while.
 */
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/line.h>

#define LINE_BOUND      (200 * CLOCK_MILLISECOND)
#define LINE_FORGIVEN   (10 * CLOCK_SECOND) /* skipped longer ago than this: counts no more */
#define QUARANTINE_TURN (10 * CLOCK_MILLISECOND)

enum { SKIPPED_MAX = 3, ROUNDS_WATCHED = 2000, ROUNDS_CLAIMED_MIN = 500, QUIET_TURNS = 100 };

static struct pin {
    bool claimed; /* in this round */
    unsigned rounds, rounds_claimed;
    unsigned quiet; /* turns of the quarantine in a row without an unclaimed interrupt */
    bool quarantined;
    struct clock_timer timer; /* the round's bound, or the quarantine's next turn */
} pins[IO_LINE_FIRST_MESSAGE];

static struct io_line *sharer_next(const struct pin *pin, struct io_line *line)
{
    line = line ? line->next : io_lines;
    while (line && (line->message || &pins[line->number] != pin))
        line = line->next;
    return line;
}

static void quarantine_turn(void *context)
{
    struct pin *pin = context;
    bool any = false;

    for (struct io_line *line = NULL; (line = sharer_next(pin, line));) {
        if (line->answered && io_line_kernel_acknowledge(line))
            any = true;
        line->answered = false;
    }
    pin->quiet = any && !pin->claimed ? 0 : pin->quiet + 1;
    pin->claimed = false;
    if (pin->quiet == QUIET_TURNS) {
        pin->quarantined = false;
        log_info("line %u is quiet: out of quarantine", (unsigned)(pin - pins));
    } else {
        clock_timer_start(&pin->timer, QUARANTINE_TURN, quarantine_turn, pin);
    }
}

static void quarantine_begin(struct pin *pin)
{
    for (struct io_line *line = NULL; (line = sharer_next(pin, line));) {
        if (!line->lent)
            continue;
        log_warning("line %u storms and nobody claims it: quarantined; %s is on it", line->number,
                    line->holder);
        io_iommu_report_line(line->holder, line->number, IO_LINE_IS_UNCLAIMED);
    }
    pin->quarantined = true;
    pin->quiet = 0;
    clock_timer_start(&pin->timer, QUARANTINE_TURN, quarantine_turn, pin);
}

static void round_end(struct pin *pin)
{
    clock_timer_cancel(&pin->timer);
    for (struct io_line *line = NULL; (line = sharer_next(pin, line));)
        line->answered = false;
    pin->rounds_claimed += pin->claimed;
    pin->claimed = false;
    if (++pin->rounds < ROUNDS_WATCHED)
        return;
    if (pin->rounds_claimed < ROUNDS_CLAIMED_MIN)
        quarantine_begin(pin);
    pin->rounds = pin->rounds_claimed = 0;
}

static void sharer_skip(struct io_line *line)
{
    line->answered = true;
    if (!io_line_kernel_acknowledge(line) || line->skipped >= SKIPPED_MAX || !line->lent)
        return; /* had nothing to acknowledge, or everybody knows by now */
    if (clock_now() - line->skipped_last > LINE_FORGIVEN)
        line->skipped = 0;
    line->skipped_last = clock_now();
    line->skipped++;
    log_warning("line %u: %s sits on it: skipped (%u)", line->number, line->holder, line->skipped);
    if (line->skipped == SKIPPED_MAX)
        io_iommu_report_line(line->holder, line->number, IO_LINE_IS_SAT_ON);
}

static void bound_passed(void *context)
{
    struct pin *pin = context;

    for (struct io_line *line = NULL; (line = sharer_next(pin, line));) {
        if (!line->answered)
            sharer_skip(line);
    }
    round_end(pin);
}

void io_sharing_acknowledge(struct io_line *line, bool claimed)
{
    struct pin *pin = &pins[line->number];
    bool waiting = false;

    if (!pin->quarantined && !io_line_kernel_acknowledge(line))
        return; /* too late: it was skipped */
    line->answered = true;
    pin->claimed |= claimed;
    if (pin->quarantined)
        return;
    for (struct io_line *other = NULL; (other = sharer_next(pin, other));) {
        if (!other->answered && other->skipped >= SKIPPED_MAX)
            sharer_skip(other);
        waiting |= !other->answered;
    }
    if (!waiting)
        round_end(pin);
    else if (!pin->timer.running)
        clock_timer_start(&pin->timer, LINE_BOUND, bound_passed, pin);
}
