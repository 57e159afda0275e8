/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk of the filter's ledger ("sums=NAME"), granted as sums, on GNU Mach.
 */
#ifndef SERVICE_INTEGRITY_KEPT_H
#define SERVICE_INTEGRITY_KEPT_H

#include "filter.h"

/* For the filter's disks, which are these; now and then what is known is written there from now on.
 * 0, or an errno value with a line in the log. */
int kept_open(struct filter *filter, const char *name, const struct block_info *info);

/* The filter ends: write all that is known, if it is kept. */
void kept_close(struct filter *filter);

#endif
