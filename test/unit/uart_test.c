/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The uart driver, the stream class and its client on the model host.
 */
#include <errno.h>
#include <string.h>

#include <driver/uart/registers.h>
#include <host/model/uart_model.h>
#include <interface/serial.h>

#include <test/unit/stream_fixture.h>

#define NAME "uart0"
enum { LIMIT = 1000 };

static struct uart_model model;

static int setup(void **state)
{
    (void)state;
    uart_model_init(&model);
    stream_setup(&model.device, NAME);
    return 0;
}

static int control(uint16_t code, void *data, size_t size, size_t *replied)
{
    uint8_t bytes[STREAM_DATA];

    memcpy(bytes, data, size);
    int error = stream_client_control(client, code, 0, false, bytes, &size, 5 * LIMIT);
    if (error == 0) {
        memcpy(data, bytes, size);
        *replied = size;
    }
    return error;
}

static int set(uint32_t speed, uint8_t data_bits, uint8_t stop_bits, uint8_t parity, uint8_t flow)
{
    struct serial_settings settings = {speed, data_bits, stop_bits, parity, flow};
    size_t size;

    return control(SERIAL_CODE_SET, &settings, sizeof(settings), &size);
}

static struct serial_status status(void)
{
    struct serial_status result = {0};
    size_t size;

    assert_int_equal(control(SERIAL_CODE_STATUS, &result, 0, &size), 0);
    assert_int_equal(size, sizeof(result));
    return result;
}

static void send(const void *data, size_t size)
{
    size_t written;

    assert_int_equal(stream_client_write(client, data, size, 10 * LIMIT, &written), 0);
    assert_int_equal(written, size);
    size = 0;
    assert_int_equal(control(STREAM_CODE_DRAIN, &(uint8_t){0}, 0, &size), 0);
}

static void expect(const void *data, size_t size, unsigned flags)
{
    uint8_t bytes[UART_MODEL_LINE];
    size_t got = 0, length;
    unsigned seen = 0;

    while (got < size) {
        assert_int_equal(stream_client_read(client, bytes + got, size - got, LIMIT, &length, &seen),
                         0);
        got += length;
    }
    assert_memory_equal(bytes, data, size);
    assert_int_equal(seen, flags);
}

static void chips_are_told_apart(void **state)
{
    (void)state;
    stream_begin();
    assert_int_equal(status().chip, SERIAL_16550A);
    assert_int_equal(status().fifo, 16);
    stream_teardown(state);
    for (unsigned kind = SERIAL_8250; kind < SERIAL_16550A; kind++) {
        setup(state);
        model.has_scratch = kind != SERIAL_8250;
        model.has_fifo = model.fifo_is_broken = kind == SERIAL_16550;
        stream_begin();
        assert_int_equal(status().chip, kind);
        assert_int_equal(status().fifo, 1);
        send("a few bytes", 11);
        assert_memory_equal(model.got, "a few bytes", 11);
        if (kind + 1 < SERIAL_16550A)
            stream_teardown(state);
    }
}

static void what_is_no_uart_is_refused(void **state)
{
    (void)state;
    model.is_absent = true;
    assert_int_equal(driver.attach(device), ENODEV);
}

static void bytes_go_out_and_come_in(void **state)
{
    uint8_t data[2000];

    (void)state;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    stream_begin();
    send(data, sizeof(data));
    assert_int_equal(model.got_count, sizeof(data));
    assert_memory_equal(model.got, data, sizeof(data));
    uart_model_send(&model, data, sizeof(data), 0);
    expect(data, sizeof(data), 0);
    struct serial_status s = status();
    assert_int_equal(s.sent, sizeof(data));
    assert_int_equal(s.received, sizeof(data));
    assert_true(s.interrupts > 0);
}

static void a_port_without_interrupts_is_polled(void **state)
{
    (void)state;
    model.device.identity.vectors = 0;
    stream_begin();
    send("there", 5);
    uart_model_send(&model, "and back", 8, 0);
    expect("and back", 8, 0);
    assert_int_equal(status().interrupts, 0);
}

static void a_line_that_is_another_is_noticed(void **state)
{
    (void)state;
    model.holds_interrupts = true;
    stream_begin();
    for (unsigned i = 0; i < 5; i++) {
        uart_model_send(&model, "x", 1, 0);
        expect("x", 1, 0);
    }
    assert_true(model_log_has("no interrupts come"));
    send("still", 5);
}

