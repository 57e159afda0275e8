/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/io/iommu.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_faults_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/dmar.h>
#include <server/io/io.h>
#include <server/io/ioapic.h>
#include <server/io/line.h>
#include <server/io/madt.h>
#include <server/io/vtd.h>
#include <server/io/vtd_registers.h>

/* Where devices see memory: above the first megabytes, where a stray small number does not hit, and
 * below 4 GiB, where a device with 32 address bits reaches; short of the IO-APIC and the interrupt
 * messages at 0xfee00000, which are no memory to a remapping unit (VT-d 3.14). */
#define ADDRESS_FIRST UINT64_C(0x10000000)
#define ADDRESS_END   UINT64_C(0xf0000000)
#define LARGE_PAGE    UINT64_C(0x200000)

enum { FAULTS_LOGGED = 8, FAULTS_STORM = 32 };

struct io_domain {
    char name[48];
    io_requester requester;
    unsigned id;
    struct vtd_unit *unit;
    struct translation *translation;
    struct resource_map addresses;
    unsigned faults, recent; /* in all, and since the last quiet second */
    struct io_domain *next;
};

static struct dmar dmar;
static struct vtd_unit *units[DMAR_UNITS_MAX]; /* as in dmar.unit; null: not usable */
static bool on, remapping;
static struct io_domain *domains;
static struct clock_timer fault_timer;
static unsigned stray;         /* faults since the last quiet second of devices without a driver */
static mach_port_t fault_port; /* who wants to know; null: nobody yet */

static struct dmar_function function_of(io_requester requester)
{
    return (struct dmar_function){(uint16_t)(requester >> 16), (uint8_t)(requester >> 8),
                                  (requester >> 3) & 31, requester & 7};
}

static struct vtd_unit *unit_lookup(io_requester requester, io_requester ancestor)
{
    const struct dmar_unit *unit =
        dmar_unit_lookup(&dmar, function_of(requester), function_of(ancestor));

    return unit ? units[unit - dmar.unit] : NULL;
}

static void fault_interrupt(void *context);

/* Once a second while there are faults: let the silenced be heard again, and look for what is left.
 */
static void fault_quiet(void *context)
{
    (void)context;
    for (struct io_domain *domain = domains; domain; domain = domain->next) {
        if (domain->recent >= FAULTS_STORM) {
            log_warning("%s: %u DMA faults in the last second", domain->name, domain->recent);
            vtd_unit_silence(domain->unit, (uint16_t)domain->requester, false);
        }
        domain->recent = 0;
    }
    stray = 0;
    for (unsigned i = 0; i < dmar.unit_count; i++) {
        if (units[i])
            fault_interrupt(units[i]);
    }
}

static void fault_handle(struct vtd_unit *unit, const struct vtd_fault *fault)
{
    const char *what = fault->reason >= 0x20 ? "interrupt request" : fault->read ? "read" : "write";
    struct io_domain *domain = domains;

    while (domain && (domain->unit != unit || (uint16_t)domain->requester != fault->source))
        domain = domain->next;
    if (!domain) {
        if (stray++ >= FAULTS_LOGGED)
            vtd_unit_silence(unit, fault->source, true); /* until it has one */
        else
            log_warning("DMA fault: %02x:%02x.%x has no driver: %s at %llx blocked (reason %x)",
                        fault->source >> 8, (fault->source >> 3) & 31, fault->source & 7, what,
                        (unsigned long long)fault->address, fault->reason);
        return;
    }
    domain->faults++;
    bool revoked = resource_map_find(&domain->addresses, fault->address, 1, NULL) != NULL;
    if (!revoked && domain->recent < FAULTS_LOGGED && fault_port != MACH_PORT_NULL)
        io_faults_report(fault_port, MACH_SEND_TIMEOUT, domain->name, fault->address, !fault->read,
                         fault->reason, domain->faults);
    if (domain->recent++ < FAULTS_LOGGED)
        log_warning("DMA fault: %s: %s at %llx blocked (reason %x)%s", domain->name, what,
                    (unsigned long long)fault->address, fault->reason,
                    revoked ? ": its owner revoked that memory" : "");
    if (domain->recent == FAULTS_STORM) {
        log_warning("%s: a storm of DMA faults: not recorded for a second", domain->name);
        vtd_unit_silence(unit, fault->source, true);
    }
}

