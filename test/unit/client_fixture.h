/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client of a block driver on the model host.
 */
#ifndef TEST_UNIT_CLIENT_FIXTURE_H
#define TEST_UNIT_CLIENT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/core/block_client.h>

/* With one buffer. */
struct test_client {
    struct block_client *client;
    uint8_t *memory;
    size_t size;
    uint32_t buffer;
};
void client_open(struct test_client *client, const char *name, bool write, size_t size);
void client_close(struct test_client *client);

/* One request, waited for: its status. */
enum block_status client_request(struct test_client *client, enum block_operation operation,
                                 uint64_t block, uint32_t count, uint64_t offset);

/* Submit `count` reads of a block each without waiting, and how they ended, by status. */
enum { CLIENT_STATUSES = 8 };
extern unsigned client_ended[CLIENT_STATUSES];
void client_submit_reads(struct test_client *client, unsigned count);
void client_end(void *context, enum block_status status); /* as theirs, for others */

/* Bytes that tell where they belong. */
void client_pattern(uint8_t *memory, size_t size, uint32_t seed);

/* Write `count` blocks from the buffer's `offset`, compare with `disk`, read them back elsewhere,
 * and look whether anything around them was touched. */
void client_check_transfer(struct test_client *client, const uint8_t *disk, uint64_t block,
                           uint32_t count, uint64_t offset);

/* One request whose data is in several places of the buffer, waited for: its status. */
enum block_status client_request_parts(struct test_client *client, enum block_operation operation,
                                       uint64_t block, const struct block_client_part *parts,
                                       unsigned count);

/* As client_check_transfer, with parts of every shape, up to 1 MiB in all: so many reads and
 * writes. Blocks are of 512 bytes, the buffer has 64 KiB more than 1 MiB. */
enum { CLIENT_SCATTERINGS = 7 };
void client_check_parts(struct test_client *client, const uint8_t *disk, uint64_t block);

#endif
