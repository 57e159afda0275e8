/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One table, indexed by port name, says which receive rights we serve, and as what.
 */
#include <host/mach/port.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/mig_errors.h>
#include <mach/notify.h>

#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/port_internal.h>
#include <host/mach/trap.h>
#include <kit/log.h>

struct port_entry {
    const struct port_type *type; /* null: not a receive right of ours */
    void *context;
};

/* The kernel hands names out from the bottom; a task with more rights than this has a leak. */
enum { PORT_NAMES_MAX = 1 << 16 };

static struct port_entry *entries;
static size_t entry_count;
static mach_port_t port_set;

static struct port_entry *entry_lookup(mach_port_t name)
{
    return name < entry_count ? &entries[name] : NULL;
}

static int entry_make(mach_port_t name, struct port_entry **result)
{
    if (name >= PORT_NAMES_MAX)
        return ENOMEM;
    if (name >= entry_count) {
        size_t count = entry_count ? entry_count : 256;
        while (count <= name)
            count *= 2;
        struct port_entry *grown = realloc(entries, count * sizeof(*grown));
        if (!grown)
            return ENOMEM;
        memset(grown + entry_count, 0, (count - entry_count) * sizeof(*grown));
        entries = grown;
        entry_count = count;
    }
    *result = &entries[name];
    return 0;
}

static int set_init(void)
{
    if (port_set != MACH_PORT_NULL)
        return 0;
    return error_from_kernel(
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &port_set));
}

mach_port_t port_internal_set(void)
{
    return set_init() == 0 ? port_set : MACH_PORT_NULL;
}

int port_adopt(const struct port_type *type, void *context, mach_port_t port)
{
    struct port_entry *entry;
    int error = set_init();

    if (error == 0)
        error = entry_make(port, &entry);
    if (error == 0)
        error = error_from_kernel(mach_port_move_member(mach_task_self(), port, port_set));
    if (error != 0)
        return error;

    if (type->no_senders) {
        /* Sync 1: tell when a send right was made at least once and none is left. */
        mach_port_t previous = MACH_PORT_NULL;
        error = error_from_kernel(
            mach_port_request_notification(mach_task_self(), port, MACH_NOTIFY_NO_SENDERS, 1, port,
                                           MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
        if (error != 0)
            return error;
    }
    entry->type = type;
    entry->context = context;
    return 0;
}

int port_create(const struct port_type *type, void *context, mach_port_t *port)
{
    mach_port_t name;
    int error =
        error_from_kernel(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name));

    if (error != 0)
        return error;
    error = port_adopt(type, context, name);
    if (error != 0) {
        mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1);
        return error;
    }
    *port = name;
    return 0;
}

void port_destroy(mach_port_t port)
{
    struct port_entry *entry = entry_lookup(port);

    if (!entry || !entry->type)
        return;
    entry->type = NULL;
    entry->context = NULL;
    mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

void port_disown(mach_port_t port)
{
    struct port_entry *entry = entry_lookup(port);

    if (!entry || !entry->type)
        return;
    entry->type = NULL;
    entry->context = NULL;
    mach_port_move_member(mach_task_self(), port, MACH_PORT_NULL);
}

void *port_context(mach_port_t port, const struct port_type *type)
{
    struct port_entry *entry = entry_lookup(port);

    return entry && entry->type == type ? entry->context : NULL;
}

mach_port_t port_make_send(mach_port_t port)
{
    kern_return_t code =
        mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);

    return code == KERN_SUCCESS ? port : MACH_PORT_NULL;
}

void port_release(mach_port_t name)
{
    if (MACH_PORT_VALID(name))
        mach_port_deallocate(mach_task_self(), name);
}

/* Answer without ever waiting for the client to take it. */
static void reply_send(mach_msg_header_t *reply)
{
    mach_msg_return_t code = mach_msg(reply, MACH_SEND_MSG | MACH_SEND_TIMEOUT, reply->msgh_size, 0,
                                      MACH_PORT_NULL, 0, MACH_PORT_NULL);

    if (code != MACH_MSG_SUCCESS)
        mach_msg_destroy(reply);
}

static void request_serve(const struct port_type *type, mach_msg_header_t *request,
                          union port_message *reply)
{
    mig_reply_header_t *result = &reply->result;

    if (!type->serve) {
        mach_msg_destroy(request);
        return;
    }
    if (!type->serve(request, &reply->header))
        result->RetCode = MIG_BAD_ID;

    bool simple = !(reply->header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
    bool failed = simple && result->RetCode != KERN_SUCCESS && result->RetCode != MIG_NO_REPLY;
    bool answer = reply->header.msgh_remote_port != MACH_PORT_NULL &&
                  !(simple && result->RetCode == MIG_NO_REPLY);

    if (failed) {
        /* The routine took nothing: what the request carried goes, but for the reply right. */
        request->msgh_remote_port = MACH_PORT_NULL;
        mach_msg_destroy(request);
    }
    if (answer)
        reply_send(&reply->header);
}

void port_internal_dispatch(union port_message *request, union port_message *reply)
{
    mach_msg_header_t *header = &request->header;

    struct port_entry *entry = entry_lookup(header->msgh_local_port);
    if (!entry || !entry->type) {
        mach_msg_destroy(header);
        return;
    }

    /* A real notification comes by the send-once right that was made for it; a client holds send
     * rights only, so it cannot forge one. */
    if (entry->type->no_senders && header->msgh_id == MACH_NOTIFY_NO_SENDERS &&
        MACH_MSGH_BITS_LOCAL(header->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        entry->type->no_senders(entry->context);
        return;
    }
    if (entry->type->message) {
        entry->type->message(entry->context, header);
        return;
    }
    request_serve(entry->type, header, reply);
}