static void fault_interrupt(void *context)
{
    enum { FAULTS_PER_TURN = 64 };
    struct vtd_unit *unit = context;
    struct vtd_fault fault;
    unsigned count = 0;

    for (; count < FAULTS_PER_TURN && vtd_unit_fault_next(unit, &fault); count++)
        fault_handle(unit, &fault);
    /* There may be more, and the unit says so only once (VT-d 7.3): look again with the timer. */
    if (count > 0 && !fault_timer.running)
        clock_timer_start(&fault_timer, CLOCK_SECOND, fault_quiet, NULL);
}

static void fault_interrupt_start(struct vtd_unit *unit)
{
    struct io_line *line;
    uint64_t address;
    uint32_t data;

    if (io_line_take_message(&line) != 0) {
        log_warning("IOMMU: no interrupt for faults: they are blocked but not reported");
        return;
    }
    /* The unit's own messages are not remapped (VT-d 5.1.6). */
    io_line_serve(line, fault_interrupt, unit);
    io_line_message(line, &address, &data);
    vtd_unit_fault_message(unit, address, data);
}

/* The source id that DMAR gives the only IO-APIC, and the unit that covers it. */
static bool ioapic_find(uint32_t *registers, uint16_t *source, struct vtd_unit **unit)
{
    struct madt madt;

    if (io_acpi_madt(&madt) != 0 || madt.ioapic_count != 1)
        return false;
    for (unsigned i = 0; i < dmar.unit_count; i++) {
        for (unsigned j = 0; j < dmar.unit[i].scope_count; j++) {
            const struct dmar_scope *scope = &dmar.unit[i].scope[j];
            if (scope->type != DMAR_SCOPE_IOAPIC || scope->enumeration_id != madt.ioapic[0].id ||
                !scope->direct)
                continue;
            *registers = madt.ioapic[0].address;
            *source = (uint16_t)(scope->bus << 8 | scope->device << 3 | scope->function);
            *unit = units[i];
            return units[i] && vtd_unit_remaps(units[i]);
        }
    }
    return false;
}

static int units_start(bool remap)
{
    int result = ENODEV;

    for (unsigned i = 0; i < dmar.unit_count; i++) {
        if (vtd_unit_start(dmar.unit[i].registers, remap, &units[i]) == 0)
            result = 0;
    }
    return result;
}

bool io_iommu_start(void)
{
    void *table;
    size_t size;
    int error = io_acpi_table("DMAR", &table, &size);

    if (error == 0) {
        error = dmar_parse(table, size, &dmar);
        memory_pages_free(table, size);
        if (error != 0)
            log_error("the firmware's DMAR table cannot be used: %s", strerror(error));
    }
    if (error == 0)
        error = units_start(dmar.interrupt_remapping && io_interrupt_messages);
    if (error != 0) {
        log_warning("no IOMMU in use: DMA is not confined");
        return false;
    }
    on = true;

    uint32_t registers;
    uint16_t source;
    struct vtd_unit *unit;
    if (ioapic_find(&registers, &source, &unit))
        remapping = ioapic_remap(registers, source, unit) == 0;
    log_info("IOMMU: %u Intel VT-d unit%s; DMA is confined; interrupts are %s", dmar.unit_count,
             dmar.unit_count == 1 ? "" : "s", remapping ? "remapped by source" : "not remapped");
    for (unsigned i = 0; i < dmar.unit_count; i++) {
        if (units[i])
            fault_interrupt_start(units[i]);
    }
    return true;
}

void io_iommu_report_to(mach_port_t faults)
{
    port_release(fault_port);
    fault_port = faults;
}

bool io_iommu_report_line(const char *holder, unsigned number, enum io_line_trouble trouble)
{
    return io_faults_line(fault_port, MACH_SEND_TIMEOUT, (char *)holder, number, trouble) ==
           MACH_MSG_SUCCESS;
}

static int domain_check(io_requester requester, io_requester ancestor, const char *name)
{
    for (struct io_domain *domain = domains; domain; domain = domain->next) {
        if (domain->requester == requester) {
            log_error("%s cannot be confined: the bus does not tell it from %s", name,
                      domain->name);
            return EBUSY;
        }
    }
    if (!unit_lookup(requester, ancestor)) {
        log_error("%s cannot be confined: no remapping unit covers it", name);
        return ENODEV;
    }
    if (dmar_is_reserved_for(&dmar, function_of(requester), function_of(ancestor))) {
        log_error("%s cannot be confined: the firmware wants it to reach memory of its own", name);
        return EPERM;
    }
    return 0;
}

