/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <host/mach/port.h>

static struct mount mounts[MOUNTS_MAX];

/* Absolute, single slashes, none at the end. */
static int path_normalise(const char *path, char *out)
{
    size_t length = 0;

    while (*path) {
        path += strspn(path, "/");
        size_t part = strcspn(path, "/");
        if (part == 0)
            break;
        if (part + 1 >= MOUNT_PATH_SIZE - length)
            return ENAMETOOLONG;
        out[length++] = '/';
        memcpy(out + length, path, part);
        length += part;
        path += part;
    }
    out[length] = '\0';
    return 0;
}

struct mount *mounts_at(const char *path)
{
    char normal[MOUNT_PATH_SIZE];

    if (path_normalise(path, normal) != 0)
        return NULL;
    for (struct mount *mount = mounts_first(); mount; mount = mounts_next(mount)) {
        if (strcmp(mount->path, normal) == 0)
            return mount;
    }
    return NULL;
}

struct mount *mounts_next(struct mount *mount)
{
    for (mount++; mount < mounts + MOUNTS_MAX; mount++) {
        if (mount->fs != MACH_PORT_NULL)
            return mount;
    }
    return NULL;
}

struct mount *mounts_first(void)
{
    return mounts[0].fs != MACH_PORT_NULL ? &mounts[0] : mounts_next(&mounts[0]);
}

int mounts_add(const char *path, const char *device, mach_port_t fs)
{
    if (path[0] != '/')
        return EINVAL;
    if (mounts_at(path))
        return EBUSY;
    for (unsigned i = 0; i < MOUNTS_MAX; i++) {
        if (mounts[i].fs != MACH_PORT_NULL)
            continue;
        int error = path_normalise(path, mounts[i].path);
        if (error != 0)
            return error;
        snprintf(mounts[i].device, sizeof(mounts[i].device), "%s", device);
        mounts[i].fs = fs;
        return 0;
    }
    return ENOSPC;
}

void mounts_remove(struct mount *mount)
{
    port_release(mount->fs);
    mount->fs = MACH_PORT_NULL;
}

int mounts_resolve(const char *path, struct mount **result, char inside[MOUNT_PATH_SIZE])
{
    char normal[MOUNT_PATH_SIZE];
    struct mount *best = NULL;
    int error = path_normalise(path, normal);

    if (error != 0)
        return error;
    for (struct mount *mount = mounts_first(); mount; mount = mounts_next(mount)) {
        size_t length = strlen(mount->path);
        bool within = strncmp(normal, mount->path, length) == 0 &&
                      (normal[length] == '/' || normal[length] == '\0');
        if (within && (!best || length > strlen(best->path)))
            best = mount;
    }
    if (!best)
        return ENXIO;
    snprintf(inside, MOUNT_PATH_SIZE, "/%s",
             normal[strlen(best->path)] ? normal + strlen(best->path) + 1 : "");
    *result = best;
    return 0;
}
