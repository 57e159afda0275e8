/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter's sessions, each with sessions of its own with the disks and with memory that these
 * reach. All that takes longer to make than many a client stays, so that one is kept when its
 * client has gone, for the next. Nothing of that client's is in it any more. Portable.
 */
#ifndef SERVICE_INTEGRITY_SESSIONS_H
#define SERVICE_INTEGRITY_SESSIONS_H

#include "filter.h"

enum { SESSIONS_MAX = 6 };

/* Open all disks, for the first client to come, and say what they are; later ones get no others
 * under these names. */
int sessions_begin(struct filter *filter, struct block_info info[FILTER_DISKS]);

/* The rest of that: from now on the event loop has the disks' completions delivered. */
int sessions_join(struct filter *filter);

/* For a new client. Of a mirror one disk does. EMFILE: there are SESSIONS_MAX. */
int sessions_take(struct filter *filter, struct filter_session **result);

/* Its client has gone, and nothing is under way. Not while completions are delivered. */
void sessions_give(struct filter_session *session);

/* Likewise: give back what is kept and of no use any more, as a disk of it is gone. */
void sessions_tidy(void);

/* Whether a write to these blocks that is done is kept, as its client did not flush yet, and may be
 * written again by another driver, over what was written later; or is to be written again now. With
 * `table`, which has what was written last, what is written again as it is there is none. */
bool sessions_may_repeat(uint64_t first, uint64_t count, struct table *table);

/* Whether the driver of one of the disks has died, and none has taken its place yet. */
bool sessions_lack_driver(void);

#endif
