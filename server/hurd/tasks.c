/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which tasks the Hurd hears of. Its process server asks for the tasks that were there before it,
 * and to be told of each new one; either way it gets the right to control it. Of ours (those that
 * ran when this server was started, and those that the supervisor starts) it gets none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/task_info.h>

#include <interface/hurd/processor_set_server.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/port_internal.h>
#include <host/mach/trap.h>
#include <kit/log.h>

#include "hurd.h"
#include "relay.h"

enum { TASKS_MAX = 256 };

/* Rights to tasks of ours: the same task has the same name here wherever a right to it comes from.
 */
static mach_port_t ours[TASKS_MAX];
static unsigned ours_count;

static mach_port_t process_server, set_control, set_port, news_port;

static bool is_ours(mach_port_t task)
{
    for (unsigned i = 0; i < ours_count; i++) {
        if (ours[i] == task)
            return true;
    }
    return task == mach_task_self();
}

static void ours_died(void *context, mach_port_t task)
{
    (void)context;
    for (unsigned i = 0; i < ours_count; i++) {
        if (ours[i] != task)
            continue;
        ours[i] = ours[--ours_count];
        port_release(task);
        return;
    }
}

/* Takes the right. */
static void ours_add(mach_port_t task)
{
    if (is_ours(task)) {
        port_release(task);
    } else if (ours_count == TASKS_MAX) {
        log_error("more than %d tasks of ours: the Hurd's process server could control some",
                  TASKS_MAX);
        port_release(task);
    } else {
        ours[ours_count++] = task;
        port_watch(task, ours_died, NULL);
    }
}

struct new_task_message { /* of task_notify.defs, as MIG lays it out */
    mach_msg_header_t head;
    mach_msg_type_t task_type;
    mach_port_name_inlined_t task;
    mach_msg_type_t parent_type;
    mach_port_name_inlined_t parent;
};

static void new_task_message(void *context, mach_msg_header_t *message)
{
    struct new_task_message *news = (struct new_task_message *)message;

    (void)context;
    if (message->msgh_size != sizeof(*news) || !(message->msgh_bits & MACH_MSGH_BITS_COMPLEX)) {
        mach_msg_destroy(message);
        return;
    }
    if (news->parent.name == hurd.supervisor_task) {
        ours_add(news->task.name);
        news->task.name = MACH_PORT_NULL;
    }
    if (is_ours(news->parent.name) || process_server == MACH_PORT_NULL)
        mach_msg_destroy(message);
    else
        relay_pass(message, process_server);
}

static const struct port_type new_task_type = {.name = "new tasks", .message = new_task_message};

/* What has been told and not been read, before anything else is. To receive from one port it has to
 * be outside the loop's set; what waits goes with it. */
static void news_read(void)
{
    union {
        struct new_task_message news;
        unsigned char room[1024];
    } message;
    mach_msg_header_t *head = &message.news.head;

    mach_port_move_member(mach_task_self(), news_port, MACH_PORT_NULL);
    while (mach_msg(head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), news_port, 0,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        new_task_message(NULL, head);
    mach_port_move_member(mach_task_self(), news_port, port_internal_set());
}

/* Those of the boot script that have not been started yet are the Hurd's. */
static bool is_waiting(mach_port_t task)
{
    struct task_basic_info info = {0};
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    return task == hurd.next ||
           (task_info(task, TASK_BASIC_INFO, (task_info_t)&info, &count) == KERN_SUCCESS &&
            info.suspend_count > 0);
}

static int ours_find(void)
{
    mach_port_t *tasks;
    mach_msg_type_number_t count;
    int error = error_from_kernel(processor_set_tasks(set_control, &tasks, &count));

    if (error != 0)
        return error;
    for (unsigned i = 0; i < count; i++) {
        if (is_waiting(tasks[i]))
            port_release(tasks[i]);
        else
            ours_add(tasks[i]);
    }
    memory_pages_free(tasks, count * sizeof(tasks[0]));
    return 0;
}

/* The kernel tells one port only of new tasks, so that is asked for first of all. */
int tasks_start(void)
{
    mach_port_t set;
    int error = port_create(&new_task_type, NULL, &news_port);

    if (error == 0 && port_make_send(news_port) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error == 0)
        error = error_from_kernel(
            register_new_task_notification(hurd.host, news_port, MACH_MSG_TYPE_COPY_SEND));
    if (error == 0)
        error = error_from_kernel(processor_set_default(mach_host_self(), &set));
    if (error == 0)
        error = error_from_kernel(host_processor_set_priv(hurd.host, set, &set_control));
    return error == 0 ? ours_find() : error;
}

void tasks_tell(mach_port_t server)
{
    port_release(process_server);
    process_server = server;
}

kern_return_t serve_processor_set_tasks(mach_port_t port, hurd_ports_t *list,
                                        mach_msg_type_number_t *list_count)
{
    mach_port_t *tasks;
    mach_msg_type_number_t count, kept = 0;

    if (port != set_port)
        return KERN_INVALID_ARGUMENT;
    kern_return_t code = processor_set_tasks(set_control, &tasks, &count);
    if (code != KERN_SUCCESS)
        return code;
    news_read(); /* of ours that were started since we last looked */
    mach_port_t *others = memory_pages_allocate(count * sizeof(others[0]));
    for (unsigned i = 0; i < count; i++) {
        if (others && !is_ours(tasks[i]))
            others[kept++] = tasks[i];
        else
            port_release(tasks[i]);
    }
    memory_pages_free(tasks, count * sizeof(tasks[0]));
    if (!others)
        return KERN_RESOURCE_SHORTAGE;
    *list = others;
    *list_count = kept;
    return KERN_SUCCESS;
}

static const struct port_type set_type = {.name = "processor set", .serve = processor_set_server};

/* Asked on the host's port: the set that it names, whichever, is the only one there is. */
kern_return_t serve_host_processor_set_priv(mach_port_t host, mach_port_t name, mach_port_t *set)
{
    if (host == set_port)
        return KERN_INVALID_ARGUMENT;
    if (set_port == MACH_PORT_NULL && port_create(&set_type, NULL, &set_port) != 0)
        return KERN_RESOURCE_SHORTAGE;
    port_release(name);
    *set = set_port;
    return KERN_SUCCESS;
}
