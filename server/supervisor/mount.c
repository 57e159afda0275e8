/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file system service per mounted device.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define SERVICE_QUOTA    (UINT64_C(64) << 20)
#define MOUNT_LIMIT      (30 * CLOCK_SECOND)
#define MOUNT_STOP_LIMIT (30 * CLOCK_SECOND)

/* A prefix of another's name would be taken for it: too long a name is none. */
static int mount_name(char name[OUTBOARD_NAME_SIZE], const char *device)
{
    static const char prefix[] = "fs:";

    if (strlen(device) > OUTBOARD_NAME_SIZE - sizeof(prefix))
        return ENAMETOOLONG;
    strcpy(name, prefix);
    strcat(name, device);
    return 0;
}

static struct child *mount_find(const char *device)
{
    char name[OUTBOARD_NAME_SIZE];

    if (mount_name(name, device) != 0)
        return NULL;
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_SERVICE && strcmp(child->name, name) == 0)
            return child;
    }
    return NULL;
}

static int service_start(struct child *child, const char *device, bool read_only)
{
    int error = child_grant_device(child, "block", device);

    child->is_believed = true;
    if (error == 0)
        error = supervisor_grant_pool(child, SERVICE_QUOTA);
    if (error == 0)
        error = child_start(child, read_only ? "ro" : "rw");
    if (error == 0)
        error = child_wait(child, MOUNT_LIMIT);
    return error;
}

int mount_start(const char *device_name, bool read_only, mach_port_t *fs)
{
    const struct child_offer *device = child_offer_find(device_name, "block");
    struct child *child = mount_find(device_name);
    char name[OUTBOARD_NAME_SIZE];

    if (!device)
        return ENOENT;
    if (integrity_holds(device_name))
        return EBUSY;
    if (child && child->task.task != MACH_PORT_NULL)
        return EBUSY;
    if (child)
        child_remove(child); /* what is left of one that died */

    int error = mount_name(name, device_name);
    if (error != 0)
        return error;
    child = child_create(name, "fs", CHILD_SERVICE);
    if (!child)
        return ENOMEM;
    error = service_start(child, device_name, read_only);
    const struct child_offer *offer = error == 0 ? child_offer_of(child, "fs") : NULL;
    if (offer) {
        *fs = child_right_copy(offer->right);
        return 0;
    }
    child_end(child, CHILD_FAILED, "not mounted");
    child_remove(child);
    return error ? error : EPROTO;
}

int mount_stop(const char *device)
{
    struct child *child = mount_find(device);

    if (!child)
        return ENOENT;
    int error = ENODEV;
    if (child->state == CHILD_RUNNING)
        error = child_stop(child, MOUNT_STOP_LIMIT);
    else
        journal_note(LOG_ERROR, "%s: it died before: what it had not written is lost", child->name);
    child_remove(child);
    return error;
}

void mount_stop_all(void)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_SERVICE && strncmp(child->name, "fs:", 3) == 0)
            child_stop(child, MOUNT_STOP_LIMIT);
    }
}
