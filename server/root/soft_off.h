/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one constant that powering off needs from the firmware's byte code. Portable.
 */
#ifndef SERVER_ROOT_SOFT_OFF_H
#define SERVER_ROOT_SOFT_OFF_H

#include <stddef.h>
#include <stdint.h>

/* The sleep type for soft-off from a DSDT. ENOENT, EBADMSG. */
int soft_off_type(const uint8_t *dsdt, size_t size, unsigned *type);

#endif
