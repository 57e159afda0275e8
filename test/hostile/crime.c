/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "hostile.h"

/* VT-d keeps one fault of a device until it is read, and drops those that come meanwhile (7.2.1:
 * compression): the system reads the last crime's before the next. */
#define FAULT_PAUSE (10 * CLOCK_MILLISECOND)

struct device *hostile_device;

static const struct crime *const *table;
static unsigned next;
static struct clock_timer timer;

static void crime_commit(const struct crime *crime)
{
    static const char *const outcomes[] = {"refused", "contained", "SUCCEEDED"};

    log_info("crime: %s: attempted", crime->name);
    log_info("crime: %s: %s", crime->name, outcomes[crime->attempt()]);
    clock_sleep(FAULT_PAUSE);
}

/* One crime at a time, so that the log and the others' work interleave. */
static void commit(void *context)
{
    const struct crime *crime = &(*table)[next++];

    (void)context;
    if (!crime->name) {
        table++;
        next = 0;
    } else {
        crime_commit(crime);
    }
    if (*table)
        clock_timer_start(&timer, 10 * CLOCK_MILLISECOND, commit, NULL);
    else
        log_info("crime: all attempted");
}

void crimes_begin(const struct crime *const *tables)
{
    table = tables;
    clock_timer_start(&timer, 500 * CLOCK_MILLISECOND, commit, NULL);
}

enum outcome crime_after_release(bool (*device_can_read)(uint64_t address))
{
    struct dma_buffer buffer;

    if (dma_buffer_create(hostile_device, DMA_PAGE_SIZE, &buffer) != 0)
        return REFUSED;
    uint64_t address = buffer.address;
    memset(buffer.memory, 'z', DMA_PAGE_SIZE);
    bool before = device_can_read(address);
    dma_buffer_destroy(hostile_device, &buffer);
    return before && device_can_read(address) ? SUCCEEDED : CONTAINED;
}
