/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The boot file system's conversation with its bootstrap port, and what is asked of it and of the
 * startup server meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include <mach/mig_errors.h>

#include <interface/hurd/directory_server.h>
#include <interface/hurd/exec_startup_user.h>
#include <interface/hurd/fsys_control_server.h>
#include <interface/hurd/fsys_reply_server.h>
#include <interface/hurd/fsys_request_user.h>
#include <interface/hurd/fsys_user.h>
#include <interface/hurd/hurd_startup_server.h>
#include <interface/hurd/startup_notify_user.h>

#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/clock.h>

#include "stand_in.h"

enum { NOTIFIED_MAX = 8, SYNC_MILLISECONDS = 60000 };
#define PATIENCE (20 * CLOCK_SECOND)

static struct {
    mach_port_t port;
    hurd_string_t name;
} notified[NOTIFIED_MAX];
static unsigned notified_count;

static struct {
    bool arrived;
    kern_return_t code;
    mach_port_t realnode;
} answer;

static mach_port_t root, startup;

static const struct port_type control_type = {.name = "control", .serve = fsys_control_server};
static const struct port_type root_type = {.name = "root directory", .serve = directory_server};
static const struct port_type startup_type = {.name = "startup", .serve = hurd_startup_server};
/* The process and authentication servers answer that they do not know what is asked. */
static const struct port_type other_type = {.name = "other", .serve = fsys_control_server};

