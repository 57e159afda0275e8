/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which device has which domain (server/io/iommu.c), on remapping units that only note what they
 * are told: several of them, devices that none covers or that cannot be told apart, and faults
 * without end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_faults_user.h>

#include <host/mach/memory.h>
#include <kit/clock.h>
#include <server/io/io.h>
#include <server/io/ioapic.h>
#include <server/io/vtd.h>
#include <test/unit/cmocka.h>
#include <test/unit/io_kernel.h>

enum { UNITS = 2, STORM = 1000 };

static struct vtd_unit {
    uint64_t registers;
    bool starts;
    uint16_t attached; /* the last one */
    unsigned faults, silenced, heard;
    uint16_t source;
} units[UNITS];

static unsigned reports;

/* DMAR: unit 0 for 02:03.1 alone; unit 1 for bridge 00:1c.0 and all below it; both on segment 0.
 * 00:1d.0 wants memory of its own, and is in unit 1's scope, too. */
static const uint8_t structures[] = {
    0,    0, 24, 0, 0, 0, 0, 0,  0,    0, 0x10, 0xfe, 0, 0, 0, 0,    1,    8,    0,
    0,    0, 2,  3, 1, 0, 0, 32, 0,    0, 0,    0,    0, 0, 0, 0x20, 0xfe, 0,    0,
    0,    0, 2,  8, 0, 0, 0, 0,  0x1c, 0, 1,    8,    0, 0, 0, 0,    0x1d, 0, /* of unit 1's scope
                                                                               */
    1,    0, 32, 0, 0, 0, 0, 0,  0,    0, 0,    0x7f, 0, 0, 0, 0,    0xff, 0xff, 0,
    0x7f, 0, 0,  0, 0, 1, 8, 0,  0,    0, 0,    0x1d, 0,
};

int io_acpi_table(const char *signature, void **table, size_t *size)
{
    assert_string_equal(signature, "DMAR");
    *size = 48 + sizeof(structures);
    *table = calloc(1, *size);
    memcpy((char *)*table + 48, structures, sizeof(structures));
    return 0;
}

int io_acpi_madt(struct madt *madt)
{
    (void)madt;
    return ENOENT;
}

void memory_pages_free(void *address, size_t size)
{
    (void)size;
    free(address);
}

int ioapic_remap(uint32_t registers, uint16_t source, struct vtd_unit *unit)
{
    return ENOTSUP;
}

/* When a unit has a fault to tell of. */
static void (*fault_interrupt)(void *unit);

int io_line_take_message(struct io_line **line)
{
    return 0;
}

void io_line_serve(struct io_line *line, void (*handler)(void *context), void *context)
{
    fault_interrupt = handler;
}

void io_line_message(const struct io_line *line, uint64_t *address, uint32_t *data)
{
}

bool io_interrupt_messages;

kern_return_t io_faults_report(mach_port_t faults, int option, const_name_t name, uint64_t address,
                               boolean_t write, unsigned reason, unsigned total)
{
    reports++;
    return KERN_SUCCESS;
}

kern_return_t io_faults_line(mach_port_t faults, int option, const_name_t name, unsigned number,
                             unsigned trouble)
{
    return KERN_SUCCESS;
}

int vtd_unit_start(uint64_t registers, bool remap, struct vtd_unit **unit)
{
    unsigned index = registers == 0xfe200000;

    units[index].registers = registers;
    *unit = units[index].starts ? &units[index] : NULL;
    return units[index].starts ? 0 : ENODEV;
}

bool vtd_unit_remaps(const struct vtd_unit *unit)
{
    return false;
}

int vtd_unit_translation(const struct vtd_unit *unit, struct translation **translation)
{
    *translation = NULL;
    return 0;
}

unsigned vtd_unit_domains(const struct vtd_unit *unit)
{
    return 16;
}

int vtd_unit_attach(struct vtd_unit *unit, uint16_t source, unsigned domain,
                    const struct translation *translation)
{
    unit->attached = source;
    return 0;
}

void vtd_unit_detach(struct vtd_unit *unit, uint16_t source)
{
}

void vtd_unit_silence(struct vtd_unit *unit, uint16_t source, bool silent)
{
    assert_int_equal(source, unit->source);
    unit->silenced += silent;
    unit->heard += !silent;
}

void vtd_unit_invalidate(struct vtd_unit *unit, unsigned domain, bool added)
{
}

void vtd_unit_remap_set(struct vtd_unit *unit, unsigned index, uint8_t vector, bool level,
                        uint8_t destination, uint16_t source)
{
}

void vtd_unit_remap_clear(struct vtd_unit *unit, unsigned index)
{
}

bool vtd_unit_fault_next(struct vtd_unit *unit, struct vtd_fault *fault)
{
    if (unit->faults == 0)
        return false;
    unit->faults--;
    *fault = (struct vtd_fault){.source = unit->source, .reason = 5, .address = 0x1000};
    return true;
}

