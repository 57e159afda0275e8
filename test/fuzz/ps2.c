/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ps2 with a controller and devices that say anything (ports.h, stream_driver.h), after self-tests
 * that most of them pass.
 */
#include <test/fuzz/ports.h>

const unsigned fuzz_ports[FUZZ_RANGES] = {1, 1}, fuzz_vectors = 2;

enum { DATA, STATUS };
enum { OUTPUT_FULL = 1, INPUT_FULL = 2, FROM_MOUSE = 0x20 };
enum { ANSWERS = 64 };

/* What most answers have to be for a device to be offered. */
static const uint8_t usual[ANSWERS] = {0x55, 0x44, 0x64, 0x00, 0x00, 0xfa, 0xaa, 0xfa, 0xfa,
                                       0xab, 0x41, 0xfa, 0xfa, 0xfa, 0xfa, 0xaa, 0x00, 0xfa,
                                       0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x03};

uint8_t fuzz_port_read(unsigned range, size_t offset, uint8_t written, uint8_t input)
{
    static unsigned answers;

    (void)offset, (void)written;
    if (range == STATUS)
        return input & (OUTPUT_FULL | FROM_MOUSE);
    answers = (answers + 1) % ANSWERS;
    return input & 0x80 ? input : usual[answers];
}
