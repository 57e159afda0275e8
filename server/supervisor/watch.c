/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether drivers still listen, and keep within bounds: each is asked again and again, and one that
 * has not answered the last time is ended, and one whose memory grows and grows.
 */
#include <stdint.h>

#include <mach/machine/thread_status.h>
#include <mach/thread_info.h>

#include <kernel/mach_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static void answer_message(void *context, mach_msg_header_t *message)
{
    struct child *child = context;

    child->unanswered = 0;
    mach_msg_destroy(message);
}

static const struct port_type answer_type = {.name = "answer", .message = answer_message};

static void driver_ask(struct child *child)
{
    enum { TASK_CONTROL_PING = 71051 }; /* the second routine of subsystem 71050 */
    const struct child_offer *control = child_offer_of(child, "control");

    if (!control || (child->answers == MACH_PORT_NULL &&
                     port_create(&answer_type, child, &child->answers) != 0))
        return;
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = sizeof(message),
        .msgh_remote_port = control->right,
        .msgh_local_port = child->answers,
        .msgh_id = TASK_CONTROL_PING,
    };
    /* If its queue is full it does not listen either. */
    mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
             MACH_PORT_NULL);
    child->unanswered++;
}

/* The address of the instruction that it is at, for whoever looks for the reason. */
static uint64_t where_is(const struct child *child)
{
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    thread_suspend(child->task.thread);
    thread_get_state(child->task.thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    return state.rip;
}

/* Whether it waits inside the kernel where it cannot be stopped: for memory. Who ends it waits with
 * it, and if that is us, memory may never come: its way out may lead through a driver that only we
 * start again. It has its turn when it is back. */
static bool is_held(const struct child *child)
{
    struct thread_basic_info info = {0};
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

    return thread_info(child->task.thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) ==
               KERN_SUCCESS &&
           info.run_state == TH_STATE_UNINTERRUPTIBLE;
}

static void driver_look(struct child *child)
{
    unsigned long long memory = child_memory(child);

    if (child->unanswered > 1 && is_held(child))
        return;
    if (child->unanswered > 1) {
        journal_note(LOG_ERROR, "%s: does not answer: its task is ended (at %llx)", child->name,
                     (unsigned long long)where_is(child));
        child_end(child, CHILD_DIED, "hung");
    } else if (memory / 1024 > supervisor_policy.memory) {
        journal_note(LOG_ERROR, "%s: has %llu KiB of memory: its task is ended", child->name,
                     memory);
        child_end(child, CHILD_DIED, "too much memory");
    } else {
        driver_ask(child);
    }
}

static void look(void *context)
{
    static struct clock_timer timer;

    (void)context;
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_DRIVER && child->state == CHILD_RUNNING)
            driver_look(child);
    }
    clock_timer_start(&timer, supervisor_policy.watch * CLOCK_MILLISECOND, look, NULL);
}

void watch_start(void)
{
    look(NULL);
}
