/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Hurd's servers ask of the host's privileged port (doc/hurd.md): it works; and what
 * nobody above a driver needs: with --confined it is refused.
 */
#include <mach/host_info.h>
#include <mach/vm_wire.h>

#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "stand_in.h"

enum { PAGE = 4096, PRIORITY = 10 };

/* startup, console and proc. */
static void memory_check(mach_port_t host)
{
    void *page = memory_pages_allocate(PAGE);

    if (!check_true(page != NULL, "memory to wire", "there"))
        return;
    check_equal(
        "vm_wire of the caller's own memory", KERN_SUCCESS,
        vm_wire(host, mach_task_self(), (vm_address_t)page, PAGE, VM_PROT_READ | VM_PROT_WRITE));
    vm_wire(host, mach_task_self(), (vm_address_t)page, PAGE, VM_PROT_NONE);
    memory_pages_free(page, PAGE);
    check_equal("vm_wire_all of the caller", KERN_SUCCESS,
                vm_wire_all(host, mach_task_self(), VM_WIRE_CURRENT));
    check_equal("vm_wire_all to undo it", KERN_SUCCESS,
                vm_wire_all(host, mach_task_self(), VM_WIRE_NONE));
}

/* proc and libports raise their priority; mach-defpager wires its threads. */
static void threads_check(mach_port_t host, bool confined)
{
    mach_port_t self = mach_thread_self(), set = MACH_PORT_NULL, control = MACH_PORT_NULL;

    check_equal("thread_get_assignment", KERN_SUCCESS, thread_get_assignment(self, &set));
    if (confined) /* it would lead to every task */
        check_refused("host_processor_set_priv", host_processor_set_priv(host, set, &control));
    else if (check_equal("host_processor_set_priv", KERN_SUCCESS,
                         host_processor_set_priv(host, set, &control)))
        check_equal("thread_max_priority", KERN_SUCCESS,
                    thread_max_priority(self, control, PRIORITY));
    check_equal("thread_wire", KERN_SUCCESS, thread_wire(host, self, TRUE));
    check_equal("thread_wire to undo it", KERN_SUCCESS, thread_wire(host, self, FALSE));
    port_release(control);
    port_release(set);
    port_release(self);
}

static void host_check(mach_port_t host)
{
    struct host_basic_info info;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    mach_port_t manager = MACH_PORT_NULL;

    check_equal("host_info of the privileged port", KERN_SUCCESS,
                host_info(host, HOST_BASIC_INFO, (host_info_t)&info, &count));
    /* A null port asks who it is. */
    check_equal("vm_set_default_memory_manager", KERN_SUCCESS,
                vm_set_default_memory_manager(host, &manager));
    port_release(manager);
}

static void refusals_check(mach_port_t host)
{
    vm_address_t address = 0;
    rpc_phys_addr_t physical = 0;
    mach_port_t *processors = NULL;
    mach_msg_type_number_t count = 0;

    check_refused("vm_allocate_contiguous",
                  vm_allocate_contiguous(host, mach_task_self(), &address, &physical, PAGE, 0,
                                         UINT64_C(1) << 32, PAGE));
    check_refused("host_processors", host_processors(host, &processors, &count));
}

void privileges_check(const struct privileges *privileges, const struct options *options)
{
    memory_check(privileges->host);
    threads_check(privileges->host, options->confined);
    host_check(privileges->host);
    if (options->confined)
        refusals_check(privileges->host);
}
