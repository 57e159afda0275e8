/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/session_end.h>

#include <errno.h>

#include <mach/mig_errors.h>

#include <interface/io_device_user.h>
#include <interface/types.h>
#include <kernel/mach_port_user.h>

#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/trap.h>
#include <kit/log.h>

enum { PAGE = 4096 };

static size_t submissions_size(const struct session_ends *all)
{
    return (queue_memory_size(all->slots, all->submission_size) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void client_died(void *context, mach_port_t name)
{
    (void)name;
    session_end_close(context);
}

void session_end_no_senders(void *end)
{
    session_end_close(end);
}

int session_end_open(struct session_end *end, mach_port_t client, mach_port_t *right)
{
    int error = port_create(end->all->type, end, &end->port);

    if (error != 0)
        return error;
    mach_port_set_qlimit(mach_task_self(), end->port, 1); /* one wakeup is as good as two */
    error = port_watch(client, client_died, end);
    if (error == 0) {
        *right = port_make_send(end->port);
        error = *right == MACH_PORT_NULL ? ENOMEM : 0;
        if (error != 0)
            port_unwatch(client);
    }
    if (error != 0) {
        port_destroy(end->port);
        return error;
    }
    end->client = client;
    return 0;
}

void session_end_close(struct session_end *end)
{
    void *session = end->session;

    if (!session)
        return;
    end->session = NULL;
    for (struct session_end **at = &end->all->first; *at; at = &(*at)->next) {
        if (*at == end) {
            *at = end->next;
            break;
        }
    }
    port_unwatch(end->client);
    port_release(end->client);
    port_release(end->waiter);
    end->waiter = MACH_PORT_NULL;
    port_destroy(end->port);
    end->all->ended(end->link, session);
}

void session_end_break(struct session_end *end, const char *problem)
{
    log_warning("%s: a client broke the protocol and is cut off: %s", end->name, problem);
    session_end_close(end);
}

void session_end_free(struct session_end *end)
{
    if (!end->submissions)
        return;
    memory_pages_free((void *)end->submissions, submissions_size(end->all));
    shared_memory_free(&end->completions);
    end->submissions = NULL;
}

struct session_end *session_end_lookup(struct session_ends *all, mach_port_t port)
{
    struct session_end *end = port_context(port, all->type);

    return end && end->session ? end : NULL;
}

static int queue_open(struct session_end *end, mach_port_t lease, mach_port_t *completions)
{
    struct session_ends *all = end->all;
    const void *submissions;
    int error = shared_memory_open(lease, submissions_size(all), &submissions);

    if (error != 0)
        return error;
    error = shared_memory_allocate(queue_memory_size(all->slots, all->completion_size),
                                   &end->completions);
    if (error == 0) {
        error = shared_memory_lease(&end->completions, MEMORY_READ, completions);
        if (error != 0)
            shared_memory_free(&end->completions);
    }
    if (error != 0) {
        memory_pages_free((void *)submissions, submissions_size(all));
        return error;
    }
    end->submissions = submissions;
    queue_init(&end->queue, end->completions.address, submissions, all->slots);
    end->next = all->first;
    all->first = end;
    return 0;
}

kern_return_t session_end_serve_queue(struct session_ends *all, mach_port_t port, mach_port_t lease,
                                      unsigned epoch, mach_port_t *completions)
{
    struct session_end *end = session_end_lookup(all, port);

    if (!end)
        return outboard_error_make(EOPNOTSUPP);
    int error = end->submissions ? EBUSY : queue_open(end, lease, completions);
    if (error != 0)
        return outboard_error_make(error);
    port_release(lease);
    end->epoch = epoch;
    return 0;
}

/* The turn's end looks at every queue: what matters here is only who waits. */
kern_return_t session_end_serve_wake(struct session_ends *all, mach_port_t port, mach_port_t waiter)
{
    struct session_end *end = session_end_lookup(all, port);

    if (end) {
        port_release(end->waiter);
        end->waiter = waiter;
    } else {
        port_release(waiter);
    }
    return MIG_NO_REPLY;
}

bool session_ends_sleep(struct session_ends *all)
{
    bool more = false;

    for (struct session_end *end = all->first; end; end = end->next)
        more |= !queue_sleep(&end->queue);
    return more;
}

int session_end_map(struct device *device, mach_port_t lease, uint64_t *address, uint64_t *size)
{
    return error_from_kernel(io_device_dma_map(device_io_port(device), lease, address, size));
}

void session_end_unmap(struct device *device, uint64_t address)
{
    io_device_dma_unmap(device_io_port(device), address);
}

/* A header is all that it takes. A dead client's wakeup goes nowhere; its death is told separately.
 */
void session_end_wake(struct session_end *end)
{
    mach_msg_header_t message = {
        .msgh_bits =
            MACH_MSGH_BITS(end->waiter ? MACH_MSG_TYPE_MOVE_SEND_ONCE : MACH_MSG_TYPE_COPY_SEND, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = end->waiter ? end->waiter : end->client,
    };

    end->waiter = MACH_PORT_NULL;
    loop_send(&message);
}
