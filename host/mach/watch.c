/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rights whose death is watched. The authority watches none: it hears of the end of what it lent by
 * having no senders any more, and by receive rights that come home.
 */
#include <host/mach/port.h>

#include <errno.h>
#include <stdlib.h>

#include <mach/notify.h>

#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/trap.h>

struct watch {
    mach_port_t name;
    void (*died)(void *context, mach_port_t name);
    void *context;
    struct watch *next;
};

static struct watch *watches;
static mach_port_t notify_port; /* only the kernel can send here */

static struct watch **watch_link(mach_port_t name)
{
    struct watch **link = &watches;

    while (*link && (*link)->name != name)
        link = &(*link)->next;
    return link;
}

static void watch_remove(struct watch **link)
{
    struct watch *watch = *link;

    *link = watch->next;
    free(watch);
}

static void notify_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    if (message->msgh_id != MACH_NOTIFY_DEAD_NAME ||
        message->msgh_size < sizeof(mach_dead_name_notification_t))
        return;
    mach_port_t name = ((const mach_dead_name_notification_t *)message)->not_port;
    struct watch **link = watch_link(name);

    if (*link) {
        struct watch watch = **link;
        watch_remove(link);
        watch.died(watch.context, name);
    }
    port_release(name); /* the notification brought a reference of its own */
}

static const struct port_type notify_type = {.name = "deaths", .message = notify_message};

/* Sync 1: if it is dead already, say so at once. */
static int notification_request(mach_port_t name, mach_port_t notify)
{
    mach_port_t previous = MACH_PORT_NULL;
    int error = error_from_kernel(mach_port_request_notification(
        mach_task_self(), name, MACH_NOTIFY_DEAD_NAME, notify != MACH_PORT_NULL, notify,
        MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));

    port_release(previous);
    return error;
}

int port_watch(mach_port_t name, void (*died)(void *context, mach_port_t name), void *context)
{
    struct watch **link = watch_link(name);
    int error = notify_port == MACH_PORT_NULL ? port_create(&notify_type, NULL, &notify_port) : 0;

    if (error != 0)
        return error;
    if (!*link)
        *link = calloc(1, sizeof(**link));
    if (!*link)
        return ENOMEM;
    (*link)->name = name;
    (*link)->died = died;
    (*link)->context = context;
    error = notification_request(name, notify_port);
    if (error != 0)
        watch_remove(watch_link(name));
    return error;
}

void port_unwatch(mach_port_t name)
{
    struct watch **link = watch_link(name);

    if (!*link)
        return;
    watch_remove(link);
    notification_request(name, MACH_PORT_NULL);
}
