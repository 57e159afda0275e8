/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver as it is, until somebody writes an order into its memory (the campaign does, with
 * the supervisor's `fault`): from then on it does what that says, each time that so many occasions
 * have passed. Linked with what it abuses wrapped.
 */
#include <stdlib.h>
#include <string.h>

#include <driver/nvme/nvme.h>
#include <host/mach/shared.h>
#include <interface/io_device_user.h>
#include <kernel/mach_port_user.h>
#include <kit/core/block.h>
#include <kit/irq.h>

#include <host/mach/trap.h>

/* test/campaign/deeds.py has the same names in the same order. */
enum deed {
    NOTHING,
    REPEATED,  /* a completion comes twice */
    REORDERED, /* those that are ready together come the other way round */
    STRAY,     /* one for any slot of any generation */
    STALE,     /* one for that slot, one generation off */
    CUT,       /* it says that less was moved than was */
    NONSENSE,  /* a status that there is not */
    WITHHELD,  /* it does not come */
    FLOOD,     /* it comes more often than the ring has places */
    FORGED,    /* it says that what was never given to the device is done */
    LEAK_MEMORY,
    LEAK_POOL, /* memory that devices can reach */
    LEAK_PORTS,
    UNACKNOWLEDGED, /* interrupts are handled and not acknowledged */
    IGNORED,        /* interrupts are acknowledged and not handled */
};

enum { LEAK_SIZE = 64 << 10, HANDLERS_MAX = 32 };

struct order {
    uint8_t deed, every;
};

volatile struct order wicked_order;

static bool is_due(enum deed deed)
{
    static unsigned occasions;

    return wicked_order.deed == deed && ++occasions % (wicked_order.every + 1u) == 0;
}

static uint32_t random_next(void)
{
    static uint32_t state = 1;

    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static const struct block_transport *honest;

static unsigned copies_deliver(void *link, const struct block_completion *completion,
                               unsigned copies)
{
    for (unsigned i = 0; i < copies; i++) {
        struct block_completion copy = *completion;
        honest->deliver(link, &copy, 1);
    }
    return 1;
}

static unsigned one_deliver(void *link, struct block_completion *completion)
{
    struct block_completion extra = *completion;

    if (is_due(REPEATED))
        return copies_deliver(link, completion, 2);
    if (is_due(FLOOD))
        return copies_deliver(link, completion, 2 * BLOCK_SLOTS);
    if (is_due(WITHHELD))
        return 1;
    if (is_due(STRAY)) {
        extra.slot = (uint16_t)random_next();
        extra.generation = random_next();
        honest->deliver(link, &extra, 1);
    } else if (is_due(STALE)) {
        extra.generation += random_next() % 2 == 0 ? 1 : UINT32_MAX;
        honest->deliver(link, &extra, 1);
    } else if (is_due(CUT)) {
        completion->length /= 2;
    } else if (is_due(NONSENSE)) {
        completion->status = (uint16_t)(1000 + random_next() % 1000);
    }
    return honest->deliver(link, completion, 1);
}

static unsigned deliver(void *link, struct block_completion *completions, unsigned count)
{
    if (count > 1 && is_due(REORDERED)) {
        for (unsigned i = count; i > 0; i--)
            one_deliver(link, &completions[i - 1]);
        return count;
    }
    for (unsigned i = 0; i < count; i++)
        one_deliver(link, &completions[i]);
    return count;
}

int __real_block_session_create(struct block_device *device, const struct block_range *range,
                                bool write, const struct block_transport *transport, void *link,
                                struct block_session **session);
int __wrap_block_session_create(struct block_device *device, const struct block_range *range,
                                bool write, const struct block_transport *transport, void *link,
                                struct block_session **session);

int __wrap_block_session_create(struct block_device *device, const struct block_range *range,
                                bool write, const struct block_transport *transport, void *link,
                                struct block_session **session)
{
    static struct block_transport dishonest;

    honest = transport;
    dishonest = *transport;
    dishonest.deliver = deliver;
    return __real_block_session_create(device, range, write, &dishonest, link, session);
}

void __real_block_session_place(struct block_session *session, struct block_completion *ring,
                                uint32_t epoch);
void __wrap_block_session_place(struct block_session *session, struct block_completion *ring,
                                uint32_t epoch);

/* What is put right into the ring could not be told in another order. */
void __wrap_block_session_place(struct block_session *session, struct block_completion *ring,
                                uint32_t epoch)
{
    (void)ring;
    __real_block_session_place(session, session->completion, epoch);
}

static void leak(void)
{
    struct shared_memory memory;
    mach_port_t port;

    if (is_due(LEAK_MEMORY)) {
        void *lost = malloc(LEAK_SIZE);
        if (lost)
            memset(lost, 1, LEAK_SIZE);
    }
    if (is_due(LEAK_POOL))
        shared_memory_allocate(LEAK_SIZE, &memory);
    if (is_due(LEAK_PORTS))
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
}

bool __real_nvme_io_submit(void *context, struct block_request *request);
bool __wrap_nvme_io_submit(void *context, struct block_request *request);

bool __wrap_nvme_io_submit(void *context, struct block_request *request)
{
    leak();
    if (!is_due(FORGED))
        return __real_nvme_io_submit(context, request);
    block_request_done(request, BLOCK_STATUS_OK);
    return true;
}

kern_return_t __real_io_device_interrupt_acknowledge(mach_port_t device, unsigned vector,
                                                     unsigned count, boolean_t claimed);
kern_return_t __wrap_io_device_interrupt_acknowledge(mach_port_t device, unsigned vector,
                                                     unsigned count, boolean_t claimed);

kern_return_t __wrap_io_device_interrupt_acknowledge(mach_port_t device, unsigned vector,
                                                     unsigned count, boolean_t claimed)
{
    if (is_due(UNACKNOWLEDGED))
        return KERN_SUCCESS;
    return __real_io_device_interrupt_acknowledge(device, vector, count, claimed);
}

static struct handled {
    irq_handler handler;
    void *context;
} handlers[HANDLERS_MAX];

static bool interrupt_take(void *context)
{
    const struct handled *handled = context;

    return is_due(IGNORED) || handled->handler(handled->context);
}

int __real_irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context);
int __wrap_irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context);

int __wrap_irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context)
{
    if (vector >= HANDLERS_MAX)
        return __real_irq_attach(device, vector, handler, context);
    handlers[vector] = (struct handled){handler, context};
    return __real_irq_attach(device, vector, interrupt_take, &handlers[vector]);
}
