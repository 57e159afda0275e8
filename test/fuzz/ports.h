/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device whose ports read as anything. Checked: every access is of a port that was opened. Each
 * target says how many there are.
 */
#ifndef TEST_FUZZ_PORTS_H
#define TEST_FUZZ_PORTS_H

#include <test/fuzz/fuzz.h>

enum { FUZZ_RANGES = 3, FUZZ_RANGE_MOST = 8 };

/* How many ports each range has; how many interrupts there are. */
extern const unsigned fuzz_ports[FUZZ_RANGES], fuzz_vectors;

/* What a port reads as, so that some runs get further than what the input says by itself: by the
 * target, from what was written and the next byte of input. */
uint8_t fuzz_port_read(unsigned range, size_t offset, uint8_t written, uint8_t input);

#endif
