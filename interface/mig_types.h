/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * C types for the generated stubs.
 */
#ifndef INTERFACE_MIG_TYPES_H
#define INTERFACE_MIG_TYPES_H

#include <mach/std_types.h>

/* MIG lays these out inside its messages, and passes const_X to who may only read. */
typedef char name_t[64];
typedef char line_t[256];
typedef char path_t[1024];
typedef const char *const_name_t;
typedef const char *const_line_t;
typedef const char *const_path_t;

typedef char *record_t;
typedef char *records_t;

#endif
