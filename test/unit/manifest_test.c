/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driver manifests: what is understood, what is refused and how that is said, and which one drives
 * a function.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <server/supervisor/manifest.h>
#include <test/unit/cmocka.h>

#define DRIVER "[driver]\nprogram = nvme\nclass = block\n"
#define MATCH  "[match]\nbus = pci\nclass = 01:08:02\n"

static struct manifest manifest;
static char problem[160];

/* In memory of exactly its size: a read past its end is seen. */
static int parse_bytes(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);

    memcpy(copy, text, size);
    int error = manifest_parse(copy, size, &manifest, problem, sizeof(problem));
    free(copy);
    assert_int_equal(error != 0, problem[0] != '\0');
    return error;
}

static int parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void refused(const char *text, const char *why)
{
    assert_int_equal(parse(text), EBADMSG);
    assert_string_equal(problem, why);
}

static int match(uint16_t vendor, uint16_t device, unsigned class)
{
    struct pci_function_info function = {
        .vendor = vendor,
        .device_id = device,
        .class_code = (uint8_t)(class >> 16),
        .subclass = (uint8_t)(class >> 8),
        .interface = (uint8_t) class,
    };

    return manifest_match(&manifest, &function);
}

static void a_whole_manifest_is_understood(void **state)
{
    (void)state;
    assert_int_equal(parse("; a comment\n[driver]\nprogram = nvme ; and why\nclass=block\n"
                           "vectors = 9\nwhole-task = yes\n\n[match]\r\nbus = pci\r\n# another\n"
                           "ids = 8086:5845  1b36:00AF\nclass = 01:08:*\n"),
                     0);
    assert_string_equal(manifest.program, "nvme");
    assert_string_equal(manifest.class, "block");
    assert_int_equal(manifest.vectors, 9);
    assert_true(manifest.whole_task);
    assert_false(manifest.resets);
    assert_int_equal(manifest.id_count, 2);
    assert_int_equal(manifest.id[0].vendor, 0x8086);
    assert_int_equal(manifest.id[0].device, 0x5845);
    assert_int_equal(manifest.id[1].vendor, 0x1b36);
    assert_int_equal(manifest.id[1].device, 0x00af);
    assert_true(manifest.has_class && manifest.any_interface && !manifest.any_subclass);
    assert_int_equal(manifest.class_code, 1);
    assert_int_equal(manifest.subclass, 8);
}

static void one_vector_if_not_said(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER MATCH), 0);
    assert_int_equal(manifest.vectors, 1);
    assert_false(manifest.whole_task);
}

static void the_manifests_of_the_tree_are_good(void **state)
{
    char path[512], text[4096];

    (void)state;
    snprintf(path, sizeof(path), "%s/driver/nvme/nvme.manifest", SOURCE_ROOT);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    assert_int_equal(parse_bytes(text, size), 0);
    assert_string_equal(manifest.program, "nvme");
    assert_int_equal(match(0x1b36, 0x0010, 0x010802), 1);
}

static void unknown_keys_are_named_with_their_line(void **state)
{
    (void)state;
    refused(DRIVER "colour = red\n" MATCH, "line 4: [driver] colour: unknown key");
    refused(DRIVER MATCH "[power]\nstate = off\n", "line 8: [power] state: unknown key");
    refused("program = nvme\n", "line 1: [] program: unknown key");
    refused("[driver]\nbus = pci\n", "line 2: [driver] bus: unknown key");
}

static void broken_lines_are_named(void **state)
{
    (void)state;
    refused("[driver]\nprogram\n", "line 2: neither section nor key");
    refused("[driver\nprogram = nvme\n", "line 1: neither section nor key");
    /* The first problem is told, whatever follows. */
    refused("[driver]\ngarbage\ncolour = red\n", "line 2: neither section nor key");
    refused("[driver]\ncolour = red\ngarbage\n", "line 2: [driver] colour: unknown key");
}

static void a_key_is_given_once(void **state)
{
    (void)state;
    refused(DRIVER "program = other\n" MATCH, "line 4: [driver] program: given twice");
    refused(DRIVER MATCH "bus = pci\n", "line 7: [match] bus: given twice");
    /* inih takes an indented line for more of the same key. */
    refused("[driver]\nprogram = nvme\n  other\nclass = block\n",
            "line 3: [driver] program: given twice");
}

static void ids_go_on_over_lines(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER "[match]\nbus = pci\nids = 8086:0001\n  8086:0002\n"
                                  "ids = 8086:0003 8086:0004\n"),
                     0);
    assert_int_equal(manifest.id_count, 4);
    assert_int_equal(manifest.id[3].device, 4);
}

