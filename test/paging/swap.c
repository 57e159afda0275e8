/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The partition by device.defs, one page and one call at a time. What is written goes as it came:
 * the page moves on to who drives the disk, and nothing is allocated for it.
 */
#include "paging.h"

#include <errno.h>
#include <stdlib.h>

#include <device/device_types.h>
#include <mach/mig_errors.h>

#include <interface/hurd/device_move_user.h>
#include <kernel/device_user.h>

#include <host/mach/memory.h>
#include <host/mach/trap.h>

static mach_port_t device, reply_port;
static uint32_t slots, last, records; /* records: of a page */
static bool *used;

int swap_open(mach_port_t port)
{
    int status[DEV_STATUS_MAX] = {0};
    mach_msg_type_number_t count = DEV_STATUS_MAX;

    if (device_get_status(port, DEV_GET_RECORDS, status, &count) != D_SUCCESS ||
        status[DEV_GET_RECORDS_RECORD_SIZE] <= 0)
        return EIO;
    device = port;
    reply_port = mach_reply_port();
    records = PAGING_PAGE / (uint32_t)status[DEV_GET_RECORDS_RECORD_SIZE];
    slots = (uint32_t)status[DEV_GET_RECORDS_DEVICE_RECORDS] / records;
    used = calloc(slots, sizeof(*used));
    return used && slots > 1 ? 0 : ENOMEM;
}

uint32_t swap_allocate(void)
{
    for (uint32_t i = 0; i < slots; i++) {
        last = last + 1 < slots ? last + 1 : 1;
        if (!used[last]) {
            used[last] = true;
            return last;
        }
    }
    return 0;
}

void swap_free(uint32_t slot)
{
    used[slot] = false;
}

bool swap_write(uint32_t slot, void *data)
{
    struct {
        mig_reply_header_t head;
        mach_msg_type_t written_type;
        int written;
        char rest[64];
    } answer = {0};

    if (device_write_move(device, reply_port, 0, (recnum_t)slot * records, data, PAGING_PAGE) !=
        KERN_SUCCESS) {
        memory_pages_free(data, PAGING_PAGE);
        return false;
    }
    return mach_msg(&answer.head.Head, MACH_RCV_MSG, 0, sizeof(answer), reply_port, 0,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
           answer.head.RetCode == D_SUCCESS && answer.written == PAGING_PAGE;
}

void *swap_read(uint32_t slot)
{
    io_buf_ptr_t data = NULL;
    mach_msg_type_number_t size = 0;

    if (device_read(device, 0, (recnum_t)slot * records, PAGING_PAGE, &data, &size) != D_SUCCESS)
        return NULL;
    if (size == PAGING_PAGE)
        return data;
    memory_pages_free(data, size);
    return NULL;
}
