/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The partition service: reads one disk's table, has the disk's driver make a port for each
 * partition, offers those, and waits for its end. It is not in the way of the data. argv: program,
 * instance, the disk's name.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_user.h>
#include <interface/startup_user.h>

#include <host/mach/error.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/client/block.h>
#include <kit/log.h>

#include "table.h"

enum { BUFFER_SIZE = 65536 };

struct source {
    struct block_client *client;
    void *memory; /* BUFFER_SIZE bytes that the device reaches */
    uint32_t buffer;
};

static int source_read(void *context, uint64_t block, uint32_t count, void *data)
{
    struct source *source = context;
    uint64_t length = (uint64_t)count * block_client_info(source->client)->block_size;

    if (length > BUFFER_SIZE)
        return EINVAL;
    int error = block_client_transfer(source->client, BLOCK_READ, block, count, source->buffer, 0);
    if (error == 0)
        memcpy(data, source->memory, length);
    return error;
}

/* An image for optical discs may have a table as well, for when it is copied to a stick: it counts
 * in 512 bytes, and means nothing on the disc. */
static bool is_optical(const struct block_info *info)
{
    return info->block_size == 2048 && info->flags & BLOCK_INFO_READ_ONLY;
}

static int disk_read(const char *name, struct partition_table *table)
{
    struct source source;
    int error = block_client_open("block", false, &source.client);

    if (error != 0)
        return error;
    error = block_client_buffer(source.client, BUFFER_SIZE, &source.memory, &source.buffer);
    if (error == 0) {
        const struct block_info *info = block_client_info(source.client);
        struct partition_disk disk = {.name = name,
                                      .blocks = info->blocks,
                                      .block_size = info->block_size,
                                      .at_once = info->max_transfer / info->block_size,
                                      .read = source_read,
                                      .context = &source};
        if (!is_optical(info))
            error = partition_table_read(&disk, table);
    }
    block_client_close(source.client);
    return error;
}

static int bounded_offer(mach_port_t class, const struct partition *partition, bool write)
{
    char suffix[16];
    mach_port_t bounded;
    int error = error_from_kernel(
        block_class_bound(class, partition->first, partition->count, write, &bounded));

    if (error != 0)
        return error;
    snprintf(suffix, sizeof(suffix), "%u", partition->number);
    error = error_from_kernel(startup_pass(startup_bootstrap_port(), suffix, "block", bounded));
    port_release(bounded); /* it lives as long as somebody may look it up */
    return error;
}

/* Write access where the disk allows it. */
static int partition_offer(mach_port_t class, const struct partition *partition)
{
    int error = bounded_offer(class, partition, true);

    return error == EROFS ? bounded_offer(class, partition, false) : error;
}

/* One that cannot be offered does not take the others along; ENODEV: none can, the driver is gone.
 */
static int table_offer(const char *disk, const struct partition_table *table)
{
    mach_port_t class;
    int error = startup_capability("block", &class);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < table->count && error != ENODEV; i++) {
        const struct partition *partition = &table->partition[i];
        error = partition_offer(class, partition);
        if (error == ETIMEDOUT) { /* and another one will have to be asked for all of them */
            startup_complain(startup_bootstrap_port(), "block", class, "it does not answer a call");
            error = ENODEV;
        } else if (error == 0)
            log_info("%sp%u: %llu blocks from %llu%s%s", disk, partition->number,
                     (unsigned long long)partition->count, (unsigned long long)partition->first,
                     partition->name[0] ? ", " : "", partition->name);
        else
            log_error("%sp%u: cannot be offered: %s", disk, partition->number, strerror(error));
    }
    port_release(class);
    return error == ENODEV ? error : 0;
}

int main(int argc, char **argv)
{
    static struct partition_table table;
    const char *disk = argc > 2 ? argv[2] : "disk";
    int error = disk_read(disk, &table);

    if (error == 0)
        error = table_offer(disk, &table);
    return orphan_serve(error, loop_stop);
}
