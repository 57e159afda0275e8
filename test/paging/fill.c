/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "paging.h"

#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>

#include <kernel/device_user.h>
#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/trap.h>

enum {
    WORDS = PAGING_PAGE / sizeof(uint64_t),
    STRIDE = 7919,
    MORE = 1024,
    VISITED = 8,
    SAVED = 8 << 20
};

static uint64_t word_of(uint64_t page, unsigned version)
{
    uint64_t value = (page << 8 | version) * UINT64_C(0x9e3779b97f4a7c15);

    return value ^ value >> 29;
}

static void page_fill(uint64_t *words, uint64_t page, unsigned version)
{
    uint64_t value = word_of(page, version);

    for (unsigned i = 0; i < WORDS; i++)
        words[i] = value + i;
}

static bool page_is(const uint64_t *words, uint64_t page, unsigned version)
{
    uint64_t value = word_of(page, version);

    for (unsigned i = 0; i < WORDS; i++) {
        if (words[i] != value + i)
            return false;
    }
    return true;
}

/* More than is free now, and no multiple of the stride: so that each visit is to another page. */
static uint64_t pages_wanted(uint64_t *free_pages)
{
    struct vm_statistics statistics = {0};

    vm_statistics(mach_task_self(), &statistics);
    *free_pages = (uint64_t)statistics.free_count;
    uint64_t pages = *free_pages + MORE;
    return pages % STRIDE == 0 ? pages + 1 : pages;
}

/* What was written first is paged out by now: who serves the other device has to wait for the pager
 * to get at it. */
static bool save(const uint64_t *memory)
{
    io_buf_ptr_t data = NULL;
    mach_msg_type_number_t size = 0;
    int written = 0;

    if (device_write(FILL_DEVICE, 0, 0, (io_buf_ptr_t)memory, SAVED, &written) != D_SUCCESS ||
        written != SAVED || device_read(FILL_DEVICE, 0, 0, SAVED, &data, &size) != D_SUCCESS ||
        size != SAVED)
        return false;
    bool same = memcmp(data, memory, SAVED) == 0;
    memory_pages_free(data, SAVED);
    return same;
}

uint64_t fill_run(void)
{
    uint64_t free_pages, pages = pages_wanted(&free_pages), wrong = 0;
    unsigned char *versions = calloc(pages, 1);
    uint64_t *memory = memory_pages_allocate(pages * PAGING_PAGE);

    if (!versions || !memory)
        return pages;
    for (uint64_t page = 0; page < pages; page++)
        page_fill(memory + page * WORDS, page, 0);
    paging_say("%llu MiB are written, %llu MiB were free",
               (unsigned long long)(pages * PAGING_PAGE >> 20),
               (unsigned long long)(free_pages * PAGING_PAGE >> 20));
    paging_say("%s", save(memory) ? "saved on another device" : "not saved on another device");
    /* Each is read and some are changed, all over the memory, and then some are read again. */
    for (uint64_t i = 0; i < pages / VISITED * 3 / 2; i++) {
        uint64_t page = i % (pages / VISITED) * STRIDE % pages;
        wrong += !page_is(memory + page * WORDS, page, versions[page]);
        if (i % 4 == 0)
            page_fill(memory + page * WORDS, page, ++versions[page]);
    }
    return wrong;
}
