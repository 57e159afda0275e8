/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/io/vtd.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/gnumach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/vtd_registers.h>

enum { QUEUE_ENTRIES = IO_PAGE / sizeof(struct vtd_descriptor), REGISTER_BYTES = IO_PAGE };

/* A page that the unit reads or writes. */
struct page {
    void *memory;
    uint64_t physical;
};

struct vtd_unit {
    volatile struct vtd_registers *registers;
    uint64_t capability, extended;
    uint32_t status; /* the global bits that stay on */
    struct page root, queue, remap;
    struct page context[256]; /* per bus, made when its first device is attached */
    unsigned queue_tail;
    struct page wait; /* where the unit writes that it has come so far */
    uint32_t wait_count;
    unsigned fault_next;
    struct translation_memory memory;
};

static void *page_allocate(uint64_t *physical)
{
    vm_address_t address = 0;
    rpc_phys_addr_t where = 0;

    if (vm_allocate_contiguous(io_privilege.host, mach_task_self(), &address, &where, IO_PAGE, 0,
                               UINT64_C(1) << 52, IO_PAGE) != KERN_SUCCESS)
        return NULL;
    memset((void *)address, 0, IO_PAGE);
    *physical = where;
    return (void *)address;
}

static void page_release(void *page)
{
    memory_pages_free(page, IO_PAGE);
}

static void cache_flush(const void *start, size_t size)
{
    const char *line = (const char *)((uintptr_t)start & ~(uintptr_t)63);

    for (; line < (const char *)start + size; line += 64)
        __asm__ volatile("clflush %0" : : "m"(*line));
    __asm__ volatile("mfence" ::: "memory");
}

static bool page_make(struct page *page)
{
    page->memory = page_allocate(&page->physical);
    return page->memory != NULL;
}

static void entry_store(struct vtd_unit *unit, struct vtd_entry *entry, uint64_t low, uint64_t high)
{
    volatile struct vtd_entry *seen = entry;

    /* The half with the present bit goes last when it appears and first when it goes. */
    if (!(low & VTD_ENTRY_PRESENT))
        seen->low = low;
    seen->high = high;
    seen->low = low;
    if (unit->memory.flush)
        unit->memory.flush(entry, sizeof(*entry));
}

/* Until the bits of `mask` there are as in `value`; false: they are not in a second. */
static bool bits_wait(const volatile uint32_t *where, uint32_t mask, uint32_t value)
{
    uint64_t deadline = clock_now() + CLOCK_SECOND;

    while ((*where & mask) != value) {
        if (clock_now() > deadline)
            return false;
    }
    return true;
}

/* 11.4.4: one bit at a time, with the bits that are on kept on. */
static int command(struct vtd_unit *unit, uint32_t bit)
{
    unit->registers->global_command = unit->status | bit;
    if (!bits_wait(&unit->registers->global_status, bit, bit != VTD_GLOBAL_WRITE_BUFFER ? bit : 0))
        return ETIMEDOUT;
    if (!(bit & VTD_GLOBAL_ONE_SHOT))
        unit->status |= bit;
    return 0;
}

static void queue_put(struct vtd_unit *unit, uint64_t low, uint64_t high)
{
    struct vtd_descriptor *queue = unit->queue.memory;

    queue[unit->queue_tail] = (struct vtd_descriptor){low, high};
    if (unit->memory.flush)
        unit->memory.flush(&queue[unit->queue_tail], sizeof(queue[0]));
    unit->queue_tail = (unit->queue_tail + 1) % QUEUE_ENTRIES;
}

/* 6.5.2.8: everything put so far has happened when the unit has written the count. At most a
 * handful of descriptors are ever put between two of these, so the queue does not fill. */
static void queue_wait(struct vtd_unit *unit)
{
    queue_put(unit, VTD_QUEUE_WAIT(++unit->wait_count), unit->wait.physical);
    __asm__ volatile("mfence" ::: "memory");
    unit->registers->queue_tail = unit->queue_tail * sizeof(struct vtd_descriptor);
    if (!bits_wait(unit->wait.memory, UINT32_MAX, unit->wait_count))
        log_error("IOMMU: no answer to an invalidation (queue status %x)",
                  unit->registers->queue_status);
}

static bool has_queue(const struct vtd_unit *unit)
{
    return unit->status & VTD_GLOBAL_QUEUE;
}

/* Both invalidation commands are busy as long as their highest bit is set (11.4.6.1, 11.4.8.1.1).
 */
static void register_wait(volatile uint64_t *command_register)
{
    if (!bits_wait((volatile uint32_t *)command_register + 1, UINT32_C(1) << 31, 0))
        log_error("IOMMU: no answer to an invalidation");
}

