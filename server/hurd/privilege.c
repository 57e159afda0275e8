/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The privileged host port, as the Hurd gets it. Calls that concern a task which the caller has
 * anyway, or the clock, go on to the kernel; those by which a task could get at memory, processors
 * or tasks that are not its own do not. A reboot is an orderly stop.
 */
#include <mach/mig_errors.h>

#include <interface/hurd/processor_set_server.h>
#include <interface/supervisor_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>

#include "hurd.h"
#include "relay.h"

/* Of the kernel's interfaces mach (2000), mach_host (2600) and gnumach (4200). */
enum {
    CALL_VM_SET_DEFAULT_MEMORY_MANAGER = 2041,
    CALL_HOST_PROCESSOR_SETS = 2629,
    CALL_HOST_PROCESSOR_SET_PRIV = 2630,
    CALL_HOST_SET_TIME = 2632,
    CALL_HOST_ADJUST_TIME = 2633,
    CALL_HOST_GET_TIME = 2634,
    CALL_HOST_REBOOT = 2635,
    CALL_VM_WIRE = 2636,
    CALL_THREAD_WIRE = 2637,
    CALL_HOST_INFO = 2638,
    CALL_HOST_GET_TIME64 = 2643,
    CALL_HOST_SET_TIME64 = 2644,
    CALL_HOST_ADJUST_TIME64 = 2645,
    CALL_HOST_GET_KERNEL_VERSION = 2646,
    CALL_HOST_GET_UPTIME64 = 2647,
    CALL_TASK_MAX_PRIORITY = 2649,
    CALL_REGISTER_NEW_TASK_NOTIFICATION = 4203,
    CALL_VM_WIRE_ALL = 4207,
    CALL_VM_SET_SIZE_LIMIT = 4215,
};

static const int passed[] = {
    CALL_VM_SET_DEFAULT_MEMORY_MANAGER, /* our own tasks' memory is wired: it gets none of that */
    CALL_HOST_PROCESSOR_SETS,
    CALL_HOST_SET_TIME,
    CALL_HOST_ADJUST_TIME,
    CALL_HOST_GET_TIME,
    CALL_VM_WIRE,
    CALL_HOST_INFO,
    CALL_HOST_GET_TIME64,
    CALL_HOST_SET_TIME64,
    CALL_HOST_ADJUST_TIME64,
    CALL_HOST_GET_KERNEL_VERSION,
    CALL_HOST_GET_UPTIME64,
    CALL_TASK_MAX_PRIORITY,
    CALL_VM_WIRE_ALL,
    CALL_VM_SET_SIZE_LIMIT,
};

/* As MIG lays them out: a type before each right. */
struct right_message {
    mach_msg_header_t head;
    mach_msg_type_t type;
    mach_port_name_inlined_t right;
};
struct reboot_message {
    mach_msg_header_t head;
    mach_msg_type_t type;
    int options;
    int padding;
};

static void new_tasks_register(mach_msg_header_t *message)
{
    struct right_message *request = (struct right_message *)message;

    if (message->msgh_size != sizeof(*request) || !(message->msgh_bits & MACH_MSGH_BITS_COMPLEX) ||
        request->type.msgt_name != MACH_MSG_TYPE_PORT_SEND) {
        relay_answer(message, MIG_BAD_ARGUMENTS);
        return;
    }
    tasks_tell(request->right.name);
    message->msgh_bits &= ~MACH_MSGH_BITS_COMPLEX; /* its right is not the message's any more */
    relay_answer(message, KERN_SUCCESS);
}

/* RB_HALT of sys/reboot.h: to be switched off is what that has come to mean. */
static void reboot(mach_msg_header_t *message)
{
    enum { HALT = 0x08, POWER_OFF = 0, RESTART = 1 };
    const struct reboot_message *request = (const void *)message;

    if (message->msgh_size != sizeof(*request)) {
        relay_answer(message, MIG_BAD_ARGUMENTS);
        return;
    }
    log_info("the Hurd goes down");
    supervisor_halt(hurd.supervisor, request->options & HALT ? POWER_OFF : RESTART);
    relay_answer(message, KERN_SUCCESS);
}

static void refuse(mach_msg_header_t *message)
{
    static int last; /* one line for each, not for each time */

    if (message->msgh_id != last)
        log_warning("call %d on the privileged host port is refused: it could reach what is not "
                    "the caller's",
                    message->msgh_id);
    last = message->msgh_id;
    relay_answer(message, HURD_EPERM); /* the Hurd goes on without, where it can */
}

/* The kernel wires only the thread that asks. A default pager does not run without a good answer.
 */
static void thread_wire_pretend(mach_msg_header_t *message)
{
    static bool said;

    if (!said)
        log_warning("thread_wire has no effect through this port: a default pager that is to be "
                    "relied on when memory is short needs --host=real");
    said = true;
    relay_answer(message, KERN_SUCCESS);
}

static void host_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    if (message->msgh_id == CALL_REGISTER_NEW_TASK_NOTIFICATION) {
        new_tasks_register(message);
        return;
    }
    if (message->msgh_id == CALL_HOST_PROCESSOR_SET_PRIV) {
        relay_serve(message, processor_set_server);
        return;
    }
    if (message->msgh_id == CALL_THREAD_WIRE) {
        thread_wire_pretend(message);
        return;
    }
    if (message->msgh_id == CALL_HOST_REBOOT) {
        reboot(message);
        return;
    }
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        if (message->msgh_id == passed[i]) {
            relay_pass(message, hurd.host);
            return;
        }
    }
    refuse(message);
}

static const struct port_type host_type = {.name = "host", .message = host_message};

int privilege_port(mach_port_t *port)
{
    return port_create(&host_type, NULL, port);
}