static void ids_fill_the_table_and_no_more(void **state)
{
    char text[1024] = DRIVER "[match]\nbus = pci\nids =";

    (void)state;
    for (unsigned i = 0; i < MANIFEST_IDS_MAX; i++)
        snprintf(text + strlen(text), 16, " 8086:%04x", i);
    assert_int_equal(parse(text), 0);
    assert_int_equal(manifest.id_count, MANIFEST_IDS_MAX);
    assert_int_equal(manifest.id[MANIFEST_IDS_MAX - 1].device, MANIFEST_IDS_MAX - 1);
    strcat(text, "\nids = 8086:ffff");
    refused(text, "line 7: [match] ids: \"8086:ffff\" is not a value for it");
}

static void malformed_values_are_refused(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {
        {"ids", "8086"},       {"ids", "8086:"},        {"ids", "8086:584"},
        {"ids", "8086:58455"}, {"ids", "0x8086:5845"},  {"ids", "8086:5845,1b36:0010"},
        {"ids", "8086:584g"},  {"ids", ":5845"},        {"ids", "8086:5845x"},
        {"ids", ""},           {"class", ""},           {"class", "01"},
        {"class", "01:08"},    {"class", "01:08:2"},    {"class", "01:08:022"},
        {"class", "*:08:02"},  {"class", "01:08:02:*"}, {"class", "01:**:02"},
        {"class", "01-08-02"}, {"bus", "usb"},          {"bus", "PCI"},
        {"bus", ""},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256], why[256];

        snprintf(text, sizeof(text), DRIVER "[match]\n%s = %s\n", bad[i].key, bad[i].value);
        snprintf(why, sizeof(why), "line 5: [match] %s: \"%s\" is not a value for it", bad[i].key,
                 bad[i].value);
        refused(text, why);
    }
}

static void malformed_names_and_numbers_are_refused(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {
        {"program", ""},
        {"program", "../shell"},
        {"program", "a b"},
        {"program", "NVME"},
        {"program", "a-name-that-is-longer-than-fits-in"},
        {"class", ""},
        {"class", "bl%nock"},
        {"class", "control"},
        {"vectors", "0"},
        {"whole-task", "all"},
        {"vectors", "-1"},
        {"vectors", "1x"},
        {"vectors", "99999"},
        {"vectors", ""},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256], why[256];

        snprintf(text, sizeof(text), "[driver]\n%s = %s\n", bad[i].key, bad[i].value);
        snprintf(why, sizeof(why), "line 2: [driver] %s: \"%s\" is not a value for it", bad[i].key,
                 bad[i].value);
        refused(text, why);
    }
}

static void fixed_devices_are_understood(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER "[match]\nbus = isa\n"
                                  "device = ports 60-60 64-64 probe 64 lines 1 12\n"
                                  "device =  ports 378-37f probe 37a\n"),
                     0);
    assert_int_equal(manifest.fixed_count, 2);
    assert_int_equal(manifest.fixed[0].ports[1].first, 0x64);
    assert_int_equal(manifest.fixed[0].ports[1].last, 0x64);
    assert_int_equal(manifest.fixed[0].ports[2].last, 0);
    assert_int_equal(manifest.fixed[0].probe, 0x64);
    assert_int_equal(manifest.fixed[0].line[0], 1);
    assert_int_equal(manifest.fixed[0].line[1], 12);
    assert_int_equal(manifest.fixed[1].ports[0].first, 0x378);
    assert_int_equal(manifest.fixed[1].line[0], 0);
    assert_int_equal(match(0x8086, 0x5845, 0x010802), 0);
}

static void fixed_devices_that_cannot_be_are_refused(void **state)
{
    static const char *const devices[] = {
        "ports probe 64",
        "60-60 probe 60",
        "ports 60-60",
        "ports 61-60 probe 60",
        "ports 0-0 probe 0",
        "ports 60 probe 60",
        "ports 60-10000 probe 60",
        "ports 60-6g probe 60",
        "ports 60-60 probe 60 lines 0",
        "ports 60-60 probe 60 lines 16",
        "ports 60-60 probe 60 lines 1 2 3",
        "ports 60-60 probe 60 line 1",
        "ports 1-1 2-2 3-3 4-4 probe 1",
        "ports 60-60 probe 60 lines 1 12 and-a-word-that-is-long",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        char text[160];
        snprintf(text, sizeof(text), DRIVER "[match]\nbus = isa\ndevice = %s\n", devices[i]);
        assert_int_equal(parse(text), EBADMSG);
    }
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    refused("", "[driver] needs program and class");
    refused("[driver]\nprogram = nvme\n" MATCH, "[driver] needs program and class");
    refused("[driver]\nclass = block\n" MATCH, "[driver] needs program and class");
    refused(DRIVER, "[match] needs bus, and ids or class");
    refused(DRIVER "[match]\nbus = pci\n", "[match] needs bus, and ids or class");
    refused(DRIVER "[match]\nbus = isa\n", "[match] needs device, where the bus is isa");
    refused(DRIVER "[match]\nclass = 01:08:02\n", "[match] needs bus, and ids or class");
}

