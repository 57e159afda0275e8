/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-rng driver on the model host. Its device needs no more of a model than what a buffer
 * is filled with.
 */
#include <errno.h>
#include <string.h>

#include <host/model/virtio_model.h>

#include <test/unit/ending.h>
#include <test/unit/stream_fixture.h>

#define NAME "virtio-rng0"
enum { LIMIT = 1000, MOST = 8192 };

static struct {
    struct virtio_model virtio; /* first: the handler casts */
    uint32_t most;              /* bytes into a buffer */
    unsigned buffers;
    uint8_t next; /* they count up */
} model;

static uint32_t execute(struct virtio_model *virtio, const struct virtio_model_chain *chain)
{
    uint64_t room = virtio_model_writable(chain);
    uint32_t length = room < model.most ? (uint32_t)room : model.most;

    (void)virtio;
    if (virtio_model_readable(chain) > 0 || room == 0)
        model_violation("a buffer that is to be read, or of no length (5.4.6.1)");
    for (uint32_t i = 0; i < length; i++)
        virtio_model_put(chain, i, &model.next, 1), model.next++;
    model.buffers++;
    return length;
}

static int setup(void **state)
{
    (void)state;
    memset(&model, 0, sizeof(model));
    virtio_model_init(&model.virtio, 0x1044, 0, NULL, 0);
    model.virtio.queues = 1;
    model.virtio.execute = execute;
    model.most = UINT32_MAX;
    stream_setup(&model.virtio.device, NAME);
    return 0;
}

/* So many, each one more than that before it. */
static void expect(size_t size, uint8_t first)
{
    uint8_t bytes[MOST];
    size_t got = 0, length;
    unsigned flags;

    while (got < size) {
        assert_int_equal(
            stream_client_read(client, bytes + got, size - got, 5 * LIMIT, &length, &flags), 0);
        assert_int_equal(flags, 0);
        got += length;
    }
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], (uint8_t)(first + i));
}

static void bytes_come_in_order(void **state)
{
    (void)state;
    stream_begin();
    expect(MOST, 0);
    expect(100, (uint8_t)MOST);
}

static void short_answers(void **state)
{
    (void)state;
    model.most = 3;
    stream_begin();
    expect(1000, 0);
}

/* Nobody reads, so nothing is asked for: not without a client, and not without end with one. */
static void nothing_is_asked_for_in_vain(void **state)
{
    (void)state;
    assert_int_equal(driver.attach(device), 0);
    model_run(5 * CLOCK_SECOND);
    assert_int_equal(model.buffers, 0);
    assert_int_equal(stream_client_open(NAME, &client), 0);
    model_run(5 * CLOCK_SECOND);
    assert_in_range(model.buffers, 1, 8);
    unsigned before = model.buffers;
    model_run(5 * CLOCK_SECOND);
    assert_int_equal(model.buffers, before);
    expect(MOST, 0); /* nothing is lost */
    stream_client_close(client);
    client = NULL;
    model_run(CLOCK_SECOND);
    before = model.buffers;
    model_run(5 * CLOCK_SECOND);
    assert_int_equal(model.buffers, before);
}

static void lost_interrupts(void **state)
{
    (void)state;
    model.virtio.no_interrupts = true;
    stream_begin();
    expect(3000, 0);
}

static void a_second_client_and_writes_are_refused(void **state)
{
    struct stream_client *other;
    size_t written;

    (void)state;
    stream_begin();
    assert_int_equal(stream_client_open(NAME, &other), EBUSY);
    assert_int_equal(stream_client_write(client, "x", 1, LIMIT, &written), ENOTSUP);
    assert_int_equal(written, 0);
    expect(10, 0);
}

static void read_some(void *context)
{
    (void)context;
    stream_begin();
    expect(MOST, 0);
}

static void devices_that_break_the_rules(void **state)
{
    (void)state;
    model.virtio.fault = VIRTIO_MODEL_FAULT_LONG;
    assert_driver_ends_saying("it broke the rules of its queue", 0, read_some, NULL);
    model.virtio.fault = VIRTIO_MODEL_FAULT_HUGE_ID;
    assert_driver_ends_saying("it broke the rules of its queue", 0, read_some, NULL);
    model.virtio.fault = VIRTIO_MODEL_FAULT_NONE;
    model.most = 0;
    assert_driver_ends_saying("it answers with nothing", 0, read_some, NULL);
}

static void wants_reset(void *context)
{
    (void)context;
    stream_begin();
    virtio_model_wants_reset(&model.virtio);
    model_run(2 * CLOCK_SECOND);
}

static void vanishes(void *context)
{
    (void)context;
    stream_begin();
    model.virtio.gone = true;
    model_run(2 * CLOCK_SECOND);
}

static void devices_that_go(void **state)
{
    (void)state;
    assert_driver_ends_saying("it wants a reset, or is not there any more", 0, wants_reset, NULL);
    assert_driver_ends_saying("it wants a reset, or is not there any more", 0, vanishes, NULL);
}

static void a_stopped_driver_asks_for_nothing(void **state)
{
    (void)state;
    stream_begin();
    expect(10, 0);
    driver.detach();
    unsigned before = model.buffers;
    model_run(5 * CLOCK_SECOND);
    assert_int_equal(model.buffers, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stream_teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_in_order),
        TEST(short_answers),
        TEST(nothing_is_asked_for_in_vain),
        TEST(lost_interrupts),
        TEST(a_second_client_and_writes_are_refused),
        TEST(devices_that_break_the_rules),
        TEST(devices_that_go),
        TEST(a_stopped_driver_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
