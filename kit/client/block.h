/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client's end of a block session: asynchronous requests, and calls that wait.
 *
 * Buffers are allocated here and attached once; the device moves data to and from them directly.
 * Calls return 0 or an errno value: EINVAL, ERANGE (past the end), EROFS, EIO, ETIMEDOUT, ENODEV
 * (device or driver gone).
 *
 * A driver that dies is waited for: when it has been started again, what was in flight is submitted
 * again, after what had been written and not yet flushed, of which copies are kept; nobody notices
 * but for the time. ENODEV means that it will not come back, or that its device is another one now.
 * A request over which several drivers die is failed with EIO.
 */
#ifndef KIT_CLIENT_BLOCK_H
#define KIT_CLIENT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/block.h>

struct block_client;

/* Opens the device of that name ("nvme0n1"). ENOENT, EROFS (write wanted, device read-only). */
int block_client_open(const char *name, bool write, struct block_client **result);
void block_client_close(struct block_client *client);

const struct block_info *block_client_info(const struct block_client *client);

/* Zero-filled memory that the device can reach, at least `size` bytes, page-aligned. Freed with the
 * client. */
int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer);

/* How the driver shall learn that requests submitted from now on are done (interface/block.h): an
 * enum block_flags, or 0 for as the driver sees fit, which is so from the start. */
void block_client_flags(struct block_client *client, uint8_t flags);

/* Submit without waiting; `done` is called from block_client_wait. EAGAIN: no free slot. */
typedef void (*block_client_done)(void *context, enum block_status status);
int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context);

/* The same for a read or write whose data is in up to BLOCK_PARTS places, in this order: still one
 * request, and one command of the device. EOPNOTSUPP: there are several and the device cannot
 * (BLOCK_INFO_SCATTER in its info; BLOCK_INFO_SCATTER_PAGES bounds what it can). EINVAL: it is no
 * read or write, there are too many, or one of them cannot be. */
struct block_client_part {
    uint32_t buffer;
    uint32_t blocks; /* not 0 */
    uint64_t offset; /* into the buffer, in bytes */
};
int block_client_submit_parts(struct block_client *client, enum block_operation operation,
                              uint64_t block, const struct block_client_part *parts, unsigned count,
                              block_client_done done, void *context);

/* Deliver completions until none is in flight (`all`), or until one was delivered. ENODEV: the
 * driver is gone; every outstanding request was completed with BLOCK_STATUS_GONE. */
int block_client_wait(struct block_client *client, bool all);

/* Send what was submitted and deliver what is done by now, without waiting. ENODEV: as above. */
int block_client_poll(struct block_client *client);

/* For a server, which has others to listen to: from now on the event loop sends what was submitted
 * as soon as nothing comes that adds to it, and calls `done`. The calls that wait are not for this
 * client any more, and it is not closed in `done`. 0 or an errno value. */
int block_client_join_loop(struct block_client *client);

/* Whether the driver is, for good: nothing can be submitted any more. */
bool block_client_is_gone(const struct block_client *client);

/* What became of drivers, over this session. */
struct block_client_counts {
    unsigned recoveries; /* drivers that took the place of one that died */
    unsigned replayed;   /* requests submitted again */
    unsigned rewritten;  /* writes that were done and not flushed, written again */
    unsigned poisoned;   /* requests given up, as drivers died over them */
    unsigned rejected;   /* completions for nothing that was asked */
};
struct block_client_counts block_client_counts(const struct block_client *client);

/* Do one operation of any length and wait: split into requests of the device's longest transfer,
 * all in flight together. The first error is returned, after every part has finished. */
int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset);

/* The errno value for a status. */
int block_status_error(enum block_status status);

#endif
