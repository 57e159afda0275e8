/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The event loop: one place to wait, for messages, notifications, interrupts and timers alike.
 */
#include <stdbool.h>
#include <stddef.h>

#include <host/mach/port.h>
#include <host/mach/port_internal.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

static struct clock_timer *timers; /* soonest first */
static bool stopped;

enum { TURN_HOOKS_MAX = 4 };
static struct turn_hook {
    bool (*run)(void *context);
    void *context;
} turn_hooks[TURN_HOOKS_MAX];
static unsigned turn_hook_count;
/* Deadlines so far away are somebody else's to watch, if there is somebody: a timeout costs the
 * kernel as much as a message. */
#define FAR_AWAY CLOCK_SECOND
static void (*alarm_ask)(uint64_t milliseconds); /* null: nobody */
static uint64_t alarm_due;                       /* 0: none was asked for */

static union port_message unsent; /* size 0: none */
static bool again;                /* a hook wants to run without waiting */

void clock_timer_cancel(struct clock_timer *timer)
{
    if (!timer->running)
        return;
    struct clock_timer **link = &timers;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    timer->running = 0;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    clock_timer_cancel(timer);
    timer->due = clock_now() + after;
    timer->expired = expired;
    timer->context = context;
    timer->running = 1;

    struct clock_timer **link = &timers;
    while (*link && (*link)->due <= timer->due)
        link = &(*link)->next;
    timer->next = *link;
    *link = timer;
}

bool loop_at_turn_end(bool (*run)(void *context), void *context)
{
    if (turn_hook_count == TURN_HOOKS_MAX)
        return false;
    turn_hooks[turn_hook_count++] = (struct turn_hook){run, context};
    return true;
}

static void turn_end(void)
{
    again = false;
    if (stopped) /* what is not done by now is for whoever comes after us */
        return;
    for (unsigned i = 0; i < turn_hook_count; i++)
        again |= turn_hooks[i].run(turn_hooks[i].context);
}

static bool timer_expire(uint64_t now)
{
    struct clock_timer *timer = timers;

    if (!timer || timer->due > now)
        return false;
    clock_timer_cancel(timer);
    timer->expired(timer->context);
    return true;
}

/* How long to wait, in the kernel's milliseconds, rounded up so that a timer is due afterwards. */
static mach_msg_timeout_t wait_milliseconds(uint64_t deadline, uint64_t now)
{
    if (deadline <= now)
        return 0;
    uint64_t wait = (deadline - now + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
    return wait > INT32_MAX ? INT32_MAX : (mach_msg_timeout_t)wait;
}

void loop_alarm_by(void (*ask)(uint64_t milliseconds))
{
    alarm_ask = ask;
}

void loop_alarm_rang(void)
{
    alarm_due = 0;
}

void loop_send(mach_msg_header_t *message)
{
    if (unsent.header.msgh_size == 0)
        __builtin_memcpy(&unsent, message, message->msgh_size);
    else if (mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message->msgh_size, 0,
                      MACH_PORT_NULL, 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        message->msgh_size = sizeof(*message); /* the memory in it stays whose it was */
        mach_msg_destroy(message);
    }
}

void loop_once(uint64_t deadline)
{
    union port_message request, reply; /* not static: a routine may serve others while it waits */
    mach_msg_option_t option = MACH_RCV_MSG;
    mach_msg_timeout_t timeout = 0;

    /* Until the alarm rings the clock need not be looked at. */
    bool set = alarm_due != 0 && timers && alarm_due <= timers->due;
    bool watched = deadline == UINT64_MAX && (!timers || set);
    uint64_t now = watched ? 0 : clock_now();

    if (!watched && unsent.header.msgh_size == 0 && timer_expire(now)) {
        turn_end();
        return;
    }
    if (!watched && timers && timers->due < deadline)
        deadline = timers->due;
    if (alarm_ask && deadline != UINT64_MAX && deadline > now + FAR_AWAY) {
        if (alarm_due == 0 || alarm_due > deadline)
            alarm_ask(wait_milliseconds(deadline, now));
        alarm_due = alarm_due == 0 || alarm_due > deadline ? deadline : alarm_due;
        deadline = UINT64_MAX;
    }
    if (again || deadline != UINT64_MAX) {
        option |= MACH_RCV_TIMEOUT;
        timeout = again ? 0 : wait_milliseconds(deadline, now);
    }

    mach_msg_size_t send_size = unsent.header.msgh_size;
    __builtin_memcpy(&request, &unsent, send_size);
    option |= send_size != 0 ? MACH_SEND_MSG : 0;
    /* To a send-once right there is always room. Others are not waited for; the timeout is both's.
     */
    if (MACH_MSGH_BITS_REMOTE(unsent.header.msgh_bits) == MACH_MSG_TYPE_COPY_SEND) {
        option |= MACH_SEND_TIMEOUT;
        timeout = 0;
    }
    unsent.header = (mach_msg_header_t){0};
    mach_msg_return_t code = mach_msg(&request.header, option, send_size, sizeof(request),
                                      port_internal_set(), timeout, MACH_PORT_NULL);
    if (send_size != 0 && code >= MACH_SEND_IN_PROGRESS && code < MACH_RCV_IN_PROGRESS) {
        request.header.msgh_size = sizeof(request.header);
        mach_msg_destroy(&request.header);
        return;
    }
    if (code == MACH_MSG_SUCCESS)
        port_internal_dispatch(&request, &reply);
    else if (!again && !timer_expire(clock_now()))
        return;
    turn_end();
}

void loop_run(void)
{
    stopped = false;
    while (!stopped)
        loop_once(UINT64_MAX);
}

void loop_stop(void)
{
    stopped = true;
}
