/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell's ping: frames as RFC 826, 791 and 792 have them.
 */
#include <string.h>

#include <service/shell/packet.h>

#include <test/unit/cmocka.h>

static const struct packet_host self = {{0x52, 0x54, 0, 1, 2, 3}, 0x0a00020f};
static const struct packet_host other = {{0x52, 0x55, 9, 8, 7, 6}, 0x0a000202};

static void addresses(void **state)
{
    static const char *const bad[] = {"",        "10.0.2",   "10.0.2.256", "10.0.2.1.", "10.0.2.1 ",
                                      "10..2.1", "-1.0.0.1", "a.b.c.d",    "10.0.2.0x1"};
    uint32_t address;
    uint8_t hardware[6];

    (void)state;
    assert_true(packet_address_parse("10.0.2.15", &address));
    assert_int_equal(address, 0x0a00020f);
    assert_true(packet_address_parse("255.255.255.255", &address));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(packet_address_parse(bad[i], &address));
    assert_true(packet_hardware_parse("52:54:0:1:2:3", hardware));
    assert_memory_equal(hardware, self.hardware, 6);
    assert_false(packet_hardware_parse("52:54:00:01:02", hardware));
    assert_false(packet_hardware_parse("52:54:00:01:02:103", hardware));
    assert_false(packet_hardware_parse("52:54:00:01:02:03:04", hardware));
}

/* Laid out by hand. */
static void arp(void **state)
{
    static const uint8_t request[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2,  3, 8, 6, 0, 1, 8, 0,  6, 4, 0,
        1,    0x52, 0x54, 0,    1,    2,    3,    10,   0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2};
    uint8_t frame[60], reply[60], hardware[6];

    (void)state;
    assert_int_equal(packet_arp_request(frame, &self, other.address), 60);
    assert_memory_equal(frame, request, sizeof(request));
    assert_int_equal(packet_answer(frame, 60, &self, reply, 60), 0); /* we are not wanted */
    assert_int_equal(packet_answer(frame, 60, &other, reply, 59), 0);
    assert_int_equal(packet_answer(frame, 41, &other, reply, 60), 0);
    assert_int_equal(packet_answer(frame, 60, &other, reply, 60), 60);
    assert_memory_equal(reply, self.hardware, 6);
    assert_true(packet_is_arp_reply(reply, 60, &self, other.address, hardware));
    assert_memory_equal(hardware, other.hardware, 6);
    assert_false(packet_is_arp_reply(reply, 60, &self, other.address + 1, hardware));
    assert_false(packet_is_arp_reply(reply, 41, &self, other.address, hardware));
    reply[22] |= 1; /* nobody is a group */
    assert_false(packet_is_arp_reply(reply, 60, &self, other.address, hardware));
}

static void echo(void **state)
{
    uint8_t frame[1514], reply[1514];

    (void)state;
    for (size_t size = 0; size <= 1472; size += 23) {
        size_t length = packet_echo_request(frame, &self, &other, 7, 9, size);
        assert_int_equal(length, size < 18 ? 60 : 42 + size);
        assert_int_equal(packet_answer(frame, length, &other, reply, sizeof(reply)), length);
        assert_true(packet_is_echo_reply(reply, length, &self, other.address, 7, 9, size));
        assert_false(packet_is_echo_reply(reply, length, &self, other.address, 7, 10, size));
        assert_false(packet_is_echo_reply(reply, length, &self, other.address, 8, 9, size));
        assert_false(packet_is_echo_reply(reply, length, &self, other.address, 7, 9, size + 1));
        assert_int_equal(packet_answer(frame, length, &self, reply, sizeof(reply)), 0);
    }
    assert_int_equal(packet_echo_request(frame, &self, &other, 7, 9, 100), 142);
    assert_int_equal(packet_answer(frame, 142, &other, reply, 141), 0); /* no room */
}

/* Each of these bytes makes it another frame, or a damaged one. */
static void damaged_echoes_are_not_answered(void **state)
{
    uint8_t frame[1514], reply[1514];
    size_t length = packet_echo_request(frame, &self, &other, 7, 9, 100);

    (void)state;
    for (size_t at = 12; at < length; at++) {
        frame[at] ^= 0x20;
        assert_int_equal(packet_answer(frame, length, &other, reply, sizeof(reply)), 0);
        frame[at] ^= 0x20;
    }
    for (size_t less = 1; less < length; less++)
        assert_int_equal(packet_answer(frame, length - less, &other, reply, sizeof(reply)), 0);
    frame[6] |= 1; /* from a group */
    assert_int_equal(packet_answer(frame, length, &other, reply, sizeof(reply)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(arp),
        cmocka_unit_test(echo),
        cmocka_unit_test(damaged_echoes_are_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
