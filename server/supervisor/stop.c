/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asking a child to stop. The request goes out by hand and its answer comes through the event loop,
 * so that a child which never answers costs us its time limit and nobody anything else.
 */
#include <errno.h>
#include <string.h>

#include <mach/mig_errors.h>

#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/child.h>
#include <server/supervisor/journal.h>

/* task_control_stop: the first routine of subsystem 71050 (interface/task_control.defs). */
enum { TASK_CONTROL_STOP = 71050 };

/* Who threw the right to answer away is likely to have ended, which we hear of in a moment. */
#define END_LIMIT (200 * CLOCK_MILLISECOND)

struct answer {
    bool arrived;
    bool was_dropped;
    int error;
};

static void answer_message(void *context, mach_msg_header_t *message)
{
    struct answer *answer = context;
    const mig_reply_header_t *reply = (const void *)message;

    answer->arrived = true;
    /* Shorter: the kernel's word that the right to answer was thrown away. */
    answer->was_dropped = message->msgh_size < sizeof(*reply);
    answer->error = answer->was_dropped ? EPROTO : error_from_kernel(reply->RetCode);
    mach_msg_destroy(message);
}

static const struct port_type answer_type = {.name = "answer", .message = answer_message};

static void wait_for_answer(struct child *child, const struct answer *answer, uint64_t limit)
{
    uint64_t deadline = clock_now() + limit;

    while (!answer->arrived && child->task.task != MACH_PORT_NULL && clock_now() < deadline) {
        loop_once(deadline);
        child->unanswered = 0; /* its limit is ours now, not the watch's */
    }
    deadline = clock_now() + END_LIMIT;
    while (answer->was_dropped && child->task.task != MACH_PORT_NULL && clock_now() < deadline)
        loop_once(deadline);
}

/* ECONNRESET: it ended over it. */
static int stop_ask(struct child *child, mach_port_t control, uint64_t limit)
{
    struct answer answer = {0};
    mach_port_t reply;
    int error = port_create(&answer_type, &answer, &reply);

    if (error != 0)
        return error;
    mach_msg_header_t request = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = sizeof(request),
        .msgh_remote_port = control,
        .msgh_local_port = reply,
        .msgh_id = TASK_CONTROL_STOP,
    };
    error = error_from_kernel(mach_msg(&request, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(request),
                                       0, MACH_PORT_NULL, 0, MACH_PORT_NULL));
    if (error == 0)
        wait_for_answer(child, &answer, limit);
    port_destroy(reply);
    if (error != 0 || (answer.arrived && !answer.was_dropped))
        return error != 0 ? error : answer.error;
    return child->task.task == MACH_PORT_NULL ? ECONNRESET : answer.arrived ? EPROTO : ETIMEDOUT;
}

static const char *stop_reason(const struct child *child, int error)
{
    switch (error) {
    case ECONNRESET:
        return child->cause; /* how it ended */
    case EPROTO:
        return "it threw the request away";
    default:
        return strerror(error);
    }
}

int child_stop(struct child *child, uint64_t limit)
{
    const struct child_offer *control = child_offer_of(child, "control");
    int error = 0;

    if (control && child->state == CHILD_RUNNING) {
        error = stop_ask(child, control->right, limit);
        if (error != 0)
            journal_note(LOG_WARNING, "%s: did not stop in order: %s", child->name,
                         stop_reason(child, error));
    }
    if (child->task.task != MACH_PORT_NULL) {
        child->is_excused = true;
        child_end(child, CHILD_STOPPED, "stopped");
    }
    return error;
}
