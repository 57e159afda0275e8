/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The queue's two ends (kit/core/queue.h): alone, against a liar, and against each other in two
 * processes that sleep and wake as often as they can.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/core/queue.h>
#include <test/unit/cmocka.h>

enum { ENTRIES = 16, ROUNDS = 1000000, PATIENCE = 20000 };

struct there {
    uint64_t number, check;
};
struct back {
    uint64_t number;
};

#define THERE_SIZE queue_memory_size(ENTRIES, sizeof(struct there))
#define BACK_SIZE  queue_memory_size(ENTRIES, sizeof(struct back))

/* Memory of two mappings: one to write, one only to read. */
struct memory {
    void *own;
    const void *others;
};

static struct memory memory_make(size_t size)
{
    int file = memfd_create("queue", 0);
    struct memory memory;

    assert_int_equal(ftruncate(file, (off_t)size), 0);
    memory.own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    memory.others = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    assert_true(memory.own != MAP_FAILED && memory.others != MAP_FAILED);
    close(file);
    return memory;
}

static struct memory there, back;
static struct queue client, driver;

static int setup(void **state)
{
    (void)state;
    there = memory_make(THERE_SIZE);
    back = memory_make(BACK_SIZE);
    queue_init(&client, there.own, back.others, ENTRIES);
    queue_init(&driver, back.own, there.others, ENTRIES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(there.own, THERE_SIZE);
    munmap((void *)there.others, THERE_SIZE);
    munmap(back.own, BACK_SIZE);
    munmap((void *)back.others, BACK_SIZE);
    return 0;
}

static void entries_are_seen_when_published(void **state)
{
    struct there entry = {1, 2}, got;

    (void)state;
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 0);
    queue_put(&client, &entry, sizeof(entry));
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 0);
    assert_false(queue_publish(&client));
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 1);
    assert_int_equal(got.check, 2);
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 0);
}

static void only_a_sleeper_is_woken(void **state)
{
    struct there entry = {1, 2}, got;

    (void)state;
    assert_true(queue_sleep(&driver));
    assert_false(queue_publish(&client)); /* nothing to see */
    queue_put(&client, &entry, sizeof(entry));
    assert_true(queue_publish(&client));
    assert_true(queue_other_sleeps(&client));
    assert_false(queue_sleep(&driver)); /* there is something */
    assert_false(queue_other_sleeps(&client));
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 1);
}

static void counters_wrap(void **state)
{
    (void)state;
    client.put = driver.taken = driver.seen = UINT32_MAX - 5;
    client.own->published = client.put;
    for (uint64_t i = 0; i < 40; i++) {
        struct there entry = {i, ~i}, got;
        queue_put(&client, &entry, sizeof(entry));
        queue_publish(&client);
        assert_int_equal(queue_take(&driver, &got, sizeof(got)), 1);
        assert_true(got.number == i && got.check == ~i);
    }
}

static void more_than_the_ring_holds_is_a_lie(void **state)
{
    struct there got;
    static const uint32_t lies[] = {ENTRIES + 1, 1000, 0x80000000, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        client.own->published = lies[i];
        assert_int_equal(queue_take(&driver, &got, sizeof(got)), -EPROTO);
    }
    client.own->published = ENTRIES;
    for (unsigned i = 0; i < ENTRIES; i++)
        assert_int_equal(queue_take(&driver, &got, sizeof(got)), 1);
    assert_int_equal(queue_take(&driver, &got, sizeof(got)), 0);
}

