/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parsers of firmware tables, on tables as QEMU's firmware makes them and on broken ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <server/io/acpi_tables.h>
#include <server/io/dmar.h>
#include <server/io/madt.h>
#include <server/root/soft_off.h>
#include <test/unit/cmocka.h>

/* DMAR: 48 bytes of header, one unit that includes all, with an IO-APIC in its scope. */
static const uint8_t dmar_table[48 + 24] = {
    'D',  'M',  'A',  'R',  72, 0, 0, 0, [36] = 38, [37] = 1, [48] = 0, 0, 24, 0, /* type, length */
    1,    0,    0,    0, /* include all, size, segment */
    0x00, 0x00, 0xd9, 0xfe, 0,  0, 0, 0, 3,         8,        0,        0, 0,  0xff,
    0,    0, /* IO-APIC 0 is ff:00.0 */
};

static struct dmar_function at(uint16_t segment, uint8_t bus, uint8_t device, uint8_t function)
{
    return (struct dmar_function){segment, bus, device, function};
}

static void dmar_as_qemu_makes_it(void **state)
{
    struct dmar dmar;

    (void)state;
    assert_int_equal(dmar_parse(dmar_table, sizeof(dmar_table), &dmar), 0);
    assert_true(dmar.interrupt_remapping);
    assert_int_equal(dmar.unit_count, 1);
    assert_int_equal(dmar.unit[0].registers, 0xfed90000);
    assert_int_equal(dmar.unit[0].scope[0].type, DMAR_SCOPE_IOAPIC);
    assert_int_equal(dmar.unit[0].scope[0].bus, 0xff);
    assert_ptr_equal(dmar_unit_lookup(&dmar, at(0, 3, 4, 5), at(0, 3, 4, 5)), &dmar.unit[0]);
    assert_null(dmar_unit_lookup(&dmar, at(1, 3, 4, 5), at(1, 3, 4, 5)));
    assert_false(dmar_is_reserved_for(&dmar, at(0, 3, 4, 5), at(0, 3, 4, 5)));
}

/* Two units and a reserved region: a named device goes to its own unit. */
static void dmar_with_scopes(void **state)
{
    static const uint8_t structures[] = {
        0,    0, 24,   0, 0, 0, 0, 0, 0, 0, 0x10, 0xfe, 0, 0,    0, 0, /* unit 0 */
        1,    8, 0,    0, 0, 2, 3, 1,                                  /* endpoint 02:03.1 */
        0,    0, 16,   0, 1, 0, 0, 0, 0, 0, 0x20, 0xfe, 0, 0,    0, 0, /* unit 1: all others */
        1,    0, 32,   0, 0, 0, 0, 0, 0, 0, 0,    0x7f, 0, 0,    0, 0, 0xff,
        0xff, 0, 0x7f, 0, 0, 0, 0, 1, 8, 0, 0,    0,    0, 0x1d, 0, /* reserved for 00:1d.0 */
    };
    uint8_t table[48 + sizeof(structures)] = {0};
    struct dmar dmar;

    (void)state;
    memcpy(table + 48, structures, sizeof(structures));
    assert_int_equal(dmar_parse(table, sizeof(table), &dmar), 0);
    assert_ptr_equal(dmar_unit_lookup(&dmar, at(0, 2, 3, 1), at(0, 2, 3, 1)), &dmar.unit[0]);
    assert_ptr_equal(dmar_unit_lookup(&dmar, at(0, 2, 3, 0), at(0, 2, 3, 0)), &dmar.unit[1]);
    assert_true(dmar_is_reserved_for(&dmar, at(0, 0, 0x1d, 0), at(0, 0, 0x1d, 0)));
    assert_false(dmar_is_reserved_for(&dmar, at(0, 0, 0x1d, 1), at(0, 0, 0x1d, 1)));

    /* As a bridge, unit 0's scope stands for what is below it, too. */
    table[48 + 16] = DMAR_SCOPE_BRIDGE;
    assert_int_equal(dmar_parse(table, sizeof(table), &dmar), 0);
    assert_ptr_equal(dmar_unit_lookup(&dmar, at(0, 9, 0, 0), at(0, 2, 3, 1)), &dmar.unit[0]);
    assert_ptr_equal(dmar_unit_lookup(&dmar, at(0, 9, 0, 0), at(0, 2, 3, 0)), &dmar.unit[1]);
}

static void dmar_broken(void **state)
{
    uint8_t table[sizeof(dmar_table)];
    struct dmar dmar;

    (void)state;
    for (size_t size = 0; size < sizeof(dmar_table); size++) {
        /* On the heap at its exact size, so that a read past it is seen. */
        uint8_t *cut = malloc(size ? size : 1);
        memcpy(cut, dmar_table, size);
        assert_int_equal(dmar_parse(cut, size, &dmar), EBADMSG);
        free(cut);
    }
    for (size_t i = 48; i < sizeof(table); i++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(table, dmar_table, sizeof(table));
            table[i] = (uint8_t)value;
            dmar_parse(table, sizeof(table), &dmar); /* any result, but no harm */
        }
    }
    memcpy(table, dmar_table, sizeof(table));
    table[50] = 0; /* a structure of no length would never end */
    assert_int_equal(dmar_parse(table, sizeof(table), &dmar), EBADMSG);
}

static void madt_ioapics(void **state)
{
    static const uint8_t table[44 + 8 + 12] = {
        'A', 'P', 'I', 'C', 64,   [44] = 0, 8,    0,    0,    1, 0, 0, 0, /* a local APIC */
        1,   12,  7,   0,   0x00, 0x00,     0xc0, 0xfe, 0x18, 0, 0, 0,    /* IO-APIC 7 */
    };
    struct madt madt;

    (void)state;
    assert_int_equal(madt_parse(table, sizeof(table), &madt), 0);
    assert_int_equal(madt.ioapic_count, 1);
    assert_int_equal(madt.ioapic[0].id, 7);
    assert_int_equal(madt.ioapic[0].address, 0xfec00000);
    for (size_t size = 45; size < sizeof(table); size++) {
        uint8_t *cut = malloc(size);
        memcpy(cut, table, size);
        assert_int_equal(madt_parse(cut, size, &madt), size == 52 ? 0 : EBADMSG);
        free(cut);
    }
}

static void soft_off(void **state)
{
    static const uint8_t named[] = {1,    2,    3, 8, '_', 'S', '5', '_', 0x12, 0x06,
                                    0x04, 0x0a, 5, 0, 0,   0,   0,   0,   0,    0};
    static const uint8_t zero[] = {8, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x00, 0, 0, 0, 0, 0, 0};
    unsigned type = 9;

    (void)state;
    assert_int_equal(soft_off_type(named, sizeof(named), &type), 0);
    assert_int_equal(type, 5);
    assert_int_equal(soft_off_type(zero, sizeof(zero), &type), 0);
    assert_int_equal(type, 0);
    assert_int_equal(soft_off_type(named, 9, &type), ENOENT);
    assert_int_equal(soft_off_type(named, 0, &type), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dmar_as_qemu_makes_it),
        cmocka_unit_test(dmar_with_scopes),
        cmocka_unit_test(dmar_broken),
        cmocka_unit_test(madt_ioapics),
        cmocka_unit_test(soft_off),
    };

    return cmocka_run_group_tests_name("firmware tables", tests, NULL, NULL);
}
