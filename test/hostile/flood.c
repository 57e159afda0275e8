/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Crimes by quantity, and the last one.
 */
#include <stdbool.h>
#include <string.h>

#include <interface/io_device_user.h>
#include <interface/memory_user.h>
#include <interface/types.h>
#include <kernel/mach_user.h>

#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

#include "hostile.h"
#include "messages.h"

static enum outcome random_messages(void)
{
    enum { MESSAGES = 100000 };
    mach_port_t targets[5] = {startup_bootstrap_port(), mach_task_self()};
    unsigned count = 2;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);

    if (startup_capability("device", &targets[count]) == 0)
        count++;
    if (startup_capability("pool", &targets[count]) == 0)
        count++;
    if (startup_capability("function", &targets[count]) == 0) /* not one on the ISA bus */
        count++;
    messages_send(targets, count, MESSAGES);
    /* The servers still answer what is well formed. */
    return io_device_describe(targets[2], record, &size) == KERN_SUCCESS ? CONTAINED : SUCCEEDED;
}

/* More than the kernel's longest run of pages, and less than the quota: it would panic. */
static enum outcome memory_at_once(void)
{
    mach_port_t pool, memory;

    if (startup_capability("pool", &pool) != 0)
        return REFUSED;
    return memory_allocate(pool, (4 << 20) + 1, &memory) == KERN_SUCCESS ? SUCCEEDED : REFUSED;
}

static enum outcome memory_exhaustion(void)
{
    enum { PIECE = 1 << 20, LIMIT = 256 };
    static mach_port_t taken[LIMIT];
    mach_port_t pool;
    unsigned count = 0;

    if (startup_capability("pool", &pool) != 0)
        return REFUSED;
    while (count < LIMIT && memory_allocate(pool, PIECE, &taken[count]) == KERN_SUCCESS)
        count++;
    for (unsigned i = 0; i < count; i++)
        port_release(taken[i]);
    clock_sleep(50 * CLOCK_MILLISECOND);
    mach_port_t again;
    bool back = memory_allocate(pool, PIECE, &again) == KERN_SUCCESS;
    if (back)
        port_release(again);
    return count < LIMIT && back ? REFUSED : SUCCEEDED;
}

/* Memory that no device can reach is not from a purse. */
static enum outcome ordinary_memory(void)
{
    enum { PIECE = 1 << 20, LIMIT = 256 };
    vm_address_t pieces[LIMIT];
    unsigned count = 0;

    for (; count < LIMIT; count++) {
        if (vm_allocate(mach_task_self(), &pieces[count], PIECE, TRUE) != KERN_SUCCESS)
            break;
        memset((void *)pieces[count], 1, PIECE);
    }
    bool bounded = count < LIMIT;
    while (count-- > 0)
        vm_deallocate(mach_task_self(), pieces[count], PIECE);
    return bounded ? REFUSED : SUCCEEDED;
}

static enum outcome table_exhaustion(void)
{
    enum { LIMIT = 4096 };
    static uint64_t addresses[LIMIT];
    mach_port_t device, pool, memory, lease;
    uint64_t size;
    unsigned count = 0;

    if (startup_capability("device", &device) != 0 || startup_capability("pool", &pool) != 0 ||
        memory_allocate(pool, 4096, &memory) != KERN_SUCCESS ||
        memory_lease(memory, MEMORY_UNSEEN, &lease) != KERN_SUCCESS)
        return REFUSED;
    while (count < LIMIT &&
           io_device_dma_map(device, lease, &addresses[count], &size) == KERN_SUCCESS)
        count++;
    for (unsigned i = 0; i < count; i++)
        io_device_dma_unmap(device, addresses[i]);
    port_release(lease);
    port_release(memory);
    return count < LIMIT ? REFUSED : SUCCEEDED;
}

/* Whether a lease can be had; if so it is given back. */
static bool lease_is_had(mach_port_t memory)
{
    mach_port_t lease;
    bool made = memory_lease(memory, MEMORY_UNSEEN, &lease) == KERN_SUCCESS;

    if (made)
        port_release(lease);
    return made;
}

/* More than are allowed; and who keeps those that were taken back keeps nobody from others. */
static enum outcome lease_exhaustion(void)
{
    enum { LIMIT = 4096, PIECES = 16 };
    static mach_port_t leases[LIMIT];
    mach_port_t pool, memory[PIECES];
    unsigned count = 0, pieces = 0;

    if (startup_capability("pool", &pool) != 0)
        return REFUSED;
    while (pieces < PIECES && memory_allocate(pool, 4096, &memory[pieces]) == KERN_SUCCESS) {
        while (count < LIMIT &&
               memory_lease(memory[pieces], MEMORY_UNSEEN, &leases[count]) == KERN_SUCCESS)
            count++;
        pieces++;
    }
    bool refused = pieces > 0 && count > 0 && count < LIMIT && !lease_is_had(memory[0]);
    memory_revoke(memory[0]);
    bool after_revocation = lease_is_had(memory[0]);
    for (unsigned i = 0; i < count; i++)
        port_release(leases[i]);
    clock_sleep(50 * CLOCK_MILLISECOND);
    bool back = lease_is_had(memory[pieces - 1]);
    for (unsigned i = 0; i < pieces; i++)
        port_release(memory[i]);
    return refused && after_revocation && back ? REFUSED : SUCCEEDED;
}

/* Each time a partition service is started for what is offered, and ended. */
static enum outcome names_without_end(void)
{
    enum { LIMIT = 1000 };
    static const struct port_type type = {.name = "nothing"};
    mach_port_t port;
    unsigned count = 0;

    if (port_create(&type, NULL, &port) != 0)
        return REFUSED;
    while (count < LIMIT && startup_offer("comes-and-goes", "block", port) == 0) {
        startup_retract("comes-and-goes", "block");
        count++;
    }
    port_destroy(port);
    return count > 0 && count < LIMIT ? REFUSED : SUCCEEDED;
}

/* What a driver of a fixed device can do that others cannot have done. */
const struct crime crimes_fixed[] = {
    {"fixed-random-messages", random_messages},
    {0},
};

const struct crime crimes_flood[] = {
    {"memory-at-once", memory_at_once},     {"memory-exhaustion", memory_exhaustion},
    {"ordinary-memory", ordinary_memory},   {"table-exhaustion", table_exhaustion},
    {"lease-exhaustion", lease_exhaustion}, {"names-without-end", names_without_end},
    {"random-messages", random_messages},   {0},
};

/* The reset register: if this works, the machine is gone; if not, this task is. */
static enum outcome foreign_port(void)
{
    __asm__ volatile("outb %0, %1" : : "a"((uint8_t)6), "Nd"((uint16_t)0xcf9));
    return SUCCEEDED;
}

const struct crime crimes_last[] = {
    {"foreign-port", foreign_port},
    {0},
};
