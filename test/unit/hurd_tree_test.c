/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <interface/hurd/directory_entry.h>
#include <server/hurd/tree.h>

#include <test/unit/cmocka.h>

static const struct pci_function_info functions[] = {
    {.bus = 0, .device = 0, .function = 0},
    {.bus = 0,
     .device = 0x1f,
     .function = 2,
     .bar[0].size = 64,
     .bar[5].size = 4096,
     .rom_size = 2048},
    {.bus = 0, .device = 0x1f, .function = 3},
    {.bus = 4, .device = 1, .function = 0, .bar[2].size = 16},
    {.segment = 1, .bus = 0, .device = 0, .function = 0},
};
static const struct tree tree = {functions, sizeof(functions) / sizeof(functions[0])};

/* The names in a directory, with a blank behind each. */
static unsigned names_list(const char *path, unsigned first, int most, size_t room, char *names)
{
    struct tree_node node = {TREE_ROOT, 0, 0};
    unsigned char bytes[1024];
    unsigned listed;

    assert_true(tree_walk(&tree, path, &node));
    size_t used = tree_list(&tree, &node, first, most, bytes, room, &listed);
    assert_true(used <= room);
    names[0] = '\0';
    for (size_t at = 0; at < used;) {
        struct hurd_directory_entry entry;
        memcpy(&entry, bytes + at, sizeof(entry));
        assert_int_equal(entry.size % 8, 0);
        assert_true(entry.number != 0);
        assert_int_equal(strlen((char *)bytes + at + sizeof(entry)), entry.name_length);
        strcat(strcat(names, (char *)bytes + at + sizeof(entry)), " ");
        at += entry.size;
    }
    return listed;
}

static void lists(const char *path, const char *expected)
{
    char names[200];

    names_list(path, 0, -1, 1024, names);
    assert_string_equal(names, expected);
}

static void every_directory_has_its_names_once(void **state)
{
    (void)state;
    lists("", ". .. 0000 0001 ");
    lists("0000", ". .. 00 04 ");
    lists("/0000//./00/", ". .. 00 1f ");
    lists("0000/00/1f", ". .. 2 3 ");
    lists("0000/00/1f/2", ". .. config region0 region5 rom ");
    lists("0000/04/01/0", ". .. config region2 ");
    lists("0001/00/00/0", ". .. config ");
}

static void what_is_not_there_is_not_found(void **state)
{
    static const char *const paths[] = {"0002",
                                        "0",
                                        "0000/01",
                                        "0000/00/1f/0",
                                        "0000/00/1F",
                                        "0000/00/1f/2/region1",
                                        "0000/00/1f/2/config/x",
                                        "0000/00/1f/3/rom",
                                        "..",
                                        "0000/00/1f/2/a-name-that-is-longer-than-any"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct tree_node node = {TREE_ROOT, 0, 0};
        assert_false(tree_walk(&tree, paths[i], &node));
    }
}

static void a_file_is_a_place_of_its_function(void **state)
{
    struct tree_node node = {TREE_ROOT, 0, 0};

    (void)state;
    assert_true(tree_walk(&tree, "0000/00/1f/2", &node));
    assert_int_equal(node.depth, TREE_FUNCTION);
    assert_true(tree_walk(&tree, "region5", &node));
    assert_int_equal(node.depth, TREE_FILE);
    assert_int_equal(node.address, 0x1f << 3 | 2);
    assert_int_equal(node.file, TREE_REGION + 5);
    node = (struct tree_node){TREE_ROOT, 0, 0};
    assert_true(tree_walk(&tree, "0000/00/1f/2/rom", &node));
    assert_int_equal(node.file, TREE_ROM);
}

static void a_list_can_be_had_in_parts(void **state)
{
    char names[200];

    (void)state;
    assert_int_equal(names_list("0000/00", 2, 1, 1024, names), 1);
    assert_string_equal(names, "00 ");
    assert_int_equal(names_list("0000/00", 1, 2, 1024, names), 2);
    assert_string_equal(names, ".. 00 ");
    assert_int_equal(names_list("0000/00", 4, -1, 1024, names), 0);
    assert_int_equal(names_list("0000/00", 0, 0, 1024, names), 0);
    assert_int_equal(names_list("0000/00", 0, -1, 40, names), 2); /* 16 bytes each */
    assert_int_equal(names_list("0000/00", 0, -1, 8, names), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directory_has_its_names_once),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_file_is_a_place_of_its_function),
        cmocka_unit_test(a_list_can_be_had_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
