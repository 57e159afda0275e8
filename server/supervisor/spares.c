/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/spares.h>

#include <string.h>

#include <mach/mig_errors.h>

#include <kernel/mach_port_user.h>

#include <host/mach/port.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>

/* More than start at a time, and than a few deaths in a row use up. */
enum { SPARES = 12 };
#define START_LIMIT (5 * CLOCK_SECOND)

static struct spare {
    struct task task;
    mach_port_t answer;
    bool ready;
} spares[SPARES];

static mach_port_t spares_host;

static void answer_arrived(void *context, mach_msg_header_t *message)
{
    struct spare *spare = context;
    const mig_reply_header_t *answer = (const mig_reply_header_t *)message;

    spare->ready = message->msgh_size == sizeof(*answer) && answer->RetCode == KERN_SUCCESS &&
                   task_spare_hold(&spare->task) == 0;
    if (spare->ready)
        return;
    journal_note(LOG_ERROR, "a task that was to be kept ready for paging is not");
    task_kill(&spare->task);
}

static const struct port_type answer_type = {.name = "spare", .message = answer_arrived};

static void spare_make(struct spare *spare)
{
    int error = task_spare_create(spares_host, spare->answer, &spare->task);

    if (error != 0)
        journal_note(LOG_ERROR, "no task is kept ready for paging: %s", strerror(error));
}

bool spares_are_kept(void)
{
    return spares_host != MACH_PORT_NULL;
}

bool spares_take(struct task *task)
{
    for (unsigned i = 0; i < SPARES; i++) {
        if (!spares[i].ready)
            continue;
        *task = spares[i].task;
        spares[i].task = (struct task){MACH_PORT_NULL, MACH_PORT_NULL};
        spares[i].ready = false;
        spare_make(&spares[i]);
        return true;
    }
    return spares_host == MACH_PORT_NULL;
}

static bool all_are_ready(void)
{
    for (unsigned i = 0; i < SPARES; i++) {
        if (!spares[i].ready)
            return false;
    }
    return true;
}

void spares_start(mach_port_t host)
{
    uint64_t deadline = clock_now() + START_LIMIT;

    spares_host = host;
    for (unsigned i = 0; i < SPARES; i++) {
        if (port_create(&answer_type, &spares[i], &spares[i].answer) == 0)
            spare_make(&spares[i]);
    }
    while (!all_are_ready() && clock_now() < deadline)
        loop_once(deadline);
}
