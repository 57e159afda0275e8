/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What it costs that one thread wakes another which does nothing but wait, and is woken in turn: by
 * messages, and by the kernel's gsync_wait and gsync_wake. Run it with `obvm --count`, where the
 * time stamp counter counts instructions (bench/run does). It is started as a driver for the want
 * of anything else that is.
 */
#include <stddef.h>
#include <stdint.h>

#include <mach/machine/thread_status.h>

#include <kernel/gnumach_user.h>
#include <kernel/mach_user.h>

#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/log.h>

enum { ROUNDS = 2000, STACK = 64 * 1024 };

static struct side {
    mach_port_t port, reply;
    volatile unsigned turns; /* that it was given */
} sides[2];
static char stack[STACK] __attribute__((aligned(16)));
static struct clock_timer timer;

static uint64_t instructions(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Both threads make calls of the kernel: each has a port for the answers (see meson.build). */
mach_port_t __wrap_mig_get_reply_port(void);

mach_port_t __wrap_mig_get_reply_port(void)
{
    char here;
    struct side *side = &sides[(uintptr_t)&here - (uintptr_t)stack < STACK];

    if (side->reply == MACH_PORT_NULL)
        side->reply = mach_reply_port();
    return side->reply;
}

/* Wake the other and wait: one system call. */
static void message_turn(const struct side *from, const struct side *to, mach_msg_option_t option)
{
    union {
        mach_msg_header_t header;
        char room[256];
    } message = {.header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0),
                            .msgh_size = sizeof(message.header),
                            .msgh_remote_port = to->port}};

    mach_msg(&message.header, option, sizeof(message.header), sizeof(message), from->port, 0,
             MACH_PORT_NULL);
}

/* The same: two calls of the kernel. */
static void gsync_turn(struct side *from, struct side *to)
{
    unsigned seen = from->turns;

    to->turns++;
    gsync_wake(mach_task_self(), (vm_address_t)&to->turns, 0, 0);
    while (from->turns == seen)
        gsync_wait(mach_task_self(), (vm_address_t)&from->turns, seen, 0, 0, 0);
}

static void other(void)
{
    message_turn(&sides[1], &sides[0], MACH_RCV_MSG);
    for (unsigned i = 1; i < ROUNDS; i++)
        message_turn(&sides[1], &sides[0], MACH_SEND_MSG | MACH_RCV_MSG);
    message_turn(&sides[1], &sides[0], MACH_SEND_MSG);
    while (sides[1].turns == 0)
        gsync_wait(mach_task_self(), (vm_address_t)&sides[1].turns, 0, 0, 0, 0);
    for (;;)
        gsync_turn(&sides[1], &sides[0]);
}

static void measure(void *context)
{
    uint64_t begin = instructions();

    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++)
        message_turn(&sides[0], &sides[1], MACH_SEND_MSG | MACH_RCV_MSG);
    uint64_t middle = instructions();
    for (unsigned i = 0; i < ROUNDS; i++)
        gsync_turn(&sides[0], &sides[1]);
    log_info("wakeup: by message %llu, by gsync %llu",
             (unsigned long long)(middle - begin) / (2 * ROUNDS),
             (unsigned long long)(instructions() - middle) / (2 * ROUNDS));
}

static int attach(struct device *device)
{
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mach_port_t thread;

    (void)device;
    for (unsigned i = 0; i < 2; i++)
        sides[i].port = mach_reply_port();
    kern_return_t code = thread_create(mach_task_self(), &thread);
    if (code == KERN_SUCCESS)
        code = thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    state.rip = (uintptr_t)other;
    state.ursp = (uintptr_t)stack + STACK - 8;
    if (code == KERN_SUCCESS)
        code = thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count);
    if (code == KERN_SUCCESS)
        code = thread_resume(thread);
    clock_timer_start(&timer, CLOCK_SECOND, measure, NULL);
    return code;
}

static void detach(void)
{
}

const struct driver driver = {.name = "wakeup", .attach = attach, .detach = detach};