static void invalidate_by_register(struct vtd_unit *unit, bool context, uint64_t iotlb)
{
    volatile uint64_t *iotlb_register =
        (volatile uint64_t *)((volatile char *)unit->registers +
                              VTD_ECAP_IOTLB_OFFSET(unit->extended) + 8);

    if (context) {
        unit->registers->context_command = VTD_CONTEXT_GO | VTD_CONTEXT_GLOBAL;
        register_wait(&unit->registers->context_command);
    }
    *iotlb_register = VTD_IOTLB_GO | VTD_IOTLB_DRAIN | iotlb;
    register_wait(iotlb_register);
}

static void invalidate_all(struct vtd_unit *unit)
{
    if (!has_queue(unit)) {
        invalidate_by_register(unit, true, VTD_IOTLB_GLOBAL);
        return;
    }
    queue_put(unit, VTD_QUEUE_CONTEXT_GLOBAL, 0);
    queue_put(unit, VTD_QUEUE_IOTLB_GLOBAL, 0);
    queue_wait(unit);
}

void vtd_unit_invalidate(struct vtd_unit *unit, unsigned domain, bool added)
{
    if (added && !VTD_CAP_CACHING_MODE(unit->capability)) {
        if (VTD_CAP_WRITE_BUFFER(unit->capability))
            command(unit, VTD_GLOBAL_WRITE_BUFFER);
        return; /* 6.1: what was not present is not cached */
    }
    if (!has_queue(unit)) {
        invalidate_by_register(unit, false, VTD_IOTLB_DOMAIN(domain));
        return;
    }
    queue_put(unit, VTD_QUEUE_IOTLB_DOMAIN(domain), 0);
    queue_wait(unit);
}

static const char *unit_problem(const struct vtd_unit *unit)
{
    if (unit->capability == UINT64_MAX || unit->registers->version == 0)
        return "nothing answers at its registers";
    if (!(VTD_CAP_LEVELS(unit->capability) & 6))
        return "it takes neither 3 nor 4 levels of page tables";
    if (VTD_CAP_FAULT_OFFSET(unit->capability) + VTD_CAP_FAULT_COUNT(unit->capability) * 16 >
            REGISTER_BYTES ||
        VTD_ECAP_IOTLB_OFFSET(unit->extended) + 16 > REGISTER_BYTES)
        return "its registers lie outside their page";
    return NULL;
}

static int queue_start(struct vtd_unit *unit)
{
    if (!VTD_ECAP_QUEUE(unit->extended))
        return 0;
    if (!page_make(&unit->queue) || !page_make(&unit->wait))
        return ENOMEM;
    unit->registers->queue_tail = 0;
    unit->registers->queue_address = unit->queue.physical; /* 256 entries of 128 bits */
    return command(unit, VTD_GLOBAL_QUEUE);
}

static int remap_start(struct vtd_unit *unit)
{
    enum { SIZE_256 = 7 }; /* 11.4.9.12: 2 to the power of this + 1 entries */

    if (!VTD_ECAP_REMAP(unit->extended) || !has_queue(unit))
        return 0;
    if (!page_make(&unit->remap))
        return ENOMEM;
    unit->registers->remap_table = unit->remap.physical | SIZE_256;
    int error = command(unit, VTD_GLOBAL_REMAP_TABLE);
    if (error == 0) {
        queue_put(unit, VTD_QUEUE_REMAP_GLOBAL, 0);
        queue_wait(unit);
        error = command(unit, VTD_GLOBAL_REMAP);
    }
    return error;
}

static int unit_begin(struct vtd_unit *unit, bool remap)
{
    if (unit->registers->global_status &
        (VTD_GLOBAL_TRANSLATION | VTD_GLOBAL_QUEUE | VTD_GLOBAL_REMAP)) {
        /* Firmware or a kernel before us left it on. */
        unit->registers->global_command = 0;
        if (!bits_wait(&unit->registers->global_status,
                       VTD_GLOBAL_TRANSLATION | VTD_GLOBAL_QUEUE | VTD_GLOBAL_REMAP, 0))
            return ETIMEDOUT;
    }
    if (!page_make(&unit->root))
        return ENOMEM;
    unit->registers->root_table = unit->root.physical;
    int error = command(unit, VTD_GLOBAL_ROOT);
    if (error == 0)
        error = queue_start(unit);
    if (error == 0) {
        invalidate_all(unit);
        error = command(unit, VTD_GLOBAL_TRANSLATION);
    }
    if (error == 0 && remap)
        error = remap_start(unit);
    return error;
}

int vtd_unit_start(uint64_t registers, bool remap, struct vtd_unit **result)
{
    struct vtd_unit *unit = calloc(1, sizeof(*unit));
    void *window;
    int error = unit ? io_physical_map(registers, REGISTER_BYTES, true, &window) : ENOMEM;

    if (error != 0) {
        free(unit);
        return error;
    }
    unit->registers = window;
    unit->capability = unit->registers->capability;
    unit->extended = unit->registers->extended_capability;
    unit->memory = (struct translation_memory){
        page_allocate, page_release, VTD_ECAP_COHERENT(unit->extended) ? NULL : cache_flush};

    const char *problem = unit_problem(unit);
    error = problem ? ENODEV : unit_begin(unit, remap);
    if (error != 0)
        log_error("IOMMU at %llx does not start: %s", (unsigned long long)registers,
                  problem ? problem : strerror(error));
    *result = error == 0 ? unit : NULL;
    return error;
}

