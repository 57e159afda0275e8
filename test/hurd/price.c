/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a page-sized device_read costs under a Hurd, where the memory of all our tasks is wired.
 * bench/count.c counts the instructions between the two marks.
 */
#include <kernel/device_user.h>

#include <bench/marks.h>
#include <host/mach/memory.h>

#include "stand_in.h"

enum { PAGE = 4096, WARM = 100 };

static bool read_once(const struct disk *disk, uint64_t places)
{
    uint64_t page = PAGE / disk->record_size;
    io_buf_ptr_t data = NULL;
    mach_msg_type_number_t size = 0;

    if (device_read(disk->port, 0, random_next() % places * page, PAGE, &data, &size) !=
            D_SUCCESS ||
        size != PAGE)
        return false;
    (void)*(const volatile char *)data; /* whoever asked for it looks at it */
    memory_pages_free(data, size);
    return true;
}

void price_reads(const struct disk *disk, const struct options *options)
{
    uint64_t places = disk->records / (PAGE / disk->record_size), right = 0;

    if (options->price == 0)
        return;
    for (uint64_t i = 0; i < WARM; i++)
        read_once(disk, places);
    bench_mark_begin();
    for (uint64_t i = 0; i < options->price; i++)
        right += read_once(disk, places);
    bench_mark_end();
    check_equal("reads that are counted", (int64_t)options->price, (int64_t)right);
}
