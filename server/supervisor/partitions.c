/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A partition service per disk. What it offers has the disk's name, a p and a number.
 */
#include <stdio.h>
#include <string.h>

#include <kernel/mach_user.h>

#include <host/mach/port.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define SERVICE_QUOTA (UINT64_C(1) << 20)

/* Of the service's name; the disk's follows. */
#define PREFIX "part:"

/* A driver that offers disks without end does not get a task for each, nor, life after life, what
 * is kept of one. */
enum { DISKS_MAX = 16, SERVICES_MAX = 2 * DISKS_MAX };

static bool divides(const struct child *child, const struct child *driver)
{
    return child->source == driver && child->task.task != MACH_PORT_NULL;
}

static unsigned disks_count(const struct child *driver)
{
    unsigned count = 0;

    for (const struct child *child = child_first(); child; child = child->next)
        count += divides(child, driver);
    return count;
}

/* Both names are longer than the disk's, and a prefix of a name is another name. */
static bool names_make(const char *disk, char name[OUTBOARD_NAME_SIZE],
                       char offers[OUTBOARD_NAME_SIZE])
{
    return snprintf(name, OUTBOARD_NAME_SIZE, PREFIX "%s", disk) < OUTBOARD_NAME_SIZE &&
           snprintf(offers, OUTBOARD_NAME_SIZE, "%sp", disk) < OUTBOARD_NAME_SIZE;
}

static void service_begin(struct child *child, const struct child_offer *disk)
{
    int error = child_grant(child, "block", child_right_copy(disk->right));

    clock_timer_cancel(&child->revive); /* it may have died itself shortly before its driver did */
    supervisor_begin(child, error, SERVICE_QUOTA, disk->name);
}

/* It died, not its disk. If that is gone as well by now, the next driver's offer starts it. */
static void service_again(struct child *child)
{
    const char *name = child->name + strlen(PREFIX);
    const struct child_offer *disk = child_offer_in(child->source, name, "block");

    if (disk && disk->right != MACH_PORT_NULL)
        service_begin(child, disk);
}

/* One of a driver with more names for its disks than it can have disks: of a disk that is not
 * there.
 */
static struct child *service_of_none(const struct child *driver)
{
    struct child *idle = NULL;
    unsigned count = 0;

    for (struct child *child = child_first(); child; child = child->next) {
        if (child->source != driver)
            continue;
        count++;
        if (!idle && child->task.task == MACH_PORT_NULL)
            idle = child;
    }
    return count < SERVICES_MAX ? NULL : idle;
}

/* The service that the disk had before its driver was restarted, or a new one; null: no memory. */
static struct child *service_get(const char *name, struct child *driver)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->source == driver && strcmp(child->name, name) == 0) {
            child->restarts++;
            return child;
        }
    }
    struct child *child = service_of_none(driver);
    if (child) {
        child_end(child, CHILD_STOPPED, "its disk is gone");
        snprintf(child->name, sizeof(child->name), "%s", name);
        child->restarts = 0;
        child->restart = (struct restart){0};
        return child;
    }
    child = child_create(name, "partition", CHILD_SERVICE);
    if (child) {
        child->source = driver;
        child->class = "block";
        child->is_believed = child->paging_needs_it = true;
        child->begin = service_again;
    }
    return child;
}

void partitions_start(struct child *driver, const struct child_offer *disk)
{
    char name[OUTBOARD_NAME_SIZE], offers[OUTBOARD_NAME_SIZE];

    bool divided = driver->kind == CHILD_DRIVER || strcmp(driver->program, "integrity") == 0;
    if (!divided || strcmp(disk->class, "block") != 0)
        return;
    if (disks_count(driver) == DISKS_MAX) {
        journal_note(LOG_WARNING, "%s: not looked at for partitions: %s has more than %d disks",
                     disk->name, driver->name, DISKS_MAX);
        return;
    }
    if (!names_make(disk->name, name, offers)) {
        journal_note(LOG_WARNING, "%s: not looked at for partitions: its name is too long",
                     disk->name);
        return;
    }
    struct child *child = service_get(name, driver);
    if (!child)
        return;
    strcpy(child->offers, offers);
    service_begin(child, disk);
}

void partitions_stop(const struct child *driver, bool returns)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->source != driver ||
            (child->task.task == MACH_PORT_NULL && child->state != CHILD_RESTARTING))
            continue;
        child_end(child, returns ? CHILD_RESTARTING : CHILD_STOPPED, "its disk is gone");
    }
}

static void driver_replace(void *context)
{
    const struct child *child = context;
    struct child *driver = child->source;

    if (child->state != CHILD_RESTARTING || driver->state != CHILD_RUNNING)
        return;
    journal_note(LOG_ERROR, "%s: its task is ended: %s cannot use it (%s)", driver->name,
                 child->name, child->cause);
    child_end(driver, CHILD_DIED, "its disk cannot be used");
}

/* A driver may listen and have sessions for nobody. Another one may do better; if not, it is the
 * disk, or somebody else has all of them: one driver in a window of time. */
void partitions_given_up(struct child *child)
{
    if (!child->source || child->source->kind != CHILD_DRIVER ||
        child->restart.quick != supervisor_policy.restart.quick + 1)
        return;
    child->state = CHILD_RESTARTING;
    clock_timer_start(&child->revive, 0, driver_replace, child);
}

void partitions_hold(const struct child *driver, const struct child_offer *disk)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (divides(child, driver) && strcmp(child->name + strlen(PREFIX), disk->name) == 0)
            child_end(child, CHILD_RESTARTING, "its disk is away");
    }
}

void partitions_tidy(const struct child *driver)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->source == driver && child->state == CHILD_RESTARTING &&
            !child_offer_in(driver, child->name + strlen(PREFIX), "block"))
            child_end(child, CHILD_STOPPED, "its disk is gone");
    }
}
