/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell's portable parts: words, patterns, and which file system a path is in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <service/shell/mounts.h>
#include <service/shell/pattern.h>
#include <service/shell/words.h>
#include <test/unit/cmocka.h>

static unsigned released;

void port_release(mach_port_t name);
void port_release(mach_port_t name)
{
    (void)name;
    released++;
}

/* The line's commands, as "[word][word];[word];" */
static const char *split(const char *text)
{
    static char line[256], result[512];
    struct words words;
    char *at = line;

    strcpy(line, text);
    result[0] = '\0';
    while (*at) {
        assert_int_equal(words_next(&at, &words), 0);
        assert_null(words.word[words.count]);
        for (unsigned i = 0; i < words.count; i++) {
            strcat(result, "[");
            strcat(result, words.word[i]);
            strcat(result, "]");
        }
        strcat(result, ";");
    }
    return result;
}

static int split_error(const char *text)
{
    char line[4096];
    struct words words;
    char *at = line;
    int error = 0;

    strcpy(line, text);
    while (*at && error == 0)
        error = words_next(&at, &words);
    return error;
}

static void lines_become_words(void **state)
{
    (void)state;
    assert_string_equal(split("ls"), "[ls];");
    assert_string_equal(split("  ls \t -l  / "), "[ls][-l][/];");
    assert_string_equal(split("ls;cat a b ; sync"), "[ls];[cat][a][b];[sync];");
    assert_string_equal(split(";;ls;"), ";;[ls];");
    assert_string_equal(split("   "), ";");
    assert_string_equal(split("cat 'a b;c' \"d'e\" 'f\"g'"), "[cat][a b;c][d'e][f\"g];");
    assert_string_equal(split("cat a\" b \"c'd'"), "[cat][a b cd];");
    assert_string_equal(split("cat '' x"), "[cat][][x];");
    assert_string_equal(split("'ls';'ls'"), "[ls];[ls];");
    assert_string_equal(split("cat \"a;b\";ls"), "[cat][a;b];[ls];");
}

static void lines_that_are_none(void **state)
{
    char many[3 * WORDS_MAX + 8] = "";

    (void)state;
    assert_int_equal(split_error("cat 'a"), EINVAL);
    assert_int_equal(split_error("cat a\""), EINVAL);
    assert_int_equal(split_error("ls; cat 'a; ls"), EINVAL);
    for (unsigned i = 0; i < WORDS_MAX; i++)
        strcat(many, "a ");
    assert_int_equal(split_error(many), 0);
    strcat(many, "a");
    assert_int_equal(split_error(many), E2BIG);
}

static void patterns_tell_blocks_apart(void **state)
{
    unsigned char block[4096], other[4096];

    (void)state;
    pattern_fill(block, 512, 7, 42);
    assert_int_equal(pattern_compare(block, 512, 7, 42), 512);
    assert_true(pattern_compare(block, 512, 8, 42) < 8); /* misplaced */
    assert_true(pattern_compare(block, 512, 7, 43) < 8); /* old */
    for (size_t i = 0; i < 512; i++) {
        block[i] ^= 0x10;
        assert_int_equal(pattern_compare(block, 512, 7, 42), i);
        block[i] ^= 0x10;
    }

    /* No two of a large disk's blocks begin alike, nor a block and its neighbour's next word. */
    pattern_fill(block, sizeof(block), 1000, 1);
    pattern_fill(other, sizeof(other), 1001, 1);
    for (size_t i = 0; i < sizeof(block); i += 8)
        assert_memory_not_equal(block + i, other, 8);
    memset(block, 0, sizeof(block));
    for (uint64_t number = 0; number < 1000; number++)
        assert_true(pattern_compare(block, sizeof(block), number, number) < 8);
}

static void expect_inside(const char *path, const char *device, const char *inside)
{
    char buffer[MOUNT_PATH_SIZE];
    struct mount *mount;

    assert_int_equal(mounts_resolve(path, &mount, buffer), 0);
    assert_string_equal(mount->device, device);
    assert_string_equal(buffer, inside);
}

static void the_longest_mount_wins(void **state)
{
    char buffer[MOUNT_PATH_SIZE], longest[MOUNT_PATH_SIZE + 2];
    struct mount *mount;

    (void)state;
    assert_null(mounts_first());
    assert_int_equal(mounts_resolve("/", &mount, buffer), ENXIO);
    assert_int_equal(mounts_add("data", "d0", 1), EINVAL);
    assert_int_equal(mounts_add("/data/", "d0", 1), 0);
    assert_int_equal(mounts_add("/data", "d9", 9), EBUSY);
    assert_int_equal(mounts_resolve("/", &mount, buffer), ENXIO);
    assert_int_equal(mounts_resolve("/dat", &mount, buffer), ENXIO);
    assert_int_equal(mounts_resolve("/database", &mount, buffer), ENXIO);
    expect_inside("/data", "d0", "/");
    expect_inside("//data//x/", "d0", "/x");

    assert_int_equal(mounts_add("/", "d1", 2), 0);
    assert_int_equal(mounts_add("/data/deep", "d2", 3), 0);
    expect_inside("/", "d1", "/");
    expect_inside("", "d1", "/");
    expect_inside("relative/name", "d1", "/relative/name");
    expect_inside("/database", "d1", "/database");
    expect_inside("/data/deeper", "d0", "/deeper");
    expect_inside("/data/deep/x/y", "d2", "/x/y");

    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(mounts_resolve(longest, &mount, buffer), ENAMETOOLONG);
    longest[MOUNT_PATH_SIZE - 1] = '\0';
    assert_int_equal(mounts_resolve(longest, &mount, buffer), 0);

    mounts_remove(mounts_at("/data/deep"));
    assert_int_equal(released, 1);
    expect_inside("/data/deep/x", "d0", "/deep/x");
    while ((mount = mounts_first()))
        mounts_remove(mount);
    assert_int_equal(released, 3);
}

static void the_table_of_mounts_is_finite(void **state)
{
    char path[] = "/a";

    (void)state;
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        path[1] = (char)('a' + i);
        assert_int_equal(mounts_add(path, "d", 1), 0);
    }
    assert_int_equal(mounts_add("/zz", "d", 1), ENOSPC);
    while (mounts_first())
        mounts_remove(mounts_first());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_words),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(patterns_tell_blocks_apart),
        cmocka_unit_test(the_longest_mount_wins),
        cmocka_unit_test(the_table_of_mounts_is_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
