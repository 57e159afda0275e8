/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the filter's files: a request's steps. A step sends at most one request to each disk;
 * when they are done the next one begins.
 */
#ifndef SERVICE_INTEGRITY_WORK_H
#define SERVICE_INTEGRITY_WORK_H

#include "filter.h"

/* step_begin, any legs, step_end, after which the work may be over. */
void step_begin(struct filter_work *work, void (*next)(struct filter_work *work));
void step_leg(struct filter_work *work, unsigned disk, enum block_operation operation,
              uint32_t buffer, uint64_t offset);
void step_end(struct filter_work *work);

/* The same with the request's place in the disk's memory. */
void step_leg_data(struct filter_work *work, unsigned disk, enum block_operation operation);

/* That place: what is there is the device's to change. */
unsigned char *work_memory(const struct filter_work *work, unsigned disk);

/* Have none of it look as if it had been read, nor like another disk's, `from`, that was spoilt
 * before; alone: `from` is the same. */
void work_spoil(const struct filter_work *work, unsigned disk, unsigned from);

/* Go on with `then` in filter_turn, after the drivers of `accused` were replaced. False: it was
 * repeated often enough. */
bool work_repeat(struct filter_work *work, void (*then)(struct filter_work *work));
void work_finish(struct filter_work *work, enum block_status status);

/* The checksums of the request's blocks as a disk's memory has them, until the next call of these
 * three; of what is copied to the client's memory from there; and from it to all disks'. */
const uint32_t *work_sums(const struct filter_work *work, unsigned disk);
const uint32_t *work_deliver(const struct filter_work *work, unsigned disk);
const uint32_t *work_fetch(const struct filter_work *work);
/* Whether none of them contradicts what is known, and the first one that does in the log. */
bool work_compare(const struct filter_work *work, unsigned disk, const uint32_t *sums);

bool disk_is_there(const struct filter *filter, unsigned disk);
/* The disks that are, and how many. */
unsigned disks_there(const struct filter *filter);
/* Go on without a disk, unless it is the last. */
void disk_drop(struct filter *filter, unsigned disk, const char *why);

/* Where one disk could not do what the other could, its driver may be to blame: as work_repeat.
 * False: there is no such thing, or it was repeated often enough. */
bool legs_repeat(struct filter_work *work, void (*then)(struct filter_work *work));

/* How the legs of a step ended. Disks that failed where another did not are dropped. OK if any did
 * what it should. */
enum block_status legs_judge(struct filter_work *work, const char *what);

/* filter.c and mirror.c */
void read_begin(struct filter_work *work);
void mirror_read_both(struct filter_work *work);
void mirror_settle(struct filter_work *work);

#endif
