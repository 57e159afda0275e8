/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRC32C (Castagnoli, as in RFC 3720 appendix B.4) of blocks.
 */
#ifndef SERVICE_INTEGRITY_CHECKSUM_H
#define SERVICE_INTEGRITY_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* One for each of `count` blocks of `block_size` bytes, a multiple of 64; `data` is aligned to 4.
 */
void checksum_blocks(const void *data, size_t block_size, unsigned count, uint32_t *sums);

/* The same of what is copied meanwhile to `to` and `also` (null: to nowhere else): each byte of
 * `from` is read once, so that it is of that whoever changes `from`. All are aligned to 4. */
void checksum_copy(const void *from, void *to, void *also, size_t block_size, unsigned count,
                   uint32_t *sums);

/* One way or the other, for who compares them (`to` null: no copy); by instruction only where there
 * is one. */
void checksum_by_table(const void *from, void *to, void *also, size_t block_size, unsigned count,
                       uint32_t *sums);
void checksum_by_instruction(const void *from, void *to, void *also, size_t block_size,
                             unsigned count, uint32_t *sums);

#endif
