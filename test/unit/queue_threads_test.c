/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The queue between two threads, under ThreadSanitizer: every access to what they share is ordered
 * by the two counters, or the sanitizer says so. (Two processes: queue_test.c.)
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/core/queue.h>
#include <test/unit/cmocka.h>

enum { ENTRIES = 16, ROUNDS = 300000, PATIENCE = 20000 };

#define SIZE (QUEUE_ENTRIES_OFFSET + ENTRIES * sizeof(uint64_t))

static struct queue client, driver;
static int to_driver[2], to_client[2];

static int take_or_sleep(struct queue *queue, uint64_t *entry, int event)
{
    struct pollfd wait = {.fd = event, .events = POLLIN};
    char byte;
    int taken;

    while ((taken = queue_take(queue, entry, sizeof(*entry))) == 0) {
        if (!queue_sleep(queue))
            continue;
        if (poll(&wait, 1, PATIENCE) != 1 || read(event, &byte, 1) != 1)
            return 0;
        queue_awake(queue);
    }
    return taken;
}

static void publish(struct queue *queue, int event)
{
    if (queue_publish(queue) && write(event, "w", 1) != 1)
        abort();
}

static void *driver_run(void *result)
{
    uint64_t entry;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        if (take_or_sleep(&driver, &entry, to_driver[0]) != 1 || entry != i)
            return result;
        queue_put(&driver, &entry, sizeof(entry));
        publish(&driver, to_client[1]);
    }
    return NULL;
}

static void two_threads(void **state)
{
    void *there = calloc(1, SIZE), *back = calloc(1, SIZE), *failed;
    uint64_t sent = 0, answer;
    pthread_t thread;

    (void)state;
    assert_int_equal(pipe(to_driver), 0);
    assert_int_equal(pipe(to_client), 0);
    queue_init(&client, there, back, ENTRIES);
    queue_init(&driver, back, there, ENTRIES);
    assert_int_equal(pthread_create(&thread, NULL, driver_run, &driver), 0);
    for (uint64_t answered = 0; answered < ROUNDS; answered++) {
        for (unsigned many = answered % ENTRIES; sent < ROUNDS && sent - answered <= many; sent++)
            queue_put(&client, &sent, sizeof(sent));
        publish(&client, to_driver[1]);
        assert_int_equal(take_or_sleep(&client, &answer, to_client[0]), 1);
        assert_true(answer == answered);
    }
    pthread_join(thread, &failed);
    assert_null(failed);
    free(there);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_threads)};

    return cmocka_run_group_tests_name("queue threads", tests, NULL, NULL);
}
