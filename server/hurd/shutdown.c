/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Being told when the system goes down. The startup server is found in the root file system, where
 * it appears some time after the first programs; until then the question is asked again and again.
 */
#include <errno.h>
#include <string.h>

#include <interface/hurd/directory_user.h>
#include <interface/hurd/fsys_control_user.h>
#include <interface/hurd/hurd_startup_user.h>
#include <interface/hurd/startup_notify_server.h>
#include <interface/hurd/types.h>

#include <host/mach/port.h>
#include <kit/clock.h>
#include <kit/log.h>

#include "hurd.h"

/* Nobody can be served while an answer is waited for: so not for long. */
enum { ANSWER_MS = 200, ROUNDS_MAX = 1200 };
#define ROUND (CLOCK_SECOND / 2)

static struct {
    mach_port_t control, notify;
    unsigned rounds;
    struct clock_timer timer;
} registration;

kern_return_t serve_startup_dosync(mach_port_t notify)
{
    (void)notify;
    log_info("the system goes down: flushing");
    return master_flush() == 0 ? KERN_SUCCESS : HURD_EIO;
}

static const struct port_type notify_type = {.name = "shutdown", .serve = startup_notify_server};

/* Null: not there yet. */
static mach_port_t startup_server_find(mach_port_t control)
{
    static hurd_string_t rest; /* too long for a stack frame */
    mach_port_t root = MACH_PORT_NULL, server = MACH_PORT_NULL;
    int nobody[1] = {0};
    unsigned retry;

    if (fsys_getroot(control, ANSWER_MS, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND, nobody, 1, nobody,
                     1, 0, &retry, rest, &root) != KERN_SUCCESS ||
        retry != HURD_RETRY_NORMAL || rest[0] != '\0')
        return MACH_PORT_NULL;
    kern_return_t code =
        dir_lookup(root, ANSWER_MS, "servers/startup", 0, 0, &retry, rest, &server);
    port_release(root);
    return code == KERN_SUCCESS && retry == HURD_RETRY_NORMAL && rest[0] == '\0' ? server
                                                                                 : MACH_PORT_NULL;
}

static void attempt(void *context)
{
    (void)context;
    mach_port_t server = startup_server_find(registration.control);
    kern_return_t code = KERN_FAILURE;

    if (MACH_PORT_VALID(server)) {
        hurd_string_t name = "outboard";
        code = startup_request_notification(server, ANSWER_MS, registration.notify,
                                            MACH_MSG_TYPE_COPY_SEND, name);
        port_release(server);
    }
    if (code == KERN_SUCCESS) {
        log_info("the startup server will say when the system goes down");
    } else if (++registration.rounds == ROUNDS_MAX) {
        log_warning("no startup server in %lu s: disks are flushed when the machine stops only",
                    ROUNDS_MAX * ROUND / CLOCK_SECOND);
    } else {
        clock_timer_start(&registration.timer, ROUND, attempt, NULL);
        return;
    }
    port_release(registration.control);
    registration.control = MACH_PORT_NULL;
}

void shutdown_register(mach_port_t control)
{
    int error = 0;

    if (registration.notify == MACH_PORT_NULL)
        error = port_create(&notify_type, NULL, &registration.notify);
    if (error == 0 && port_make_send(registration.notify) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error != 0) {
        log_error("the startup server cannot be told of us: %s", strerror(error));
        return;
    }
    registration.control = control;
    registration.rounds = 0;
    clock_timer_start(&registration.timer, CLOCK_MILLISECOND, attempt, NULL);
}
