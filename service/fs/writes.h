/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writing the device under a file system: several requests in flight, each from memory of its own.
 * Those in flight together may be done in any order, so they must not overlap; writes_wait keeps
 * those before it from those after it. Portable.
 */
#ifndef SERVICE_FS_WRITES_H
#define SERVICE_FS_WRITES_H

#include <stdint.h>

struct block_client;
struct writes;

/* 0 or an errno value. Does not own the client. */
int writes_create(struct block_client *client, struct writes **result);

/* Waits for what is in flight. */
void writes_destroy(struct writes *writes);

/* Bytes of one write at most, whole blocks of the device. */
uint32_t writes_size(const struct writes *writes);

/* Memory for the next write's data; waits until there is some. */
void *writes_room(struct writes *writes);

/* Write what was put there last to `count` blocks of the device. `done`, which may be NULL, is
 * called with 0 or an errno value before writes_wait returns. */
typedef void (*writes_done)(void *context, unsigned from, unsigned count, int error);
struct writes_told {
    writes_done done;
    void *context;
    unsigned from, count; /* as the caller likes */
};
void writes_submit(struct writes *writes, uint64_t block, uint64_t count,
                   const struct writes_told *told);

/* Whether one has failed since the last writes_wait: there is no use in going on. */
int writes_error(const struct writes *writes);

/* Until none is in flight. The first error since the last call. */
int writes_wait(struct writes *writes);

#endif
