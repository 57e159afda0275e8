/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading the device under a file system: what is asked for, and ahead of it what will be. Readers
 * that go through the device in ascending order, each at a place of its own, are told apart; the
 * further one goes, the more is read ahead of it, in several requests that nobody waits for. What
 * was read is kept until its memory is needed, or until it is written to. Portable.
 */
#ifndef SERVICE_FS_AHEAD_H
#define SERVICE_FS_AHEAD_H

#include <stdint.h>

struct ahead;
struct block_client;

/* 0 or an errno value. Allocates all that it will ever need; does not own the client. */
int ahead_create(struct block_client *client, struct ahead **result);

/* Waits for what is in flight. */
void ahead_destroy(struct ahead *ahead);

/* Any byte range inside the device. An error is one of these very bytes: what could not be read
 * ahead is read again when it is asked for. */
int ahead_read(struct ahead *ahead, uint64_t offset, uint64_t length, void *data);

/* These blocks of the device are about to be written: nothing that was read from there, or is being
 * read now, is given to anybody. Not to be read before that is done. */
void ahead_forget(struct ahead *ahead, uint64_t block, uint64_t count);

#endif
