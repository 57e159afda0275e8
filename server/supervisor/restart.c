/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/restart.h>

#include <stddef.h>

#define DELAY_FIRST UINT64_C(10000000) /* the second time; then it doubles ... */
enum { DOUBLINGS_MOST = 10 };          /* ... up to 10 s: a policy may bear any number of deaths */

bool restart_decide(struct restart *restart, const struct restart_limits *limits, uint64_t now,
                    uint64_t lived, uint64_t *delay, const char **reason)
{
    if (restart->deaths == 0 || now - restart->since > RESTART_WINDOW)
        *restart = (struct restart){.since = now};
    restart->deaths++;
    restart->quick = lived < RESTART_PROBATION ? restart->quick + 1 : 0;
    *delay = 0;
    if (restart->quick > limits->quick)
        *reason = "it dies as soon as it is started";
    else if (restart->deaths > limits->deaths)
        *reason = "it dies too often";
    else
        *reason = NULL;
    if (restart->quick > 1) {
        unsigned doublings = restart->quick - 2;
        *delay = DELAY_FIRST << (doublings < DOUBLINGS_MOST ? doublings : DOUBLINGS_MOST);
    }
    return !*reason;
}
