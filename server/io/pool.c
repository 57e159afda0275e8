/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that devices may reach. Each piece is wired in this task, which keeps it in place and in
 * existence while a device may still write to it, whatever its users do; users map it through a
 * memory object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/memory_server.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach4_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>
#include <kernel/memory_object_default_server.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>
#include <server/io/io.h>

struct io_pool {
    char name[48];
    mach_port_t port;
    uint64_t quota, used;
    unsigned references, refusals; /* the right, each memory and lease; for want of quota */
};

struct io_lease {
    struct io_memory *memory;
    unsigned access; /* enum memory_access */
    mach_port_t port;
    struct io_lease *next;
};

static void pool_release(struct io_pool *pool)
{
    if (--pool->references == 0)
        free(pool);
}

static void pool_no_senders(void *context)
{
    struct io_pool *pool = context;

    port_destroy(pool->port);
    pool_release(pool);
}

static const struct port_type pool_type = {"pool", memory_server, NULL, pool_no_senders};

int io_pool_create(const char *name, uint64_t quota, mach_port_t *result)
{
    struct io_pool *pool = calloc(1, sizeof(*pool));
    int error = pool ? port_create(&pool_type, pool, &pool->port) : ENOMEM;

    if (error != 0) {
        free(pool);
        return error;
    }
    snprintf(pool->name, sizeof(pool->name), "%s", name);
    pool->quota = quota;
    pool->references = 1;
    *result = port_make_send(pool->port);
    return 0;
}

/* The kernel turns anonymous memory into a memory object only while there is a default memory
 * manager, whom it tells of the new object. There may be none (and it must not believe that there
 * is one to page out to), so be it for the moment of the call, and keep the object's rights: the
 * object lives as long as they do. */
static bool manager_created;

static void object_message(void *context, mach_msg_header_t *message)
{
    /* Only memory_object_terminate can come, as the pages are wired until then: it carries the
     * control and name rights home, and with it the object is over. */
    mach_port_t port = message->msgh_local_port;

    (void)context;
    mach_msg_destroy(message);
    port_destroy(port);
}

static const struct port_type object_type = {.name = "memory object", .message = object_message};

kern_return_t memory_object_create(mach_port_t old_object, mach_port_t new_object, vm_size_t size,
                                   mach_port_t control, mach_port_t name, vm_size_t page_size)
{
    (void)old_object, (void)size, (void)control, (void)name, (void)page_size;
    manager_created = port_adopt(&object_type, NULL, new_object) == 0;
    return KERN_SUCCESS;
}

kern_return_t memory_object_data_initialize(mach_port_t object, mach_port_t control,
                                            vm_offset_t offset, vm_offset_t data,
                                            mach_msg_type_number_t size)
{
    (void)object, (void)control, (void)offset, (void)data, (void)size;
    return KERN_FAILURE;
}

static int manager_receive(mach_port_t manager)
{
    union {
        mach_msg_header_t header;
        char bytes[512];
    } request, reply;
    mach_msg_return_t code = mach_msg(&request.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                      sizeof(request), manager, 1000, MACH_PORT_NULL);

    if (code != MACH_MSG_SUCCESS)
        return error_from_kernel(code);
    manager_created = false;
    memory_object_default_server(&request.header, &reply.header);
    return manager_created ? 0 : ENOMEM;
}

static int object_from_region(void *address, uint64_t size, mach_port_t *object)
{
    mach_port_t current = MACH_PORT_NULL, manager = MACH_PORT_NULL;
    int error = error_from_kernel(vm_set_default_memory_manager(io_privilege.host, &current));
    bool alone = !MACH_PORT_VALID(current);

    port_release(current); /* a real one: it will hear of the object and keep it */
    if (error == 0 && alone)
        error = error_from_kernel(
            mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &manager));
    mach_port_t exchange = manager;
    if (error == 0 && alone)
        error = error_from_kernel(vm_set_default_memory_manager(io_privilege.host, &exchange));
    if (error == 0)
        error = error_from_kernel(vm_region_create_proxy(
            mach_task_self(), (vm_address_t)address, VM_PROT_READ | VM_PROT_WRITE, size, object));
    if (error == 0 && alone)
        error = manager_receive(manager);
    if (manager != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), manager, MACH_PORT_RIGHT_RECEIVE, -1);
    return error;
}

