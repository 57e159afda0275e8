/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An integrity filter for each device that the configuration names, as soon as its disks are
 * offered. It goes on when their drivers are restarted.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/setting.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define SERVICE_QUOTA (UINT64_C(96) << 20) /* 10 MiB for each session with a mirror, and some */

#define FILTER_STOP_LIMIT (10 * CLOCK_SECOND) /* it writes what it knows, if that is kept */

enum { DISKS_MAX = 2 };

struct disks {
    char name[DISKS_MAX + 1][OUTBOARD_NAME_SIZE]; /* the last is for checksums, if they are kept */
    const char *grant[DISKS_MAX + 1];
    unsigned count;
};

static void disks_parse(const char *text, struct disks *disks)
{
    static const char *const grants[DISKS_MAX] = {"disk0", "disk1"};

    disks->count = 0;
    while (disks->count < DISKS_MAX &&
           setting_word(text, disks->count, disks->name[disks->count], OUTBOARD_NAME_SIZE)) {
        disks->grant[disks->count] = grants[disks->count];
        disks->count++;
    }
    if (setting_text(text, "sums", disks->name[disks->count], OUTBOARD_NAME_SIZE))
        disks->grant[disks->count++] = "sums";
}

/* A disk, or a part of it. */
static bool is_part_of(const char *device, const char *disk)
{
    size_t length = strlen(disk);

    return strncmp(device, disk, length) == 0 && (device[length] == '\0' || device[length] == 'p');
}

static bool overlap(const char *one, const char *other)
{
    return is_part_of(one, other) || is_part_of(other, one);
}

/* Of the same disks: one and another one. */
static bool any_overlap(const struct disks *disks, const struct disks *others)
{
    for (unsigned i = 0; i < disks->count; i++) {
        for (unsigned j = 0; j < (others == disks ? i : others->count); j++) {
            if (overlap(disks->name[i], others->name[j]))
                return true;
        }
    }
    return false;
}

/* What is checked and what is kept of it, or two filters, would write over each other. Of two the
 * first in the configuration has the disk, also if it is not there: it may come. */
static bool is_clear(unsigned filter, const struct disks *disks)
{
    const struct policy_setting *settings = supervisor_policy.filter;
    struct disks others;

    if (any_overlap(disks, disks))
        return false;
    for (unsigned i = 0; i < filter; i++) {
        disks_parse(settings[i].text, &others);
        if (any_overlap(disks, &others)) {
            journal_note(LOG_ERROR, "%s: has a disk, or a part of one, that %s has",
                         settings[filter].program, settings[i].program);
            return false;
        }
    }
    return true;
}

static bool is_offered(const char *name)
{
    const struct child_offer *offer = child_offer_find(name, "block");

    return offer && offer->right != MACH_PORT_NULL;
}

static void filter_start(unsigned filter, const struct disks *disks)
{
    const struct policy_setting *setting = &supervisor_policy.filter[filter];
    struct child *child = child_create(setting->program, "integrity", CHILD_SERVICE);
    int error = is_clear(filter, disks) ? 0 : EINVAL;

    if (!child)
        return;
    child->class = "block";
    child->is_believed = child->paging_needs_it = true;
    for (unsigned i = 0; i < disks->count && error == 0; i++)
        error = child_grant_device(child, disks->grant[i], disks->name[i]);
    supervisor_begin(child, error, SERVICE_QUOTA, setting->text);
}

void integrity_look(void)
{
    for (unsigned i = 0; i < supervisor_policy.filter_count; i++) {
        const struct policy_setting *filter = &supervisor_policy.filter[i];
        struct disks disks;
        unsigned offered = 0;
        if (child_lookup(filter->program))
            continue;
        disks_parse(filter->text, &disks);
        while (offered < disks.count && is_offered(disks.name[offered]))
            offered++;
        if (offered == disks.count)
            filter_start(i, &disks);
    }
}

void integrity_report_missing(void)
{
    for (unsigned i = 0; i < supervisor_policy.filter_count; i++) {
        if (!child_lookup(supervisor_policy.filter[i].program))
            journal_note(LOG_WARNING, "%s: not there, as not all of its disks are: %s",
                         supervisor_policy.filter[i].program, supervisor_policy.filter[i].text);
    }
}

static bool has_part_of(const struct policy_setting *filter, const char *device)
{
    struct disks disks;

    disks_parse(filter->text, &disks);
    for (unsigned i = 0; i < disks.count; i++) {
        if (overlap(device, disks.name[i]))
            return true;
    }
    return false;
}

bool integrity_holds(const char *device)
{
    for (unsigned i = 0; i < supervisor_policy.filter_count; i++) {
        const struct child *child = child_lookup(supervisor_policy.filter[i].program);
        if (child && child->task.task != MACH_PORT_NULL &&
            has_part_of(&supervisor_policy.filter[i], device))
            return true;
    }
    return false;
}

/* Last started, first stopped: one may have another's device as its disk. */
void integrity_stop(void)
{
    struct child *last;

    do {
        last = NULL;
        for (struct child *child = child_first(); child; child = child->next) {
            if (child->task.task != MACH_PORT_NULL && strcmp(child->program, "integrity") == 0)
                last = child;
        }
        if (last)
            child_stop(last, FILTER_STOP_LIMIT);
    } while (last);
}
