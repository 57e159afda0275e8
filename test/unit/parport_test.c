/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parport driver on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/parport_model.h>
#include <interface/parallel.h>

#include <test/unit/stream_fixture.h>

#define NAME "parport0"
#define TEXT "MFG:Outboard;MDL:Model printer, that has an id of more than one part;CLS:PRINTER;"

static struct parport_model model;

static int setup(void **state)
{
    (void)state;
    parport_model_init(&model);
    stream_setup(&model.device, NAME);
    return 0;
}

static int control(uint16_t code, uint8_t *data, size_t *size)
{
    return stream_client_control(client, code, 0, false, data, size, 5000);
}

static int value_control(uint16_t code, uint32_t value, size_t size)
{
    uint8_t data[STREAM_DATA];

    memcpy(data, &value, sizeof(value));
    return control(code, data, &size);
}

static struct parallel_status status(void)
{
    struct parallel_status result;
    uint8_t data[STREAM_DATA];
    size_t size = 0;

    assert_int_equal(control(PARALLEL_CODE_STATUS, data, &size), 0);
    assert_int_equal(size, sizeof(result));
    memcpy(&result, data, sizeof(result));
    return result;
}

static void print(const void *data, size_t size, int error, size_t expected)
{
    size_t written;

    assert_int_equal(stream_client_write(client, data, size, 200, &written), error);
    assert_int_equal(written, expected);
}

static void bytes_are_printed(void **state)
{
    uint8_t data[3000];

    (void)state;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 3);
    stream_begin();
    print(data, sizeof(data), 0, sizeof(data));
    assert_int_equal(model.printed_count, sizeof(data));
    assert_memory_equal(model.printed, data, sizeof(data));
    assert_int_equal(status().sent, sizeof(data));
    assert_int_equal(status().signals, PARALLEL_ONLINE);
}

static void nothing_is_there(void **state)
{
    (void)state;
    model.is_absent = true;
    assert_int_equal(driver.attach(device), ENODEV);
}

/* After 100 bytes it stands, and says why; what it took is told. */
static void errors_of_the_printer_are_errors(void **state)
{
    uint8_t data[300] = {0};

    (void)state;
    stream_begin();
    model.takes = 100;
    print(data, sizeof(data), ETIMEDOUT, 100); /* only busy */
    model.no_paper = true;
    print(data, sizeof(data), ENOMEDIUM, 0);
    assert_int_equal(status().signals, PARALLEL_ONLINE | PARALLEL_NO_PAPER | PARALLEL_BUSY);
    model.no_paper = false;
    model.offline = true;
    print(data, sizeof(data), ENXIO, 0);
    model.offline = false;
    model.error = true;
    print(data, sizeof(data), EIO, 0);
    model.error = false;
    model.takes = 0;
    print(data, sizeof(data), 0, sizeof(data));
    assert_int_equal(model.printed_count, 100 + sizeof(data));
}

static void a_busy_printer_is_waited_for(void **state)
{
    (void)state;
    stream_begin();
    model.busy = true;
    print("later", 5, ETIMEDOUT, 0);
    assert_int_equal(model.printed_count, 0);
    model.busy = false;
    print("now", 3, 0, 3);
    assert_memory_equal(model.printed, "now", 3);
}

static size_t id_read(char *id, size_t room, int *error)
{
    size_t length = 0;

    for (;;) {
        uint8_t data[STREAM_DATA];
        size_t size = sizeof(uint32_t);
        memcpy(data, &(uint32_t){(uint32_t)length}, size);
        *error = control(PARALLEL_CODE_ID, data, &size);
        if (*error != 0 || size == 0 || size > room - length)
            return length;
        memcpy(id + length, data, size);
        length += size;
    }
}

static void the_device_id_is_read(void **state)
{
    char id[512];
    int error;

    (void)state;
    stream_begin();
    assert_int_equal(id_read(id, sizeof(id), &error), 0);
    assert_int_equal(error, ENOTSUP);
    model.id = TEXT;
    model.id_size = strlen(TEXT);
    assert_int_equal(id_read(id, sizeof(id), &error), strlen(TEXT));
    assert_int_equal(error, 0);
    assert_memory_equal(id, TEXT, strlen(TEXT));
    print("and on", 6, 0, 6);
    assert_memory_equal(model.printed, "and on", 6);
}

static void an_id_that_stops_is_an_error(void **state)
{
    char id[512];
    int error;

    (void)state;
    stream_begin();
    model.id = TEXT;
    model.id_size = strlen(TEXT);
    model.id_stops_at = 20;
    assert_int_equal(id_read(id, sizeof(id), &error), 0);
    assert_int_equal(error, EIO);
    print("and on", 6, 0, 6);
}

static void epp_is_found_and_used(void **state)
{
    uint8_t data[STREAM_DATA] = {5};
    size_t size = 1;

    (void)state;
    model.has_epp = model.has_ecp = model.epp_answers = true;
    stream_begin();
    assert_int_equal(status().chip, PARALLEL_CHIP_ECP);
    assert_int_equal(value_control(PARALLEL_CODE_MODE, PARALLEL_EPP, 4), 0);
    assert_int_equal(value_control(PARALLEL_CODE_EPP_ADDRESS, 0x42, 1), 0);
    assert_int_equal(model.epp_address, 0x42);
    print("by EPP", 6, 0, 6);
    assert_int_equal(model.epp_count, 6);
    assert_int_equal(control(PARALLEL_CODE_EPP_READ, data, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "\0\1\2\3\4", 5);
    model.epp_answers = false;
    print("nobody", 6, ENXIO, 0);
    assert_int_equal(value_control(PARALLEL_CODE_EPP_READ, 3, 1), ENXIO);
    assert_int_equal(model.printed_count, 0);
}

static void a_port_without_epp_says_so(void **state)
{
    (void)state;
    stream_begin();
    assert_int_equal(status().chip, PARALLEL_CHIP_SPP);
    assert_int_equal(value_control(PARALLEL_CODE_MODE, PARALLEL_EPP, 4), ENOTSUP);
    assert_int_equal(value_control(PARALLEL_CODE_MODE, 7, 4), EINVAL);
    assert_int_equal(value_control(PARALLEL_CODE_EPP_READ, 3, 1), ENOTSUP);
    assert_int_equal(value_control(PARALLEL_CODE_RESET, 0, 0), 0);
    assert_int_equal(model.resets, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stream_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_printed),
        TEST(nothing_is_there),
        TEST(errors_of_the_printer_are_errors),
        TEST(a_busy_printer_is_waited_for),
        TEST(the_device_id_is_read),
        TEST(an_id_that_stops_is_an_error),
        TEST(epp_is_found_and_used),
        TEST(a_port_without_epp_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
