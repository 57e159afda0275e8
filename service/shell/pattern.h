/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block contents that depend on a seed and the block's number alone, so that a block which is lost,
 * old, or in the wrong place does not match. Portable.
 */
#ifndef SERVICE_SHELL_PATTERN_H
#define SERVICE_SHELL_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* `size` is a multiple of 8. */
void pattern_fill(void *block, size_t size, uint64_t number, uint64_t seed);

/* The offset of the first byte that differs, or `size` if none does. */
size_t pattern_compare(const void *block, size_t size, uint64_t number, uint64_t seed);

#endif