static void what_is_no_text_is_refused(void **state)
{
    static char large[4097];

    (void)state;
    assert_int_equal(parse_bytes(DRIVER MATCH, sizeof(DRIVER MATCH)), EBADMSG); /* its NUL */
    memset(large, '\n', sizeof(large));
    assert_int_equal(parse_bytes(large, sizeof(large)), EBADMSG);
    assert_string_equal(problem, "this is not a text of at most 4096 bytes");
    memset(large, 'x', sizeof(large));
    assert_int_equal(parse_bytes(large, 4096), EBADMSG);
}

/* Cut anywhere, or with any byte changed: an answer, and nothing out of bounds. */
static void damaged_anywhere_it_gets_an_answer(void **state)
{
    static const char whole[] = DRIVER "[match]\nbus = pci\nids = 8086:5845\nclass = 01:08:02\n";
    unsigned good = 0;

    (void)state;
    for (size_t size = 0; size < sizeof(whole) - 1; size++)
        good += parse_bytes(whole, size) == 0;
    /* Whole after the id, after its newline, and after the class. */
    assert_int_equal(good, 3);
    for (size_t i = 0; i < sizeof(whole) - 1; i++) {
        for (unsigned value = 1; value < 256; value++) {
            char text[sizeof(whole)];
            memcpy(text, whole, sizeof(whole));
            text[i] = (char)value;
            parse(text);
        }
    }
}

static void matching_prefers_ids(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER MATCH "ids = 1b36:0010\n"), 0);
    assert_int_equal(match(0x1b36, 0x0010, 0x010802), 2);
    assert_int_equal(match(0x1b36, 0x0010, 0x020000), 2);
    assert_int_equal(match(0x1b36, 0x0011, 0x010802), 1);
    assert_int_equal(match(0x1b37, 0x0010, 0x010802), 1);
    assert_int_equal(match(0x1b36, 0x0011, 0x010801), 0);
    assert_int_equal(match(0x1b36, 0x0011, 0x010702), 0);
    assert_int_equal(match(0x1b36, 0x0011, 0x020802), 0);
}

static void a_star_matches_all(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER "[match]\nbus = pci\nclass = 01:08:*\n"), 0);
    assert_int_equal(match(1, 1, 0x0108ff), 1);
    assert_int_equal(match(1, 1, 0x0109ff), 0);
    assert_int_equal(parse(DRIVER "[match]\nbus = pci\nclass = 02:*:*\n"), 0);
    assert_int_equal(match(1, 1, 0x028001), 1);
    assert_int_equal(match(1, 1, 0x010000), 0);
}

static void without_a_class_only_ids_match(void **state)
{
    (void)state;
    assert_int_equal(parse(DRIVER "[match]\nbus = pci\nids = 1af4:1001\n"), 0);
    assert_int_equal(match(0x1af4, 0x1001, 0), 2);
    assert_int_equal(match(0x1af4, 0x1000, 0), 0); /* the zeroes of a class that is not said */
}

static void the_best_manifest_is_chosen(void **state)
{
    static const char *const texts[] = {
        DRIVER "[match]\nbus = pci\nclass = 01:*:*\n",
        DRIVER MATCH,
        DRIVER "[match]\nbus = pci\nids = 1b36:0010\n",
        DRIVER "[match]\nbus = pci\nids = 1b36:0010\n",
    };
    struct manifest all[4];
    struct pci_function_info function = {
        .vendor = 0x1b36, .device_id = 0x0010, .class_code = 1, .subclass = 8, .interface = 2};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(parse(texts[i]), 0);
        all[i] = manifest;
    }
    assert_int_equal(manifest_choose(all, 4, &function), 2); /* an id, the first that has it */
    assert_int_equal(manifest_choose(all, 2, &function), 0); /* classes are alike: the first */
    function.device_id = 0x0011;
    assert_int_equal(manifest_choose(all, 4, &function), 0);
    function.class_code = 2;
    assert_int_equal(manifest_choose(all, 4, &function), -1);
    assert_int_equal(manifest_choose(all, 0, &function), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_manifest_is_understood),
        cmocka_unit_test(one_vector_if_not_said),
        cmocka_unit_test(the_manifests_of_the_tree_are_good),
        cmocka_unit_test(unknown_keys_are_named_with_their_line),
        cmocka_unit_test(broken_lines_are_named),
        cmocka_unit_test(a_key_is_given_once),
        cmocka_unit_test(ids_go_on_over_lines),
        cmocka_unit_test(ids_fill_the_table_and_no_more),
        cmocka_unit_test(malformed_values_are_refused),
        cmocka_unit_test(malformed_names_and_numbers_are_refused),
        cmocka_unit_test(fixed_devices_are_understood),
        cmocka_unit_test(fixed_devices_that_cannot_be_are_refused),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(damaged_anywhere_it_gets_an_answer),
        cmocka_unit_test(matching_prefers_ids),
        cmocka_unit_test(a_star_matches_all),
        cmocka_unit_test(without_a_class_only_ids_match),
        cmocka_unit_test(the_best_manifest_is_chosen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