void vtd_unit_fault_message(struct vtd_unit *unit, uint64_t address, uint32_t data)
{
}

void translation_destroy(struct translation *translation)
{
}

int translation_map(struct translation *translation, uint64_t address, uint64_t physical,
                    uint64_t size)
{
    return 0;
}

void translation_unmap(struct translation *translation, uint64_t address, uint64_t size)
{
}

static io_requester at(unsigned segment, unsigned bus, unsigned device, unsigned function)
{
    return segment << 16 | bus << 8 | device << 3 | function;
}

static int setup(void **state)
{
    (void)state;
    kernel_begin();
    memset(units, 0, sizeof(units));
    units[0].starts = units[1].starts = true;
    assert_true(io_iommu_start());
    io_iommu_report_to(1);
    reports = 0;
    return 0;
}

/* The authority's timer ends with the faults. */
static int teardown(void **state)
{
    (void)state;
    units[0].faults = 0;
    kernel_run(30 * CLOCK_SECOND);
    return 0;
}

static void each_device_is_its_units(void **state)
{
    struct io_domain *first, *second;
    io_requester named = at(0, 2, 3, 1), behind = at(0, 5, 0, 0);

    (void)state;
    assert_int_equal(units[1].registers, 0xfe200000);
    assert_int_equal(io_domain_create(named, named, "nvme0", &first), 0);
    assert_int_equal(units[0].attached, named);
    assert_int_equal(io_domain_create(behind, at(0, 0, 0x1c, 0), "nvme1", &second), 0);
    assert_int_equal(units[1].attached, behind);
    io_domain_destroy(first);
    io_domain_destroy(second);
}

/* A device that is excluded, one that firmware has plans with, one behind the same bridge as
 * another, and one whose unit does not start. The log says which is what. */
static void refused_with_a_reason(void **state)
{
    struct io_domain *domain, *none;
    io_requester device = at(0, 2, 3, 1);

    (void)state;
    assert_int_equal(io_domain_create(at(0, 3, 0, 0), at(0, 3, 0, 0), "a0", &none), ENODEV);
    assert_int_equal(io_domain_create(at(1, 2, 3, 1), at(1, 2, 3, 1), "a1", &none), ENODEV);
    assert_int_equal(kernel_logged("cannot be confined: no remapping unit covers it"), 2);
    assert_int_equal(io_domain_create(at(0, 0, 0x1d, 0), at(0, 0, 0x1d, 0), "a2", &none), EPERM);
    assert_int_equal(kernel_logged("a2 cannot be confined: the firmware wants it to reach"), 1);
    assert_int_equal(io_domain_create(device, device, "nvme0", &domain), 0);
    assert_int_equal(io_domain_create(device, device, "nvme1", &none), EBUSY);
    assert_int_equal(kernel_logged("nvme1 cannot be confined: the bus does not tell it from nvme0"),
                     1);
    io_domain_destroy(domain);

    units[0].starts = false;
    assert_true(io_iommu_start());
    assert_int_equal(io_domain_create(device, device, "nvme0", &none), ENODEV);
}

static void fault(unsigned count, io_requester source)
{
    units[0].source = (uint16_t)source;
    units[0].faults = count;
}

/* What a driver's device does is told and logged a few times a second, then not recorded, until the
 * second is over. */
static void a_storm_of_a_drivers_device(void **state)
{
    struct io_domain *domain;
    io_requester device = at(0, 2, 3, 1);

    (void)state;
    assert_int_equal(io_domain_create(device, device, "nvme0", &domain), 0);
    fault(1, device);
    fault_interrupt(&units[0]);
    assert_int_equal(kernel_logged("DMA fault: nvme0: write at 1000 blocked"), 1);
    fault(STORM, device);
    kernel_run(30 * CLOCK_SECOND);
    assert_in_range(reports, 9, 200);
    assert_true(units[0].silenced > 0 && units[0].silenced == units[0].heard);
    io_domain_destroy(domain);
}

/* Of one without a driver nothing is recorded after the first few until it has one. */
static void a_storm_of_nobodys_device(void **state)
{
    (void)state;
    fault(STORM, at(0, 2, 3, 1));
    fault_interrupt(&units[0]);
    assert_int_equal(kernel_logged("02:03.1 has no driver"), 8);
    assert_true(units[0].silenced > 0);
    assert_int_equal(units[0].heard, 0);
    fault(1, at(0, 2, 3, 1));
    kernel_run(2 * CLOCK_SECOND);
    assert_int_equal(kernel_logged("02:03.1 has no driver"), 9);
    assert_int_equal(reports, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_device_is_its_units),
        TEST(refused_with_a_reason),
        TEST(a_storm_of_a_drivers_device),
        TEST(a_storm_of_nobodys_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
