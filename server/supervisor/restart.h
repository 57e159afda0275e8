/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether and when a driver that died is started again: at once, unless it died soon after its
 * start; then ever later; and not at all if that goes on. Limits are for a window of time, so that
 * a driver which dies once a day is restarted for ever. Portable.
 */
#ifndef SERVER_SUPERVISOR_RESTART_H
#define SERVER_SUPERVISOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define RESTART_WINDOW    UINT64_C(60000000000) /* nanoseconds */
#define RESTART_PROBATION UINT64_C(20000000)    /* who lives longer did not fail at once */

/* How many deaths in a window are borne; another one, and it is given up. */
struct restart_limits {
    unsigned quick;  /* in a row, each within the probation */
    unsigned deaths; /* all of them */
};
#define RESTART_LIMITS_DEFAULT ((struct restart_limits){.quick = 8, .deaths = 1500})

struct restart {
    uint64_t since;  /* the window's begin */
    unsigned quick;  /* in it: deaths in a row within the probation */
    unsigned deaths; /* all of them */
};

/* It died at `now`, having been ready for `lived` nanoseconds (0: it never was). True: start it
 * again after `*delay` nanoseconds. False: it is given up; `*reason` says why. */
bool restart_decide(struct restart *restart, const struct restart_limits *limits, uint64_t now,
                    uint64_t lived, uint64_t *delay, const char **reason);

#endif