static struct io_memory *memories;

bool io_memory_is_object(mach_port_t object, uint64_t size)
{
    const struct io_memory *memory = memories;

    while (memory && memory->object[false] != object && memory->object[true] != object)
        memory = memory->next;
    return object != MACH_PORT_NULL && memory && size <= memory->size;
}

static void memory_free(struct io_memory *memory)
{
    IO_LIST_REMOVE(memories, memory);
    port_release(memory->object[false]);
    port_release(memory->object[true]);
    memory->pool->used -= memory->size;
    pool_release(memory->pool);
    memory_pages_free(memory->address, memory->size);
    if (memory->pages)
        memory_pages_free(memory->pages, memory->size / IO_PAGE * sizeof(memory->pages[0]));
    free(memory);
}

void io_memory_release(struct io_memory *memory)
{
    if (--memory->references == 0)
        memory_free(memory);
}

static void memory_no_senders(void *context)
{
    struct io_memory *memory = context;

    port_destroy(memory->port);
    io_memory_release(memory);
}

static const struct port_type memory_type = {"memory", memory_server, NULL, memory_no_senders};

/* Nobody has it any more, or its holder has a name for nothing, and may not know it yet. */
static void lease_end(void *context)
{
    struct io_lease *lease = context;
    struct io_memory *memory = lease->memory;

    port_destroy(lease->port);
    IO_LIST_REMOVE(memory->leases, lease);
    free(lease);
    pool_release(memory->pool);
    io_memory_release(memory);
}

static const struct port_type lease_type = {"lease", memory_server, NULL, lease_end};

kern_return_t serve_memory_revoke(mach_port_t port)
{
    struct io_memory *memory = port_context(port, &memory_type);

    if (!memory)
        return outboard_error_make(EOPNOTSUPP);
    while (memory->leases)
        lease_end(memory->leases);
    io_device_revoke_all(memory);
    return 0;
}

/* Whether memory is to be had when it is short, too; and whether in single pages, which is all
 * there is then. */
static mach_port_t keeper; /* this thread; null: it is not */
static bool scattered;

void io_memory_keep(bool scatter)
{
    keeper = mach_thread_self();
    scattered = thread_wire(io_privilege.host, keeper, TRUE) == KERN_SUCCESS && scatter;
}

/* Highest physical address that the kernel's allocator takes as "anywhere". */
#define PHYSICAL_ANYWHERE (UINT64_C(1) << 52)

static int memory_create(struct io_pool *pool, uint64_t size, struct io_memory **result)
{
    struct io_memory *memory = calloc(1, sizeof(*memory));
    vm_address_t address = 0;
    rpc_phys_addr_t physical = 0;
    mach_msg_type_number_t count = 0; /* the stub may use memory of ours, if there is any */

    if (!memory)
        return ENOMEM;
    /* The kernel panics if it has not as many pages next to each other as one whom it gives its
     * last ones asks for. */
    thread_wire(io_privilege.host, keeper, scattered);
    kern_return_t code =
        scattered ? vm_allocate(mach_task_self(), &address, size, TRUE)
                  : vm_allocate_contiguous(io_privilege.host, mach_task_self(), &address, &physical,
                                           size, 0, PHYSICAL_ANYWHERE, IO_PAGE);
    thread_wire(io_privilege.host, keeper, TRUE);
    if (code != KERN_SUCCESS) {
        free(memory);
        return ENOMEM;
    }
    *memory = (struct io_memory){.pool = pool,
                                 .address = (void *)address,
                                 .physical = physical,
                                 .size = size,
                                 .references = 1,
                                 .next = memories};
    memories = memory;
    pool->references++;
    pool->used += size;
    memset(memory->address, 0, size);
    if (scattered) /* where they are they stay: with a Hurd on top all of this task is wired */
        code = vm_pages_phys(io_privilege.host, mach_task_self(), address, size, &memory->pages,
                             &count);
    int error = error_from_kernel(code);
    if (error == 0)
        error = object_from_region(memory->address, size, &memory->object[true]);
    if (error == 0)
        error = port_create(&memory_type, memory, &memory->port);
    if (error != 0) {
        memory_free(memory);
        return error;
    }
    *result = memory;
    return 0;
}

