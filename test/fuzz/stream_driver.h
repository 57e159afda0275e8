/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver of the stream class with a device whose ports read as anything, and clients that submit
 * anything. Checked: every access is of a port that was opened; nothing is completed that was not
 * submitted, nothing twice, and none with more bytes than it may have. Each target says how many
 * ports there are.
 */
#ifndef TEST_FUZZ_STREAM_DRIVER_H
#define TEST_FUZZ_STREAM_DRIVER_H

#include <test/fuzz/fuzz.h>

enum { FUZZ_RANGES = 3, FUZZ_RANGE_MOST = 8 };

/* How many ports each range has; how many interrupts there are. */
extern const unsigned fuzz_ports[FUZZ_RANGES], fuzz_vectors;

/* What a port reads as, so that some runs get further than what the input says by itself: by the
 * target, from what was written and the next byte of input. */
uint8_t fuzz_port_read(unsigned range, size_t offset, uint8_t written, uint8_t input);

#endif