kern_return_t serve_fsys_getroot(mach_port_t control, mach_port_t dotdot, const int *user_ids,
                                 mach_msg_type_number_t users, const int *group_ids,
                                 mach_msg_type_number_t groups, int flags, uint32_t *retry,
                                 hurd_string_t retry_name, mach_port_t *result,
                                 mach_msg_type_name_t *result_type)
{
    bool privileged = false;

    (void)dotdot, (void)group_ids, (void)groups, (void)flags;
    if (!port_context(control, &control_type))
        return MIG_BAD_ID;
    for (mach_msg_type_number_t i = 0; i < users; i++)
        privileged |= user_ids[i] == 0;
    if (!check_true(privileged, "user ids of fsys_getroot", "0 among them"))
        return HURD_EPERM;
    *retry = HURD_RETRY_NORMAL;
    retry_name[0] = '\0';
    *result = root;
    *result_type = MACH_MSG_TYPE_MAKE_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_dir_lookup(mach_port_t directory, const_hurd_string_t name, int flags,
                               uint32_t mode, uint32_t *retry, hurd_string_t retry_name,
                               mach_port_t *result, mach_msg_type_name_t *result_type)
{
    (void)flags, (void)mode;
    if (!port_context(directory, &root_type))
        return HURD_EOPNOTSUPP;
    while (*name == '/')
        name++;
    if (strcmp(name, "servers/startup") != 0) {
        check_note("dir_lookup of %.60s, which is not there", name);
        return HURD_ENOENT;
    }
    *retry = HURD_RETRY_NORMAL;
    retry_name[0] = '\0';
    *result = startup;
    *result_type = MACH_MSG_TYPE_MAKE_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_dir_readdir(mach_port_t directory, hurd_data_t *data,
                                mach_msg_type_number_t *size, int entry, int count, vm_size_t limit,
                                int *amount)
{
    (void)directory, (void)data, (void)size, (void)entry, (void)count, (void)limit, (void)amount;
    return HURD_EOPNOTSUPP; /* nobody below a file system lists its directories */
}

kern_return_t serve_startup_essential_task(mach_port_t server, mach_port_t reply_port,
                                           mach_msg_type_name_t reply_type, mach_port_t task,
                                           mach_port_t exception, const_hurd_string_t name,
                                           mach_port_t credential)
{
    (void)server, (void)reply_port, (void)reply_type, (void)task, (void)exception, (void)credential;
    check_failed("startup_essential_task of %.60s: expected none, its death would end the system",
                 name);
    return HURD_EPERM;
}

kern_return_t serve_startup_request_notification(mach_port_t server, mach_port_t notify,
                                                 const_hurd_string_t name)
{
    if (!port_context(server, &startup_type) || notified_count == NOTIFIED_MAX)
        return HURD_EOPNOTSUPP;
    check_true(MACH_PORT_VALID(notify), "port of startup_request_notification", "a port");
    check_true(name[0] != '\0', "name in startup_request_notification", "not empty");
    notified[notified_count].port = notify;
    snprintf(notified[notified_count].name, sizeof(hurd_string_t), "%s", name);
    notified_count++;
    return KERN_SUCCESS;
}

kern_return_t serve_fsys_startup_reply(mach_port_t port, kern_return_t code, mach_port_t realnode)
{
    (void)port;
    answer.code = code;
    answer.realnode = realnode;
    return KERN_SUCCESS;
}

kern_return_t serve_fsys_init_reply(mach_port_t port, kern_return_t code)
{
    (void)port;
    answer.code = code;
    return KERN_SUCCESS;
}

static void answer_arrived(void *context, mach_msg_header_t *message)
{
    struct {
        mig_reply_header_t result;
        char rest[64];
    } ignored;
    const mig_reply_header_t *error = (const mig_reply_header_t *)message;

    (void)context;
    answer.arrived = true;
    if (message->msgh_size == sizeof(*error) && error->RetCode != KERN_SUCCESS)
        answer.code = error->RetCode;
    else if (!fsys_reply_server(message, &ignored.result.Head) ||
             ignored.result.RetCode == MIG_BAD_ARGUMENTS)
        answer.code = MIG_REPLY_MISMATCH;
}

static const struct port_type answer_type = {.name = "answer", .message = answer_arrived};

/* Serving others meanwhile, as a file system with threads does. */
static bool answer_wait(const char *what)
{
    uint64_t until = clock_now() + PATIENCE;

    while (!answer.arrived && clock_now() < until)
        loop_once(until);
    if (!check_true(answer.arrived, what, "answered within 20 s"))
        return false;
    return check_equal(what, KERN_SUCCESS, answer.code);
}

static mach_port_t port_make(const struct port_type *type)
{
    static int context;
    mach_port_t port = MACH_PORT_NULL;

    check_equal("a port of our own", 0, port_create(type, &context, &port));
    return port;
}

/* Before all else the C library asks whether an exec server started this task. */
static void exec_startup_check(mach_port_t bootstrap)
{
    vm_address_t entry, headers, stack;
    vm_size_t headers_size, stack_size;
    int flags;
    hurd_data_t arguments = NULL, environment = NULL;
    hurd_ports_t descriptors = NULL, ports = NULL;
    hurd_numbers_t numbers = NULL;
    mach_msg_type_number_t counts[5] = {0};

    check_equal("exec_startup_get_info", MIG_BAD_ID,
                exec_startup_get_info(bootstrap, &entry, &headers, &headers_size, &stack,
                                      &stack_size, &flags, &arguments, &counts[0], &environment,
                                      &counts[1], &descriptors, &counts[2], &ports, &counts[3],
                                      &numbers, &counts[4]));
}

bool boot_privileges(struct privileges *privileges)
{
    mach_port_t bootstrap = startup_bootstrap_port();

    if (!check_true(MACH_PORT_VALID(bootstrap), "bootstrap port", "there"))
        return false;
    exec_startup_check(bootstrap);
    return check_equal("fsys_getpriv", KERN_SUCCESS,
                       fsys_getpriv(bootstrap, &privileges->host, &privileges->device_master,
                                    &privileges->driver_task)) &&
           check_true(MACH_PORT_VALID(privileges->host), "host_priv", "a port") &&
           check_true(MACH_PORT_VALID(privileges->device_master), "device_master", "a port") &&
           check_true(MACH_PORT_VALID(privileges->driver_task), "fstask", "a port");
}

void boot_startup(void)
{
    mach_port_t control = port_make(&control_type), reply = port_make(&answer_type);
    mach_port_t proc = port_make(&other_type), auth = port_make(&other_type);
    uint64_t until;

    root = port_make(&root_type);
    startup = port_make(&startup_type);

    memset(&answer, 0, sizeof(answer));
    fsys_startup_request(startup_bootstrap_port(), reply, 0, control);
    if (answer_wait("fsys_startup"))
        check_equal("realnode of fsys_startup", MACH_PORT_NULL, answer.realnode);

    memset(&answer, 0, sizeof(answer));
    fsys_init_request(startup_bootstrap_port(), reply, proc, auth);
    answer_wait("fsys_init");

    until = clock_now() + PATIENCE;
    while (notified_count == 0 && clock_now() < until)
        loop_once(until);
    check_true(notified_count > 0, "startup_request_notification", "sent within 20 s of fsys_init");
}

/* Who registered last goes first. */
void boot_shutdown(void)
{
    while (notified_count > 0) {
        notified_count--;
        check_note("telling %.60s of the shutdown", notified[notified_count].name);
        check_equal("startup_dosync", KERN_SUCCESS,
                    startup_dosync(notified[notified_count].port, SYNC_MILLISECONDS));
        port_release(notified[notified_count].port);
    }
}
