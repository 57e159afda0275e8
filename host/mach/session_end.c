/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/session_end.h>

#include <errno.h>

#include <interface/io_device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/trap.h>

enum { PAGE = 4096 };

static size_t submissions_size(const struct session_shape *shape)
{
    return (queue_memory_size(shape->slots, shape->submission_size) + PAGE - 1) &
           ~(size_t)(PAGE - 1);
}

int session_end_open(struct session_end *end, const struct session_shape *shape,
                     const struct port_type *type, void *context, mach_port_t client,
                     void (*died)(void *context, mach_port_t name), mach_port_t *right)
{
    *end = (struct session_end){.shape = shape};
    int error = port_create(type, context, &end->port);
    if (error != 0)
        return error;
    mach_port_set_qlimit(mach_task_self(), end->port, 1); /* one wakeup is as good as two */
    error = port_watch(client, died, context);
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
    port_unwatch(end->client);
    port_release(end->client);
    port_release(end->waiter);
    end->client = end->waiter = MACH_PORT_NULL;
    port_destroy(end->port);
}

void session_end_free(struct session_end *end)
{
    if (!end->submissions)
        return;
    memory_pages_free((void *)end->submissions, submissions_size(end->shape));
    shared_memory_free(&end->completions);
    end->submissions = NULL;
}

int session_end_queue(struct session_end *end, mach_port_t lease, uint32_t epoch,
                      mach_port_t *completions)
{
    const struct session_shape *shape = end->shape;
    const void *submissions;

    if (end->submissions)
        return EBUSY;
    int error = shared_memory_open(lease, submissions_size(shape), &submissions);
    if (error != 0)
        return error;
    error = shared_memory_allocate(queue_memory_size(shape->slots, shape->completion_size),
                                   &end->completions);
    if (error == 0) {
        error = shared_memory_lease(&end->completions, MEMORY_READ, completions);
        if (error != 0)
            shared_memory_free(&end->completions);
    }
    if (error != 0) {
        memory_pages_free((void *)submissions, submissions_size(shape));
        return error;
    }
    end->submissions = submissions;
    end->epoch = epoch;
    queue_init(&end->queue, end->completions.address, submissions, shape->slots);
    return 0;
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

void session_end_awaited(struct session_end *end, mach_port_t waiter)
{
    port_release(end->waiter);
    end->waiter = waiter;
}
