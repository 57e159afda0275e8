/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <server/pci/names.h>
#include <test/unit/cmocka.h>

static const char names[] = "C00 Unclassified device\n"
                            "C01 Mass storage controller\n"
                            "C0108 Non-Volatile memory controller\n"
                            "C010802 NVM Express\n"
                            "Cff Unassigned class\n"
                            "D808610d3 82574L Gigabit Network Connection\n"
                            "D808610d4 \n"
                            "V0001 SafeNet (wrong ID)\n"
                            "V8086 Intel Corporation\n";

/* On a copy of exactly that many bytes. */
static int find(size_t size, uint16_t vendor, uint16_t device, char *out, size_t out_size)
{
    char *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    memcpy(copy, names, size);
    int error = pci_names_find(copy, size, vendor, device, out, out_size);
    free(copy);
    return error;
}

static void devices_have_names(void **state)
{
    size_t size = strlen(names);
    char out[100];

    (void)state;
    assert_int_equal(find(size, 0x8086, 0x10d3, out, sizeof(out)), 0);
    assert_string_equal(out, "Intel Corporation 82574L Gigabit Network Connection");
    assert_int_equal(find(size - 1, 0x8086, 0x10d3, out, sizeof(out)), 0);
    assert_string_equal(out, "Intel Corporation 82574L Gigabit Network Connection");
    assert_int_equal(find(size, 0x8086, 0x10d5, out, sizeof(out)), ENOENT);
    assert_string_equal(out, "Intel Corporation device 10d5");
    assert_int_equal(find(size, 0x8087, 0x10d3, out, sizeof(out)), ENOENT);
    assert_string_equal(out, "vendor 8087 device 10d3");
    assert_int_equal(find(size, 0x0001, 0, out, sizeof(out)), ENOENT);
    assert_string_equal(out, "SafeNet (wrong ID) device 0000");

    char small[8];
    assert_int_equal(find(size, 0x8086, 0x10d3, small, sizeof(small)), 0);
    assert_string_equal(small, "Intel C");
}

static void classes_have_names(void **state)
{
    char out[100];

    (void)state;
    assert_int_equal(pci_names_class(names, strlen(names), 1, 8, 2, out, sizeof(out)), 0);
    assert_string_equal(out, "Non-Volatile memory controller, NVM Express");
    assert_int_equal(pci_names_class(names, strlen(names), 1, 8, 3, out, sizeof(out)), 0);
    assert_string_equal(out, "Non-Volatile memory controller");
    assert_int_equal(pci_names_class(names, strlen(names), 1, 9, 2, out, sizeof(out)), 0);
    assert_string_equal(out, "Mass storage controller");
    assert_int_equal(pci_names_class(names, strlen(names), 0, 0, 0, out, sizeof(out)), 0);
    assert_string_equal(out, "Unclassified device");
    assert_int_equal(pci_names_class(names, strlen(names), 0xff, 0, 0, out, sizeof(out)), 0);
    assert_string_equal(out, "Unassigned class");
    assert_int_equal(pci_names_class(names, strlen(names), 0x7f, 1, 2, out, sizeof(out)), ENOENT);
    assert_string_equal(out, "class 7f0102");
}

/* A file cut off or of something else is searched without leaving it. */
static void any_bytes_will_do(void **state)
{
    char out[300];

    (void)state;
    for (size_t size = 0; size < strlen(names); size++) {
        int error = find(size, 0x8086, 0x10d3, out, sizeof(out));
        assert_true(error == 0 || error == ENOENT);
        assert_true(strlen(out) > 0);
    }

    static char noise[4096];
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * i * 31 + i * 7);
    assert_int_equal(pci_names_find(noise, sizeof(noise), 1, 2, out, sizeof(out)), ENOENT);
    memset(noise, '\n', sizeof(noise));
    assert_int_equal(pci_names_find(noise, sizeof(noise), 1, 2, out, sizeof(out)), ENOENT);
    memset(noise, 'V', sizeof(noise));
    assert_int_equal(pci_names_find(noise, sizeof(noise), 1, 2, out, sizeof(out)), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_have_names),
        cmocka_unit_test(classes_have_names),
        cmocka_unit_test(any_bytes_will_do),
    };

    return cmocka_run_group_tests_name("pci names", tests, NULL, NULL);
}
