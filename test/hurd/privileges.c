/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Hurd's servers ask of the host's privileged port (doc/hurd.md): it works; and what
 * nobody above a driver needs: with --confined it is refused.
 */
#include <device/device_types.h>
#include <mach/host_info.h>
#include <mach/vm_wire.h>

#include <kernel/device_user.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_user.h>
#include <kernel/task_notify_server.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

#include "stand_in.h"

enum { PAGE = 4096, PRIORITY = 10, PCI_PORTS = 0xcf8, DELAY_PORT = 0x80 };

static mach_port_t new_task;
static bool new_task_told;
static _Alignas(PAGE) unsigned char own_page[PAGE];
static const struct port_type new_task_type = {.name = "new tasks", .serve = task_notify_server};

/* startup, console and mlock. */
static void memory_check(mach_port_t host)
{
    check_equal("vm_wire of the caller's own memory", KERN_SUCCESS,
                vm_wire(host, mach_task_self(), (vm_address_t)own_page, PAGE,
                        VM_PROT_READ | VM_PROT_WRITE));
    check_equal("vm_wire to undo it", KERN_SUCCESS,
                vm_wire(host, mach_task_self(), (vm_address_t)own_page, PAGE, VM_PROT_NONE));
    check_equal("vm_wire_all of the caller", KERN_SUCCESS,
                vm_wire_all(host, mach_task_self(), VM_WIRE_CURRENT));
    check_equal("vm_wire_all to undo it", KERN_SUCCESS,
                vm_wire_all(host, mach_task_self(), VM_WIRE_NONE));
}

/* proc knows the tasks that were there before it from this list: it has no other way to them. */
static void tasks_check(mach_port_t set, mach_port_t driver_task)
{
    mach_port_t *tasks = NULL;
    mach_msg_type_number_t count = 0;
    bool own = false, driver = false;

    if (!check_equal("processor_set_tasks", KERN_SUCCESS, processor_set_tasks(set, &tasks, &count)))
        return;
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        own |= tasks[i] == mach_task_self();
        driver |= tasks[i] == driver_task;
        port_release(tasks[i]);
    }
    memory_pages_free(tasks, count * sizeof(*tasks));
    check_note("processor_set_tasks: %u tasks", count);
    check_true(own, "processor_set_tasks", "a list with the caller in it");
    check_true(driver, "processor_set_tasks", "a list with fstask in it");
}

/* Tasks of Outboard's that are started meanwhile are not in it, not even for a moment. */
static void tasks_watch(mach_port_t set, uint64_t times)
{
    mach_msg_type_number_t first = 0, most = 0;

    for (uint64_t i = 0; i <= times; i++) {
        mach_port_t *tasks = NULL;
        mach_msg_type_number_t count = 0;
        if (processor_set_tasks(set, &tasks, &count) != KERN_SUCCESS)
            break;
        for (mach_msg_type_number_t k = 0; k < count; k++)
            port_release(tasks[k]);
        memory_pages_free(tasks, count * sizeof(*tasks));
        first = i == 0 ? count : first;
        most = count > most ? count : most;
    }
    check_equal("processor_set_tasks: tasks at most", first, most);
}

/* proc and libports raise their priority, which a set that only stands for the kernel's may refuse:
 * then they go on without. mach-defpager wires its threads. */
static void threads_check(mach_port_t host, mach_port_t driver_task, uint64_t times)
{
    mach_port_t self = mach_thread_self(), set = MACH_PORT_NULL, control = MACH_PORT_NULL;

    check_equal("thread_get_assignment", KERN_SUCCESS, thread_get_assignment(self, &set));
    if (check_equal("host_processor_set_priv", KERN_SUCCESS,
                    host_processor_set_priv(host, set, &control))) {
        kern_return_t code = thread_max_priority(self, control, PRIORITY);
        check_true(code == KERN_SUCCESS || code == KERN_INVALID_ARGUMENT, "thread_max_priority",
                   "done, or refused as an invalid argument");
        tasks_check(control, driver_task);
        tasks_watch(control, times);
    }
    check_equal("thread_wire", KERN_SUCCESS, thread_wire(host, self, TRUE));
    check_equal("thread_wire to undo it", KERN_SUCCESS, thread_wire(host, self, FALSE));
    port_release(control);
    port_release(set);
    port_release(self);
}

kern_return_t mach_notify_new_task(mach_port_t notify, mach_port_t task, mach_port_t parent)
{
    (void)notify;
    if (parent == mach_task_self() && task == new_task)
        new_task_told = true;
    port_release(task);
    port_release(parent);
    return KERN_SUCCESS;
}

/* proc hears of every task that the Hurd makes. */
static void new_tasks_check(mach_port_t host)
{
    static int context;
    mach_port_t port = MACH_PORT_NULL;
    uint64_t until = clock_now() + 5 * CLOCK_SECOND;

    check_equal("a port of our own", 0, port_create(&new_task_type, &context, &port));
    if (!check_equal("register_new_task_notification", KERN_SUCCESS,
                     register_new_task_notification(host, port, MACH_MSG_TYPE_MAKE_SEND)) ||
        !check_equal("task_create", KERN_SUCCESS, task_create(mach_task_self(), FALSE, &new_task)))
        return;
    while (!new_task_told && clock_now() < until)
        loop_once(until);
    check_true(new_task_told, "a task of our own", "told of within 5 s");
    task_terminate(new_task);
    port_release(new_task);
}

static void host_check(mach_port_t host)
{
    struct host_basic_info info = {0};
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    mach_port_t manager = MACH_PORT_NULL;

    check_equal("host_info of the privileged port", KERN_SUCCESS,
                host_info(host, HOST_BASIC_INFO, (host_info_t)&info, &count));
    /* A null port asks who it is. */
    check_equal("vm_set_default_memory_manager", KERN_SUCCESS,
                vm_set_default_memory_manager(host, &manager));
    port_release(manager);
}

/* Each of these leads to memory or devices of others. */
static void refusals_check(mach_port_t host, mach_port_t master)
{
    static const char *const names[] = {"mem", "irq"};
    vm_address_t address = 0;
    rpc_phys_addr_t physical = 0, *pages = NULL;
    mach_port_t *processors = NULL, port = MACH_PORT_NULL;
    mach_msg_type_number_t count = 0;

    check_refused("vm_allocate_contiguous",
                  vm_allocate_contiguous(host, mach_task_self(), &address, &physical, PAGE, 0,
                                         UINT64_C(1) << 32, PAGE));
    check_refused("vm_pages_phys", vm_pages_phys(host, mach_task_self(), (vm_address_t)own_page,
                                                 PAGE, &pages, &count));
    check_refused("host_processors", host_processors(host, &processors, &count));
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        check_refused(names[i], device_open(master, D_READ | D_WRITE, names[i], &port));
    check_refused("i386_io_perm_create of the PCI ports",
                  i386_io_perm_create(master, PCI_PORTS, PCI_PORTS + 7, &port));
}

void privileges_check(const struct privileges *privileges, const struct options *options)
{
    mach_port_t ports = MACH_PORT_NULL;

    memory_check(privileges->host);
    threads_check(privileges->host, privileges->driver_task, options->tasks);
    host_check(privileges->host);
    new_tasks_check(privileges->host);
    if (options->confined)
        refusals_check(privileges->host, privileges->device_master);
    else
        check_equal("i386_io_perm_create", KERN_SUCCESS,
                    i386_io_perm_create(privileges->device_master, DELAY_PORT, DELAY_PORT, &ports));
    port_release(ports);
}
