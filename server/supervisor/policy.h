/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's configuration: supervisor.conf in the boot archive. Portable.
 */
#ifndef SERVER_SUPERVISOR_POLICY_H
#define SERVER_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy {
    bool faults_stop; /* end a driver whose device was refused an access */
};

/* 0, or EBADMSG with one line in `problem`; the policy is then what it is without a configuration.
 */
int policy_parse(const char *text, size_t size, struct policy *policy, char *problem,
                 size_t problem_size);

#endif