static unsigned domain_id_find(const struct vtd_unit *unit)
{
    for (unsigned id = 1; id < vtd_unit_domains(unit); id++) {
        const struct io_domain *domain = domains;
        while (domain && (domain->unit != unit || domain->id != id))
            domain = domain->next;
        if (!domain)
            return id;
    }
    return 0;
}

int io_domain_create(io_requester requester, io_requester ancestor, const char *name,
                     struct io_domain **result)
{
    if (!on)
        return ENOTSUP;
    int error = domain_check(requester, ancestor, name);
    if (error != 0)
        return error;

    struct io_domain *domain = calloc(1, sizeof(*domain));
    if (!domain)
        return ENOMEM;
    snprintf(domain->name, sizeof(domain->name), "%s", name);
    domain->requester = requester;
    domain->unit = unit_lookup(requester, ancestor);
    domain->id = domain_id_find(domain->unit);
    error = domain->id == 0 ? ENOSPC : vtd_unit_translation(domain->unit, &domain->translation);
    if (error == 0) {
        error = vtd_unit_attach(domain->unit, (uint16_t)requester, domain->id, domain->translation);
        if (error != 0)
            translation_destroy(domain->translation);
    }
    if (error != 0) {
        free(domain);
        return error;
    }
    domain->next = domains;
    domains = domain;
    *result = domain;
    return 0;
}

void io_domain_destroy(struct io_domain *domain)
{
    vtd_unit_detach(domain->unit, (uint16_t)domain->requester);
    translation_destroy(domain->translation);
    resource_map_release(&domain->addresses, domain);
    IO_LIST_REMOVE(domains, domain);
    free(domain);
}

/* The lowest free run of device addresses. */
static uint64_t address_find(const struct io_domain *domain, uint64_t size)
{
    uint64_t align = size >= LARGE_PAGE ? LARGE_PAGE : IO_PAGE;
    uint64_t address = ADDRESS_FIRST;

    for (const struct resource_range *range = domain->addresses.first; range; range = range->next) {
        if (range->base >= address && range->base - address >= size)
            break;
        address = (range->base + range->size + align - 1) & ~(align - 1);
    }
    return address < ADDRESS_END && size <= ADDRESS_END - address ? address : 0;
}

int io_domain_map(struct io_domain *domain, const struct io_memory *memory, uint64_t *result)
{
    uint64_t size = memory->size, run = memory->pages ? IO_PAGE : size;
    uint64_t address = address_find(domain, size);
    int error = 0;

    if (address == 0)
        return ENOSPC;
    for (uint64_t done = 0; done < size && error == 0; done += run)
        error =
            translation_map(domain->translation, address + done,
                            memory->pages ? memory->pages[done / IO_PAGE] : memory->physical, run);
    if (error == 0)
        error = resource_map_claim(&domain->addresses, address, size, domain, domain->name, NULL);
    if (error != 0)
        translation_unmap(domain->translation, address, size);
    *result = address;
    vtd_unit_invalidate(domain->unit, domain->id, error == 0);
    return error;
}

void io_domain_revoke(struct io_domain *domain, uint64_t address, uint64_t size)
{
    translation_unmap(domain->translation, address, size);
    vtd_unit_invalidate(domain->unit, domain->id, false);
}

void io_domain_unmap(struct io_domain *domain, uint64_t address, uint64_t size)
{
    io_domain_revoke(domain, address, size);
    resource_map_release_range(&domain->addresses, address);
}

void io_domain_interrupt_set(struct io_domain *domain, unsigned index, uint64_t *address,
                             uint32_t *data)
{
    if (!remapping || !vtd_unit_remaps(domain->unit))
        return;
    vtd_unit_remap_set(domain->unit, index, (uint8_t)*data, false, 0, (uint16_t)domain->requester);
    *address = VTD_REMAP_MESSAGE_ADDRESS(index);
    *data = 0;
}

void io_domain_interrupt_clear(struct io_domain *domain, unsigned index)
{
    vtd_unit_remap_clear(domain->unit, index);
}
