/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's configuration: supervisor.conf in the boot archive. Portable.
 */
#ifndef SERVER_SUPERVISOR_POLICY_H
#define SERVER_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include <server/supervisor/restart.h>

enum { POLICY_SETTINGS_MAX = 16, POLICY_FILTERS_MAX = 4, POLICY_MUXES_MAX = 4 };

struct policy_setting {
    char program[32];
    char text[96];
};

struct policy {
    bool faults_stop; /* end a driver whose device was refused an access */
    struct restart_limits restart;
    unsigned watch;    /* milliseconds from one look at the drivers to the next */
    unsigned memory;   /* MiB that a driver may have resident */
    unsigned progress; /* milliseconds for which it may complete nothing of what it was asked */
    unsigned setting_count;
    /* "poll-from=4 gather=8": the program understands it (kit/core/setting.h) */
    struct policy_setting setting[POLICY_SETTINGS_MAX];
    unsigned filter_count;
    /* A name, and disks and options: "nvme0n1 nvme1n1 sample=8" */
    struct policy_setting filter[POLICY_FILTERS_MAX];
    unsigned mux_count;
    /* A name, and a card and options: "virtio-net0 clients=4" */
    struct policy_setting mux[POLICY_MUXES_MAX];
};

/* What is set for a program; empty: nothing. */
const char *policy_settings(const struct policy *policy, const char *program);

/* 0, or EBADMSG with one line in `problem`; the policy is then what it is without a configuration.
 */
int policy_parse(const char *text, size_t size, struct policy *policy, char *problem,
                 size_t problem_size);

#endif