bool vtd_unit_remaps(const struct vtd_unit *unit)
{
    return unit->status & VTD_GLOBAL_REMAP;
}

int vtd_unit_translation(const struct vtd_unit *unit, struct translation **result)
{
    return translation_create(&unit->memory, VTD_CAP_LEVELS(unit->capability) & 4 ? 4 : 3,
                              VTD_CAP_LARGE(unit->capability), result);
}

unsigned vtd_unit_domains(const struct vtd_unit *unit)
{
    return VTD_CAP_DOMAINS(unit->capability);
}

static struct vtd_entry *context_entry(struct vtd_unit *unit, uint16_t source)
{
    struct page *page = &unit->context[source >> 8];

    return page->memory ? (struct vtd_entry *)page->memory + (source & 0xff) : NULL;
}

int vtd_unit_attach(struct vtd_unit *unit, uint16_t source, unsigned domain,
                    const struct translation *translation)
{
    struct page *page = &unit->context[source >> 8];

    if (!page->memory) {
        if (!page_make(page))
            return ENOMEM;
        if (unit->memory.flush)
            unit->memory.flush(page->memory, IO_PAGE);
        entry_store(unit, (struct vtd_entry *)unit->root.memory + (source >> 8),
                    page->physical | VTD_ENTRY_PRESENT, 0);
    }
    entry_store(unit, context_entry(unit, source),
                translation_root(translation) | VTD_ENTRY_PRESENT,
                VTD_ENTRY_CONTEXT_HIGH(translation_levels(translation), domain));
    invalidate_all(unit);
    return 0;
}

void vtd_unit_detach(struct vtd_unit *unit, uint16_t source)
{
    struct vtd_entry *entry = context_entry(unit, source);

    if (!entry)
        return;
    entry_store(unit, entry, 0, 0);
    invalidate_all(unit);
}

void vtd_unit_silence(struct vtd_unit *unit, uint16_t source, bool silent)
{
    struct vtd_entry *entry = context_entry(unit, source);

    if (!entry) /* nothing on that bus has ever had a driver */
        return;
    uint64_t low = silent ? entry->low | VTD_ENTRY_QUIET : entry->low & ~VTD_ENTRY_QUIET;
    entry_store(unit, entry, low, entry->high);
    invalidate_all(unit);
}

static void remap_store(struct vtd_unit *unit, unsigned index, uint64_t low, uint64_t high)
{
    if (!vtd_unit_remaps(unit) || index >= VTD_REMAP_ENTRIES)
        return;
    entry_store(unit, (struct vtd_entry *)unit->remap.memory + index, low, high);
    queue_put(unit, VTD_QUEUE_REMAP_GLOBAL, 0);
    queue_wait(unit);
}

void vtd_unit_remap_set(struct vtd_unit *unit, unsigned index, uint8_t vector, bool level,
                        uint8_t destination, uint16_t source)
{
    remap_store(unit, index, VTD_REMAP_LOW(vector, level, destination), VTD_REMAP_HIGH(source));
}

void vtd_unit_remap_clear(struct vtd_unit *unit, unsigned index)
{
    remap_store(unit, index, 0, 0);
}

bool vtd_unit_fault_next(struct vtd_unit *unit, struct vtd_fault *fault)
{
    volatile uint64_t *records = (volatile uint64_t *)((volatile char *)unit->registers +
                                                       VTD_CAP_FAULT_OFFSET(unit->capability));
    unsigned count = VTD_CAP_FAULT_COUNT(unit->capability);

    for (unsigned i = 0; i < count; i++) {
        unsigned at = (unit->fault_next + i) % count;
        uint64_t high = records[at * 2 + 1];
        if (!(high & VTD_FAULT_PRESENT))
            continue;
        *fault = (struct vtd_fault){
            .source = (uint16_t)VTD_FAULT_SOURCE(high),
            .reason = (uint8_t)VTD_FAULT_REASON(high),
            .read = VTD_FAULT_IS_READ(high),
            .address = records[at * 2],
        };
        records[at * 2 + 1] = VTD_FAULT_PRESENT;
        unit->fault_next = (at + 1) % count;
        return true;
    }
    unit->registers->fault_status =
        VTD_FAULT_OVERFLOW; /* some may have been lost; written back to clear */
    return false;
}

void vtd_unit_fault_message(struct vtd_unit *unit, uint64_t address, uint32_t data)
{
    unit->registers->fault_data = data;
    unit->registers->fault_address = (uint32_t)address;
    unit->registers->fault_upper_address = (uint32_t)(address >> 32);
    unit->registers->fault_control = 0;
}