static void settings_reach_the_chip(void **state)
{
    static const struct {
        uint32_t speed;
        uint16_t divisor;
    } speeds[] = {{115200, 1}, {57600, 2}, {9600, 12}, {134, 860}, {50, 2304}, {2, 57600}};

    (void)state;
    stream_begin();
    for (unsigned i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        assert_int_equal(set(speeds[i].speed, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), 0);
        assert_int_equal(model.divisor, speeds[i].divisor);
    }
    assert_int_equal(set(9600, 7, 2, SERIAL_PARITY_EVEN, SERIAL_FLOW_NONE), 0);
    assert_int_equal(model.lcr, 0x1e);
    assert_int_equal(set(9600, 5, 1, SERIAL_PARITY_MARK, SERIAL_FLOW_NONE), 0);
    assert_int_equal(model.lcr, 0x28);
    assert_int_equal(set(100000, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(230400, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(0, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(1, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(9600, 9, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(9600, 8, 3, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(9600, 8, 1, 5, SERIAL_FLOW_NONE), EINVAL);
    assert_int_equal(set(9600, 8, 1, SERIAL_PARITY_NONE, 3), EINVAL);
    assert_int_equal(model.lcr, 0x28);
}

static void errors_come_with_their_byte(void **state)
{
    (void)state;
    stream_begin();
    uart_model_send(&model, "ab", 2, UART_LSR_PARITY);
    expect("ab", 2, STREAM_PARITY);
    uart_model_send(&model, "c", 1, UART_LSR_FRAMING);
    expect("c", 1, STREAM_FRAMING);
    uart_model_send(&model, "\0", 1, UART_LSR_BREAK | UART_LSR_FRAMING);
    expect("\0", 1, STREAM_BREAK);
    uart_model_send(&model, "d", 1, UART_LSR_OVERRUN);
    expect("d", 1, STREAM_OVERRUN);
    struct serial_status s = status();
    assert_int_equal(s.parity_errors + s.framing_errors + s.breaks + s.overruns, 4);
}

static void a_break_is_held(void **state)
{
    struct serial_break length = {50};
    size_t size;

    (void)state;
    stream_begin();
    uint64_t start = model_time();
    assert_int_equal(control(SERIAL_CODE_BREAK, &length, sizeof(length), &size), 0);
    assert_true(model_time() - start >= 50 * CLOCK_MILLISECOND);
    assert_int_equal(model.breaks, 1);
    assert_int_equal(model.lcr & UART_LCR_BREAK, 0);
    length.milliseconds = 0;
    assert_int_equal(control(SERIAL_CODE_BREAK, &length, sizeof(length), &size), EINVAL);
    assert_int_equal(control(SERIAL_CODE_BREAK, &length, 2, &size), EINVAL);
    assert_int_equal(control(99, &length, 0, &size), ENOTSUP);
}

/* The chip never says that all is out: neither is waited for without end. */
static void a_chip_that_does_not_drain(void **state)
{
    static const uint16_t codes[] = {STREAM_CODE_DRAIN, SERIAL_CODE_BREAK};

    (void)state;
    stream_begin();
    model.to_send_count = 1;
    model.next_sent = UINT64_MAX;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t length[STREAM_DATA] = {50};
        size_t size = i * sizeof(struct serial_break);
        assert_int_equal(
            stream_client_control(client, codes[i], 0, false, length, &size, 9 * LIMIT), EIO);
    }
    assert_int_equal(model.breaks, 0);
}

static void cts_holds_back_what_is_sent(void **state)
{
    size_t written;

    (void)state;
    stream_begin();
    assert_int_equal(set(115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_RTS_CTS), 0);
    uart_model_cts(&model, false);
    assert_int_equal(stream_client_write(client, "not yet", 7, 100, &written), ETIMEDOUT);
    assert_int_equal(written, 0);
    assert_int_equal(model.got_count, 0);
    assert_int_equal(status().send_held, 1);
    uart_model_cts(&model, true);
    send("now", 3);
    assert_int_equal(model.got_count, 3);
    assert_memory_equal(model.got, "now", 3);
}

static void xoff_holds_back_what_is_sent(void **state)
{
    size_t written;

    (void)state;
    stream_begin();
    assert_int_equal(set(115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_XON_XOFF), 0);
    uart_model_send(&model, "\x13", 1, 0);
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(stream_client_write(client, "not yet", 7, 100, &written), ETIMEDOUT);
    uart_model_send(&model, "\x11", 1, 0);
    send("now", 3);
    assert_memory_equal(model.got, "\x11now", 4);
}

/* A driver before this one may have told it to stop. */
static void who_may_be_stopped_is_told_to_go_on(void **state)
{
    (void)state;
    stream_begin();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(set(115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_XON_XOFF), 0);
        model_run(CLOCK_SECOND);
        assert_int_equal(model.got_count, 1);
        assert_int_equal(model.got[0], 0x11);
    }
}

static void who_sends_is_stopped_before_anything_is_lost(void **state)
{
    static uint8_t data[UART_MODEL_LINE];

    (void)state;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i % 251);
    model.heeds_rts = true;
    stream_begin();
    assert_int_equal(set(115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_RTS_CTS), 0);
    uart_model_send(&model, data, sizeof(data), 0);
    model_run(2 * CLOCK_SECOND);
    assert_int_equal(model.mcr & UART_MCR_RTS, 0);
    assert_true(model.coming_taken < sizeof(data));
    expect(data, sizeof(data), 0);
    assert_int_equal(status().overruns, 0);
}

/* XOFF when there is no more room: the line was told XON when that was chosen, and XOFF since. */
static void other_end_stop(unsigned speed)
{
    static const uint8_t data[UART_MODEL_LINE - 1];

    stream_begin();
    assert_int_equal(set(speed, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_XON_XOFF), 0);
    uart_model_send(&model, data, sizeof(data), 0);
    model_run(2 * CLOCK_SECOND);
    assert_int_equal(model.got_count, 2);
    assert_int_equal(model.got[1], 0x13);
}

/* XON for somebody: not when the client leaves. */
static void who_was_stopped_goes_on_for_the_next_client(void **state)
{
    (void)state;
    other_end_stop(115200);
    stream_client_close(client);
    client = NULL;
    model_run(CLOCK_SECOND);
    assert_int_equal(model.got_count, 2);
    assert_int_equal(stream_client_open(NAME, &client), 0);
    model_run(CLOCK_SECOND);
    assert_int_equal(model.got_count, 3);
    assert_int_equal(model.got[2], 0x11);
}

/* The line is slow, and the client leaves before XON has its turn. */
static void who_was_stopped_goes_on_although_its_client_left(void **state)
{
    static uint8_t data[UART_MODEL_LINE - 1];
    size_t written, length;
    unsigned flags;

    (void)state;
    other_end_stop(50);
    assert_int_equal(stream_client_write(client, data, 16, LIMIT, &written), 0);
    while (stream_client_read(client, data, sizeof(data), 10, &length, &flags) == 0)
        ;
    assert_in_range(model.got_count, 2, 17);
    stream_client_close(client);
    assert_int_equal(stream_client_open(NAME, &client), 0);
    model_run(5 * CLOCK_SECOND);
    assert_int_equal(model.got_count, 19);
    assert_int_equal(model.got[18], 0x11);
}

/* Nor does it stay stopped in a way that nobody is about to take back. */
static void who_was_stopped_goes_on_with_other_settings(void **state)
{
    (void)state;
    other_end_stop(115200);
    assert_int_equal(set(115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE), 0);
    model_run(CLOCK_SECOND);
    assert_int_equal(model.got_count, 3);
    assert_int_equal(model.got[2], 0x11);
}

static void what_nobody_reads_is_said_to_be_missing(void **state)
{
    static uint8_t data[UART_MODEL_LINE - 1];
    uint8_t bytes[256];
    size_t length, got = 0;
    unsigned flags = 0, lost = 0;

    (void)state;
    stream_begin();
    uart_model_send(&model, data, sizeof(data), 0);
    model_run(2 * CLOCK_SECOND);
    while (stream_client_read(client, bytes, sizeof(bytes), 50, &length, &flags) == 0)
        got += length;
    assert_true(got < sizeof(data));
    uart_model_send(&model, "e", 1, 0);
    assert_int_equal(stream_client_read(client, bytes, 1, LIMIT, &length, &flags), 0);
    lost = flags & STREAM_OVERRUN;
    assert_int_equal(lost, STREAM_OVERRUN);
}

static void only_one_client_has_it(void **state)
{
    struct stream_client *second;

    (void)state;
    stream_begin();
    assert_int_equal(stream_client_open(NAME, &second), EBUSY);
    assert_int_equal(model.mcr & UART_MCR_DTR, UART_MCR_DTR);
    stream_client_close(client);
    assert_int_equal(model.mcr & UART_MCR_DTR, 0);
    assert_int_equal(stream_client_open(NAME, &client), 0);
    send("again", 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stream_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chips_are_told_apart),
        TEST(what_is_no_uart_is_refused),
        TEST(bytes_go_out_and_come_in),
        TEST(a_port_without_interrupts_is_polled),
        TEST(a_line_that_is_another_is_noticed),
        TEST(settings_reach_the_chip),
        TEST(errors_come_with_their_byte),
        TEST(a_break_is_held),
        TEST(a_chip_that_does_not_drain),
        TEST(cts_holds_back_what_is_sent),
        TEST(xoff_holds_back_what_is_sent),
        TEST(who_sends_is_stopped_before_anything_is_lost),
        TEST(who_may_be_stopped_is_told_to_go_on),
        TEST(who_was_stopped_goes_on_for_the_next_client),
        TEST(who_was_stopped_goes_on_although_its_client_left),
        TEST(who_was_stopped_goes_on_with_other_settings),
        TEST(what_nobody_reads_is_said_to_be_missing),
        TEST(only_one_client_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