kern_return_t serve_memory_allocate(mach_port_t port, uint64_t size, mach_port_t *result)
{
    struct io_pool *pool = port_context(port, &pool_type);
    struct io_memory *memory;

    if (!pool)
        return outboard_error_make(EOPNOTSUPP);
    if (size == 0 || size > pool->quota || size > IO_RUN)
        return outboard_error_make(size == 0 ? EINVAL : ENOMEM);
    size = (size + IO_PAGE - 1) & ~(uint64_t)(IO_PAGE - 1);
    if (size > pool->quota - pool->used || pool->references > IO_POOL_REFERENCES) {
        if (pool->refusals++ == 0) /* a line takes the console long, and all wait for us */
            log_warning("%s: wants more than its quota of %llu KiB in %d pieces", pool->name,
                        (unsigned long long)pool->quota / 1024, IO_POOL_REFERENCES);
        return outboard_error_make(ENOMEM);
    }
    int error = memory_create(pool, size, &memory);
    if (error == 0)
        *result = port_make_send(memory->port);
    return outboard_error_make(error);
}

static kern_return_t memory_share(struct io_memory *memory, bool writable, mach_port_t *pager,
                                  uint64_t *size)
{
    kern_return_t code = KERN_SUCCESS;

    if (!memory)
        return outboard_error_make(EOPNOTSUPP);
    if (memory->object[writable] == MACH_PORT_NULL)
        code = vm_region_create_proxy(mach_task_self(), (vm_address_t)memory->address,
                                      VM_PROT_READ | (writable ? VM_PROT_WRITE : 0), memory->size,
                                      &memory->object[writable]);
    *pager = memory->object[writable];
    *size = memory->size;
    return code;
}

kern_return_t serve_memory_map(mach_port_t port, boolean_t read_only, mach_port_t *pager,
                               uint64_t *size)
{
    return memory_share(port_context(port, &memory_type), !read_only, pager, size);
}

kern_return_t serve_memory_open(mach_port_t port, mach_port_t lease_port, boolean_t writable,
                                mach_port_t *pager, uint64_t *size)
{
    const struct io_lease *lease = port_context(lease_port, &lease_type);
    unsigned wanted = writable ? MEMORY_WRITE : MEMORY_READ;
    kern_return_t code = memory_share(
        lease && lease->access >= wanted && port_context(port, &pool_type) ? lease->memory : NULL,
        writable != FALSE, pager, size);

    if (code == KERN_SUCCESS)
        port_release(lease_port);
    return code;
}

kern_return_t serve_memory_lease(mach_port_t port, unsigned access, mach_port_t *result)
{
    struct io_memory *memory = port_context(port, &memory_type);

    if (!memory || access > MEMORY_WRITE)
        return outboard_error_make(memory ? EINVAL : EOPNOTSUPP);
    if (memory->pool->references > IO_POOL_REFERENCES)
        return outboard_error_make(ENOSPC);
    struct io_lease *lease = calloc(1, sizeof(*lease));
    int error = lease ? port_create(&lease_type, lease, &lease->port) : ENOMEM;
    if (error != 0) {
        free(lease);
        return outboard_error_make(error);
    }
    *lease = (struct io_lease){memory, access, lease->port, memory->leases};
    memory->leases = lease;
    memory->references++;
    memory->pool->references++;
    *result = port_make_send(lease->port);
    return 0;
}

struct io_memory *io_memory_from_lease(mach_port_t port)
{
    struct io_lease *lease = port_context(port, &lease_type);

    if (!lease)
        return NULL;
    lease->memory->references++;
    return lease->memory;
}
