/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What dir_readdir gives: entries one after the other, each with its name behind it, which ends
 * with a zero and is padded to a multiple of 8 (struct dirent of the C library on the Hurd, of 64
 * bits).
 */
#ifndef INTERFACE_HURD_DIRECTORY_ENTRY_H
#define INTERFACE_HURD_DIRECTORY_ENTRY_H

#include <assert.h>
#include <stdint.h>

#pragma pack(push, 4)
struct hurd_directory_entry {
    uint64_t number; /* of the node; not 0 */
    uint16_t size;   /* of entry, name and padding */
    uint8_t type;    /* enum hurd_entry_type */
    uint8_t name_length;
};
#pragma pack(pop)
static_assert(sizeof(struct hurd_directory_entry) == 12, "wire layout");

enum hurd_entry_type { HURD_ENTRY_DIRECTORY = 4, HURD_ENTRY_FILE = 8 }; /* DT_DIR, DT_REG */

#endif