/* Written where they belong, and read where they lie, in two pieces over the ring's end. */
static void runs_end_where_the_ring_does(void **state)
{
    const volatile void *entries = NULL;
    unsigned count;

    (void)state;
    client.put = driver.taken = driver.seen = 3 * ENTRIES - 2;
    client.own->published = client.put;
    assert_int_equal(queue_take_run(&driver, &entries, sizeof(struct there), &count), 0);
    assert_int_equal(count, 0);
    for (uint64_t i = 0; i < 5; i++) {
        *(struct there *)queue_place(&client, sizeof(struct there)) = (struct there){i, ~i};
        queue_put_in_place(&client, 1);
    }
    queue_publish(&client);
    assert_int_equal(queue_take_run(&driver, &entries, sizeof(struct there), &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(((const volatile struct there *)entries)[1].number, 1);
    assert_int_equal(queue_take_run(&driver, &entries, sizeof(struct there), &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(((const volatile struct there *)entries)[2].number, 4);
    assert_true(queue_is_dry(&driver));
    client.own->published += ENTRIES + 1;
    assert_int_equal(queue_take_run(&driver, &entries, sizeof(struct there), &count), -EPROTO);
    assert_int_equal(count, 0);
}

/* A wakeup with room for one, as the queue's users have it. False: it never came. */
static bool wakeup_wait(int event)
{
    struct pollfd wait = {.fd = event, .events = POLLIN};
    uint64_t count;

    return poll(&wait, 1, PATIENCE) == 1 && read(event, &count, sizeof(count)) == sizeof(count);
}

static void wakeup_send(int event)
{
    uint64_t one = 1;

    if (write(event, &one, sizeof(one)) != sizeof(one))
        abort();
}

/* Take one, sleeping if there is none. 0: a wakeup was lost. */
static int take_or_sleep(struct queue *queue, void *entry, size_t size, int event)
{
    int taken;

    while ((taken = queue_take(queue, entry, size)) == 0) {
        if (!queue_sleep(queue))
            continue;
        if (!wakeup_wait(event))
            return 0;
        queue_awake(queue);
    }
    return taken;
}

static unsigned delay_next(unsigned *seed)
{
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 16;
}

/* Answers each entry after it has checked it; sometimes several together. */
static int driver_run(int own_event, int other_event)
{
    struct there entry;
    unsigned seed = 7;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        if (take_or_sleep(&driver, &entry, sizeof(entry), own_event) != 1)
            return 2;
        if (entry.number != i || entry.check != ~i * 3)
            return 3;
        queue_put(&driver, &(struct back){i}, sizeof(struct back));
        /* Who keeps answers back must give them before it sleeps: its queue is empty then. */
        if ((delay_next(&seed) % 4 || queue_look(&driver) == 0) && queue_publish(&driver))
            wakeup_send(other_event);
    }
    return 0;
}

static int client_run(int own_event, int other_event)
{
    uint64_t sent = 0, answered = 0;
    unsigned seed = 3;
    struct back answer;

    while (answered < ROUNDS) {
        unsigned many = delay_next(&seed) % ENTRIES + 1;
        for (; many > 0 && sent < ROUNDS && sent - answered < ENTRIES; many--, sent++)
            queue_put(&client, &(struct there){sent, ~sent * 3}, sizeof(struct there));
        if (queue_publish(&client))
            wakeup_send(other_event);
        if (take_or_sleep(&client, &answer, sizeof(answer), own_event) != 1)
            return 4;
        if (answer.number != answered++)
            return 5;
    }
    return 0;
}

static void two_processes(void **state)
{
    int to_driver = eventfd(0, 0), to_client = eventfd(0, 0), status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(driver_run(to_driver, to_client));
    assert_int_equal(client_run(to_client, to_driver), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(to_driver);
    close(to_client);
}

/* A driver that writes noise over its memory while its client goes on. */
static void a_driver_that_scribbles(void **state)
{
    struct back answer;
    unsigned seed = 5;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        unsigned char *bytes = back.own;
        bytes[delay_next(&seed) % BACK_SIZE] = (unsigned char)delay_next(&seed);
        if (delay_next(&seed) % 8 == 0)
            driver.own->published = client.taken + delay_next(&seed) % (2 * ENTRIES);
        int taken = queue_take(&client, &answer, sizeof(answer));
        assert_true(taken == 0 || taken == 1 || taken == -EPROTO);
        if (taken < 0)
            driver.own->published = client.taken;
    }
}

int main(void)
{
#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(entries_are_seen_when_published),
        QUEUE_TEST(only_a_sleeper_is_woken),
        QUEUE_TEST(counters_wrap),
        QUEUE_TEST(more_than_the_ring_holds_is_a_lie),
        QUEUE_TEST(runs_end_where_the_ring_does),
        QUEUE_TEST(two_processes),
        QUEUE_TEST(a_driver_that_scribbles),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
