/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that ends itself, for the system to reset its device and start another.
 */
#ifndef TEST_UNIT_ENDING_H
#define TEST_UNIT_ENDING_H

#include <stdint.h>

/* In a process of its own: `act` does not come to its end. */
#define assert_driver_ends(act, context) assert_driver_ends_saying("", 0, act, context)

/* The same; then the log has that line, and at least so much simulated time has gone by. */
#define assert_driver_ends_saying(line, after, act, context)                                       \
    ending_require(line, after, act, context, __FILE__, __LINE__)

void ending_require(const char *line, uint64_t after, void (*act)(void *context), void *context,
                    const char *file, int at);

#endif
