/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parport with a port, and what is connected to it, that say anything (ports.h, stream_driver.h).
 */
#include <test/fuzz/ports.h>

const unsigned fuzz_ports[FUZZ_RANGES] = {8, 3}, fuzz_vectors = 1;

uint8_t fuzz_port_read(unsigned range, size_t offset, uint8_t written, uint8_t input)
{
    if (range == 0 && (offset == 0 || offset == 3)) /* it keeps what is written */
        return written;
    if (range == 1 && input & 1)
        return 0x35; /* and can do ECP */
    return input;
}
