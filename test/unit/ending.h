/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that ends itself, for the system to reset its device and start another.
 */
#ifndef TEST_UNIT_ENDING_H
#define TEST_UNIT_ENDING_H

#include <stdint.h>

/* In a process of its own: `act` does not come to its end. */
void assert_driver_ends(void (*act)(void *context), void *context);

/* The same; then the log has that line, and at least so much simulated time has gone by. */
void assert_driver_ends_saying(const char *line, uint64_t after, void (*act)(void *context),
                               void *context);

#endif
