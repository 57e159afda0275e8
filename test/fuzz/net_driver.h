/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network driver with a device that puts anything into its registers and into the memory that it
 * may write, and a client that submits anything. Checked: every access stays inside what was
 * opened, nothing is completed that was not submitted, nothing twice, none with more bytes than its
 * buffer has, and nothing after the session has ended.
 */
#ifndef TEST_FUZZ_NET_DRIVER_H
#define TEST_FUZZ_NET_DRIVER_H

#include <test/fuzz/window.h>

/* By the target, beside the window's: a device as it should be; something that one does, good or
 * bad. */
void fuzz_device_make(struct fuzz_input *input);
void fuzz_device_act(struct fuzz_input *input);

#endif
