/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loan.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

enum { PAGES = 16 };

static unsigned char *pages; /* with a hole behind each: so each is an object of the kernel's own */
static unsigned next, lent;  /* lent: in this turn */

static unsigned char *page_at(unsigned number)
{
    return pages + (size_t)2 * number * LOAN_SIZE;
}

/* Memory that was shared with a task made of this one stays of the kind that the kernel copies
 * late (vm_map_fork's use_shared_copy, in its vm/vm_map.c) when that task is gone. It inherits
 * nothing else. */
static bool pages_share(void)
{
    enum { ADDRESS_BITS = 47 };
    mach_port_t self = mach_task_self(), child;

    if (vm_inherit(self, 0, (vm_size_t)1 << ADDRESS_BITS, VM_INHERIT_NONE) != KERN_SUCCESS)
        return false;
    for (unsigned i = 0; i < PAGES; i++) {
        memory_pages_free(page_at(i) + LOAN_SIZE, LOAN_SIZE);
        if (vm_inherit(self, (vm_address_t)page_at(i), LOAN_SIZE, VM_INHERIT_SHARE) != KERN_SUCCESS)
            return false;
    }
    if (task_create(self, TRUE, &child) != KERN_SUCCESS)
        return false;
    task_terminate(child);
    port_release(child);
    return true;
}

void *loan_make(const void *data)
{
    static bool tried, shared;

    if (!tried) {
        tried = true;
        pages = memory_pages_allocate((size_t)2 * PAGES * LOAN_SIZE);
        shared = pages && pages_share();
    }
    if (!shared || lent == PAGES)
        return NULL;
    lent++;
    return memcpy(page_at(next++ % PAGES), data, LOAN_SIZE);
}

void loan_turn(void)
{
    lent = 0;
}
