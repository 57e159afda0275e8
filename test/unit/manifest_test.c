/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <server/supervisor/manifest.h>
#include <test/unit/cmocka.h>

static const char good[] = "; a comment\n[driver]\nprogram = nvme\nclass = block\nvectors = 3\n"
                           "[match]\nbus = pci\nids = 8086:5845 1b36:0010\nclass = 01:08:*\n";

static int parse(const char *text, struct manifest *manifest, char problem[160])
{
    return manifest_parse(text, strlen(text), manifest, problem, 160);
}

static void all_keys(void **state)
{
    struct manifest manifest;
    char problem[160];

    (void)state;
    assert_int_equal(parse(good, &manifest, problem), 0);
    assert_string_equal(manifest.program, "nvme");
    assert_string_equal(manifest.class, "block");
    assert_int_equal(manifest.vectors, 3);
    assert_int_equal(manifest.id_count, 2);
    assert_int_equal(manifest.id[1].vendor, 0x1b36);
    assert_int_equal(manifest.id[1].device, 0x0010);
    assert_true(manifest.has_class && manifest.any_interface && !manifest.any_subclass);
}

static void matching(void **state)
{
    struct manifest manifest;
    struct pci_function_info function = {0};
    char problem[160];

    (void)state;
    assert_int_equal(parse(good, &manifest, problem), 0);
    assert_int_equal(manifest_match(&manifest, &function), 0);
    function.class_code = 1;
    function.subclass = 8;
    function.interface = 2;
    assert_int_equal(manifest_match(&manifest, &function), 1);
    function.subclass = 6;
    assert_int_equal(manifest_match(&manifest, &function), 0);
    function.vendor = 0x8086;
    function.device_id = 0x5845;
    assert_int_equal(manifest_match(&manifest, &function), 2);
    function.device_id = 0x0010; /* one's vendor, the other's device */
    assert_int_equal(manifest_match(&manifest, &function), 0);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "[driver] needs program and class"},
        {"[driver]\nprogram = a\nclass = b\n", "[match] needs bus, and ids or class"},
        {"[driver]\nprogram = a\nclass = b\n[match]\nbus = pci\n",
         "[match] needs bus, and ids or class"},
        {"[driver]\ncolour = red\n", "line 2: [driver] colour: unknown key"},
        {"[drivers]\nprogram = a\n", "line 2: [drivers] program: unknown key"},
        {"[driver]\nprogram = ../io\n",
         "line 2: [driver] program: \"../io\" is not a value for it"},
        {"[driver]\nprogram =\n", "line 2: [driver] program: \"\" is not a value for it"},
        {"[driver]\nvectors = 0\n", "line 2: [driver] vectors: \"0\" is not a value for it"},
        {"[match]\nbus = isa\n", "line 2: [match] bus: \"isa\" is not a value for it"},
        {"[match]\nids = 8086\n", "line 2: [match] ids: \"8086\" is not a value for it"},
        {"[match]\nids = 8086:584\n", "line 2: [match] ids: \"8086:584\" is not a value for it"},
        {"[match]\nids = 8086:58456\n",
         "line 2: [match] ids: \"8086:58456\" is not a value for it"},
        {"[match]\nclass = 01:08\n", "line 2: [match] class: \"01:08\" is not a value for it"},
        {"[match]\nclass = 01:08:021\n",
         "line 2: [match] class: \"01:08:021\" is not a value for it"},
        {"nonsense\n", "line 1: neither section nor key"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct manifest manifest;
        char problem[160];
        assert_int_equal(parse(cases[i].text, &manifest, problem), EBADMSG);
        assert_string_equal(problem, cases[i].problem);
    }
}

static void no_text(void **state)
{
    static const char long_text[5000] = "x";
    struct manifest manifest;
    char problem[160];

    (void)state;
    assert_int_equal(manifest_parse("a\0b", 3, &manifest, problem, sizeof(problem)), EBADMSG);
    assert_int_equal(
        manifest_parse(long_text, sizeof(long_text), &manifest, problem, sizeof(problem)), EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys),
        cmocka_unit_test(matching),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(no_text),
    };

    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
