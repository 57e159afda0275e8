/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Harming drivers on purpose: ending them, once or again and again while something works with their
 * devices, and changing their memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static struct {
    char driver[OUTBOARD_NAME_SIZE];
    unsigned left, done;
    uint64_t period;
    uint32_t seed;
    struct clock_timer timer;
} kills;

static void kill_next(void *context);

static void kill_later(void)
{
    kills.seed = kills.seed * 1664525 + 1013904223;
    uint64_t thousandths = 500 + (kills.seed >> 16) % 1000;
    clock_timer_start(&kills.timer, kills.period / 1000 * thousandths, kill_next, NULL);
}

static void kill_next(void *context)
{
    struct child *child = child_lookup(kills.driver);

    (void)context;
    if (child && child->state == CHILD_RUNNING) {
        kills.left--;
        kills.done++;
        child->is_excused = true;
        child_end(child, CHILD_DIED, "killed");
    }
    if (kills.left > 0)
        kill_later();
    else
        journal_note(LOG_INFO, "%s: killed %u times", kills.driver, kills.done);
}

int kills_start(const char *name, unsigned times, unsigned milliseconds, unsigned seed)
{
    struct child *child = child_lookup(name);

    clock_timer_cancel(&kills.timer);
    if (strcmp(name, "supervisor") == 0) /* nobody could be told how it went */
        task_terminate(mach_task_self());
    if (!child)
        return ENOENT;
    if (times > 0 && child->task.task == MACH_PORT_NULL)
        return ENODEV;
    journal_note(LOG_WARNING, "%s: killed by the operator", name);
    snprintf(kills.driver, sizeof(kills.driver), "%s", name);
    kills.left = times;
    kills.done = 0;
    kills.period = milliseconds * CLOCK_MILLISECOND;
    kills.seed = seed;
    if (times > 0)
        kill_next(NULL);
    return 0;
}

enum { PAGE = 4096 };

/* Whole pages are read, changed and written back, whatever their protection. */
static int memory_change(mach_port_t task, uint64_t address, const void *bytes, size_t size)
{
    uint64_t first = address & ~(uint64_t)(PAGE - 1);
    size_t length = ((address + size - 1) & ~(uint64_t)(PAGE - 1)) + PAGE - first;
    vm_offset_t copy;
    mach_msg_type_number_t copied;
    kern_return_t code = vm_read(task, first, length, &copy, &copied);

    if (code != KERN_SUCCESS)
        return EFAULT;
    memcpy((char *)copy + (address - first), bytes, size);
    vm_protect(task, first, length, FALSE, VM_PROT_READ | VM_PROT_WRITE | VM_PROT_EXECUTE);
    code = vm_write(task, first, copy, copied);
    memory_pages_free((void *)copy, copied);
    return code == KERN_SUCCESS ? 0 : EFAULT;
}

int kills_fault(const char *name, uint64_t address, const void *bytes, size_t size)
{
    struct child *child = drivers_lookup(name);

    if (!child)
        return ENOENT;
    if (child->task.task == MACH_PORT_NULL)
        return ENODEV;
    if (size == 0 || address > UINT64_MAX - 2 * PAGE - size)
        return EINVAL;
    journal_note(LOG_WARNING, "%s: the operator changed %zu bytes of its memory at %llx", name,
                 size, (unsigned long long)address);
    return memory_change(child->task.task, address, bytes, size);
}
