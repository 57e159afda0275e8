/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which integrity filters are started (server/supervisor/integrity.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>
#include <test/unit/cmocka.h>

struct policy supervisor_policy;

static struct {
    struct child child[POLICY_FILTERS_MAX];
    int error[POLICY_FILTERS_MAX];
    unsigned count;
    const char *absent; /* a disk that is not offered */
    char stopped[64];   /* who, in this order */
} t;

static unsigned place_of(const struct child *child)
{
    return (unsigned)(child - t.child);
}

struct child *child_create(const char *name, const char *program, enum child_kind kind)
{
    struct child *child = &t.child[t.count++];

    assert_string_equal(program, "integrity");
    assert_int_equal(kind, CHILD_SERVICE);
    strcpy(child->name, name);
    strcpy(child->program, program);
    if (t.count > 1)
        t.child[t.count - 2].next = child;
    return child;
}

struct child *child_first(void)
{
    return t.count > 0 ? &t.child[0] : NULL;
}

struct child *child_lookup(const char *name)
{
    for (unsigned i = 0; i < t.count; i++) {
        if (strcmp(t.child[i].name, name) == 0)
            return &t.child[i];
    }
    return NULL;
}

const struct child_offer *child_offer_find(const char *name, const char *class)
{
    static const struct child_offer offer = {.right = 5};

    assert_string_equal(class, "block");
    return t.absent && strcmp(name, t.absent) == 0 ? NULL : &offer;
}

int child_grant_device(struct child *child, const char *name, const char *device)
{
    (void)name, (void)device;
    child->grant_count++;
    return 0;
}

void supervisor_begin(struct child *child, int error, uint64_t quota, const char *argument)
{
    (void)quota, (void)argument;
    t.error[place_of(child)] = error;
    child->task.task = error == 0 ? 7 : MACH_PORT_NULL;
    child->state = error == 0 ? CHILD_RUNNING : CHILD_FAILED;
}

int child_stop(struct child *child, uint64_t limit)
{
    (void)limit;
    strcat(strcat(t.stopped, child->name), " ");
    child->task.task = MACH_PORT_NULL;
    return 0;
}

void journal_note(enum log_level level, const char *format, ...)
{
    (void)level, (void)format;
}

static void begin(const char *one, const char *other)
{
    memset(&t, 0, sizeof(t));
    supervisor_policy = (struct policy){.filter_count = other ? 2 : 1};
    strcpy(supervisor_policy.filter[0].program, "one");
    strcpy(supervisor_policy.filter[0].text, one);
    strcpy(supervisor_policy.filter[1].program, "other");
    strcpy(supervisor_policy.filter[1].text, other ? other : "");
}

static int status_of(const char *name)
{
    const struct child *child = child_lookup(name);

    return child ? t.error[place_of(child)] : ENOENT;
}

static void one_has_each_disk_once(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int error;
    } cases[] = {
        {"nvme0n1", 0},
        {"nvme0n1 nvme1n1 sums=nvme2n1", 0},
        {"nvme0n1p1 nvme1n1p1 sums=nvme1n1p2", 0},
        {"nvme0n1 nvme0n1", EINVAL},
        {"nvme0n1 nvme0n1p2", EINVAL},
        {"nvme0n1 sums=nvme0n1", EINVAL},
        {"nvme0n1 nvme1n1 sums=nvme1n1p3", EINVAL},
        {"nvme0n1p1 sums=nvme0n1", EINVAL},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].text, NULL);
        integrity_look();
        assert_int_equal(status_of("one"), cases[i].error);
    }
}

/* They would write over each other's. */
static void no_two_have_the_same(void **state)
{
    (void)state;
    const struct {
        const char *one, *other;
        int error;
    } cases[] = {
        {"nvme0n1 sums=nvme2n1p1", "nvme1n1 sums=nvme2n1p2", 0},
        {"nvme0n1p1", "nvme0n1p2", 0},
        {"nvme0n1", "onep1 sums=nvme1n1", 0}, /* one above the other */
        {"nvme0n1 sums=nvme2n1", "nvme1n1 sums=nvme2n1", EINVAL},
        {"nvme0n1 sums=nvme2n1", "nvme1n1 sums=nvme2n1p2", EINVAL},
        {"nvme0n1 sums=nvme2n1", "nvme2n1", EINVAL},
        {"nvme0n1 sums=nvme2n1p1", "nvme1n1 nvme2n1", EINVAL},
        {"nvme0n1", "nvme1n1 sums=nvme0n1p4", EINVAL},
        {"nvme0n1", "nvme0n1", EINVAL},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].one, cases[i].other);
        integrity_look();
        assert_int_equal(status_of("one"), 0);
        assert_int_equal(status_of("other"), cases[i].error);
        t.count = 0;
        t.absent = "nvme0n1"; /* it may come yet */
        integrity_look();
        assert_true(status_of("other") == cases[i].error || status_of("other") == ENOENT);
    }
}

static void what_one_has_is_nobody_elses(void **state)
{
    (void)state;
    begin("nvme0n1 nvme1n1p1 sums=nvme2n1p2", NULL);
    t.absent = "nvme2n1p2";
    integrity_look();
    assert_int_equal(status_of("one"), ENOENT);
    assert_false(integrity_holds("nvme0n1"));
    t.absent = NULL;
    integrity_look();
    assert_int_equal(t.child[0].grant_count, 3);
    const char *const held[] = {"nvme0n1",   "nvme0n1p9", "nvme1n1",
                                "nvme1n1p1", "nvme2n1",   "nvme2n1p2"};
    for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        assert_true(integrity_holds(held[i]));
    assert_false(integrity_holds("nvme1n1p2"));
    assert_false(integrity_holds("nvme2n1p1"));
    assert_false(integrity_holds("one"));
}

/* Who is above another has still to write. */
static void the_last_to_be_started_is_the_first_to_be_stopped(void **state)
{
    (void)state;
    begin("nvme0n1", "onep1 sums=nvme1n1");
    integrity_look();
    integrity_stop();
    assert_string_equal(t.stopped, "other one ");
    begin("otherp1 sums=nvme1n1", "nvme0n1");
    t.absent = "otherp1";
    integrity_look();
    t.absent = NULL;
    integrity_look();
    integrity_stop();
    assert_string_equal(t.stopped, "one other ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_has_each_disk_once),
        cmocka_unit_test(no_two_have_the_same),
        cmocka_unit_test(what_one_has_is_nobody_elses),
        cmocka_unit_test(the_last_to_be_started_is_the_first_to_be_stopped),
    };

    return cmocka_run_group_tests_name("integrity-start", tests, NULL, NULL);
}
