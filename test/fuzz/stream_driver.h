/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver of the stream class with a device that says anything, and clients that submit anything.
 * Checked: nothing is completed that was not submitted, nothing twice, and none with more bytes
 * than it may have.
 */
#ifndef TEST_FUZZ_STREAM_DRIVER_H
#define TEST_FUZZ_STREAM_DRIVER_H

#include <test/fuzz/machine.h>

/* By the target, or ports.c: a new run of the machine, with the device; something that one does. */
void fuzz_device_make(struct fuzz_input *input);
void fuzz_device_act(struct fuzz_input *input);

#endif
