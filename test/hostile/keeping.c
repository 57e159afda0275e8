/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a disk of nothing, withdraws it once while it is in
 * use, and offers it again. Of a session with the buffer that the test is known by it keeps the
 * leases; in the next one it tries what they are good for.
 */
#include <interface/types.h>
#include <kernel/mach_port_user.h>

#include <host/mach/session_end.h>
#include <host/mach/shared.h>
#include <host/mach/trap.h>
#include <kit/block.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/log.h>

enum { BLOCK = 512, BLOCKS = 1000, WITHDRAWN_AFTER = 300, PAGE = 4096, TESTS_BUFFER = 64 * BLOCK };

kern_return_t __real_session_end_serve_queue(struct session_ends *all, mach_port_t port,
                                             mach_port_t lease, unsigned epoch,
                                             mach_port_t *completions);
kern_return_t __wrap_session_end_serve_queue(struct session_ends *all, mach_port_t port,
                                             mach_port_t lease, unsigned epoch,
                                             mach_port_t *completions);
int __real_session_end_map(struct device *device, mach_port_t lease, uint64_t *address,
                           uint64_t *size);
int __wrap_session_end_map(struct device *device, mach_port_t lease, uint64_t *address,
                           uint64_t *size);

static struct device *edu;
static struct block_device *disk;
static mach_port_t last_queue, kept_queue, kept_buffer;
static bool is_back;

static void keep(mach_port_t lease)
{
    mach_port_mod_refs(mach_task_self(), lease, MACH_PORT_RIGHT_SEND, 1);
}

kern_return_t __wrap_session_end_serve_queue(struct session_ends *all, mach_port_t port,
                                             mach_port_t lease, unsigned epoch,
                                             mach_port_t *completions)
{
    keep(lease);
    last_queue = lease;
    return __real_session_end_serve_queue(all, port, lease, epoch, completions);
}

static void leases_try(struct device *device)
{
    uint64_t address, size;
    const void *queue;

    log_info("kept: the buffer is %s",
             __real_session_end_map(device, kept_buffer, &address, &size) ? "void" : "REACHED");
    log_info("kept: the queue is %s",
             shared_memory_open(kept_queue, PAGE, &queue) ? "void" : "READ");
}

int __wrap_session_end_map(struct device *device, mach_port_t lease, uint64_t *address,
                           uint64_t *size)
{
    int error = __real_session_end_map(device, lease, address, size);

    if (error != 0 || *size != TESTS_BUFFER)
        return error;
    if (is_back)
        leases_try(device);
    keep(lease);
    kept_buffer = lease;
    kept_queue = last_queue;
    return 0;
}

static void disk_publish(void *context);

static void disk_withdraw(void *context)
{
    static struct clock_timer later;

    (void)context;
    block_device_withdraw(disk);
    is_back = true;
    clock_timer_start(&later, 50 * CLOCK_MILLISECOND, disk_publish, NULL);
}

static bool request_start(void *context, struct block_request *request)
{
    static struct clock_timer at_once;
    static unsigned requests;

    (void)context;
    if (++requests == WITHDRAWN_AFTER)
        clock_timer_start(&at_once, 0, disk_withdraw, NULL);
    block_request_done(request, BLOCK_STATUS_OK);
    return true;
}

static void disk_publish(void *context)
{
    static const struct block_device_ops ops = {.start = request_start};
    static const struct block_device_limits limits = {
        .blocks = BLOCKS, .block_size = BLOCK, .max_transfer = BLOCK, .model = "edu"};

    (void)context;
    block_device_publish(edu, "n1", &limits, &ops, NULL, &disk);
}

static int attach(struct device *device)
{
    edu = device;
    disk_publish(NULL);
    return 0;
}

static void detach(void)
{
}

const struct driver driver = {.name = "keeping", .attach = attach, .detach = detach};
