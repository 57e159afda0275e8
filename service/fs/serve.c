/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file system service: interface/fs.defs over a volume. argv: program, instance, "ro" or "rw".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/fs.h>
#include <interface/fs_server.h>
#include <interface/task_control_server.h>
#include <interface/types.h>

#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/client/block.h>
#include <kit/log.h>

#include "volume.h"

enum { DATA_MAX = 1 << 20 };

static const struct port_type fs_type = {.name = "fs", .serve = fs_server};
static const struct port_type control_type = {.name = "control", .serve = task_control_server};

static struct volume *volume;

kern_return_t serve_fs_lookup(mach_port_t port, const_path_t path, boolean_t follow,
                              record_t record, mach_msg_type_number_t *size)
{
    struct fs_status status;
    int error = volume_lookup(volume, path, follow, &status);

    (void)port;
    if (error == 0) {
        memcpy(record, &status, sizeof(status));
        *size = sizeof(status);
    }
    return outboard_error_make(error);
}

kern_return_t serve_fs_read(mach_port_t port, unsigned inode, uint64_t offset, unsigned count,
                            records_t *data, mach_msg_type_number_t *size)
{
    uint32_t done = 0;

    (void)port;
    if (count == 0 || count > DATA_MAX)
        return outboard_error_make(EINVAL);
    void *pages = memory_pages_allocate(count);
    if (!pages)
        return outboard_error_make(ENOMEM);
    int error = volume_read(volume, inode, offset, count, pages, &done);
    if (error != 0 || done == 0) {
        memory_pages_free(pages, count);
        *data = NULL;
        *size = 0;
        return outboard_error_make(error);
    }
    /* Pages behind the end of a short read are not sent. */
    size_t used = (done + 4095u) & ~(size_t)4095, had = (count + 4095u) & ~(size_t)4095;
    memory_pages_free((char *)pages + used, had - used);
    *data = pages;
    *size = done;
    return 0;
}

kern_return_t serve_fs_write(mach_port_t port, unsigned inode, uint64_t offset, records_t data,
                             mach_msg_type_number_t size)
{
    (void)port;
    if (size > DATA_MAX)
        return outboard_error_make(EINVAL);
    int error = size ? volume_write(volume, inode, offset, data, size) : 0;
    if (error == 0)
        memory_pages_free(data, size);
    return outboard_error_make(error);
}

kern_return_t serve_fs_truncate(mach_port_t port, unsigned inode, uint64_t size)
{
    (void)port;
    return outboard_error_make(volume_truncate(volume, inode, size));
}

struct listing {
    char *pages;
    size_t length, capacity;
};

static int entry_add(void *context, uint32_t inode, uint8_t type, const char *name, uint8_t length)
{
    struct listing *listing = context;
    struct fs_entry entry = {.inode = inode, .type = type, .name_length = length};
    size_t size = sizeof(entry) + ((length + 7u) & ~(size_t)7);

    if (size > listing->capacity - listing->length) {
        size_t capacity = listing->capacity ? listing->capacity * 2 : 65536;
        char *grown = memory_pages_allocate(capacity);
        if (!grown)
            return ENOMEM;
        memcpy(grown, listing->pages, listing->length);
        memory_pages_free(listing->pages, listing->capacity);
        listing->pages = grown;
        listing->capacity = capacity;
    }
    char *to = listing->pages + listing->length;
    memcpy(to, &entry, sizeof(entry));
    memcpy(to + sizeof(entry), name, length); /* fresh pages: the padding is zero */
    listing->length += size;
    return 0;
}

kern_return_t serve_fs_list(mach_port_t port, unsigned inode, records_t *entries,
                            mach_msg_type_number_t *size)
{
    struct listing listing = {0};

    (void)port;
    int error = volume_list(volume, inode, entry_add, &listing);
    if (error != 0) {
        memory_pages_free(listing.pages, listing.capacity);
        return outboard_error_make(error);
    }
    size_t used = (listing.length + 4095) & ~(size_t)4095;
    if (listing.capacity > used)
        memory_pages_free(listing.pages + used, listing.capacity - used);
    *entries = listing.length ? listing.pages : NULL;
    *size = (mach_msg_type_number_t)listing.length;
    return 0;
}

kern_return_t serve_fs_readlink(mach_port_t port, unsigned inode, path_t target)
{
    (void)port;
    return outboard_error_make(volume_readlink(volume, inode, target, sizeof(path_t)));
}

kern_return_t serve_fs_create(mach_port_t port, const_path_t path, unsigned mode, unsigned *inode)
{
    (void)port;
    return outboard_error_make(volume_create(volume, path, mode, inode));
}

kern_return_t serve_fs_remove(mach_port_t port, const_path_t path)
{
    (void)port;
    return outboard_error_make(volume_remove(volume, path));
}

kern_return_t serve_fs_sync(mach_port_t port)
{
    (void)port;
    return outboard_error_make(volume_sync(volume));
}

static int unmount(void)
{
    int error = volume_close(volume);

    if (error != 0)
        log_error("what was written last may be lost: %s", strerror(error));
    loop_stop();
    return error;
}

static void leave(void)
{
    unmount();
}

kern_return_t serve_task_control_stop(mach_port_t port)
{
    (void)port;
    return outboard_error_make(unmount());
}

int main(int argc, char **argv)
{
    bool write = argc > 2 && strcmp(argv[2], "rw") == 0;
    struct block_client *client;
    struct disk *disk;
    mach_port_t fs, control;
    int error = block_client_open("block", write, &client);

    if (error == 0)
        error = disk_create(client, &disk);
    if (error == 0)
        error = volume_open(disk, write, &volume);
    if (error == 0)
        error = port_create(&fs_type, NULL, &fs);
    if (error == 0)
        error = port_create(&control_type, NULL, &control);
    if (error == 0)
        error = startup_offer("", "fs", fs);
    if (error == 0)
        error = startup_offer("", "control", control);
    return orphan_serve(error, leave);
}
