/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A small default pager on a partition, and a task that wants more memory than there is. Under
 * Outboard they stand in the place of the Hurd's ext2fs and exec.
 */
#ifndef TEST_PAGING_PAGING_H
#define TEST_PAGING_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/port.h>

enum { PAGING_PAGE = 4096 };

/* A line in the kernel's log. */
void paging_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The partition, in pages: slot 0 is none. */
int swap_open(mach_port_t device);
uint32_t swap_allocate(void); /* 0: it is full */
void swap_free(uint32_t slot);
/* The data, a page that came in a message, is gone afterwards. */
bool swap_write(uint32_t slot, void *data);
void *swap_read(uint32_t slot); /* a page; null: it cannot be read */

/* Memory objects of the kernel's, served in the event loop. 0 or an errno value. */
int pager_start(mach_port_t host);

struct pager_counts {
    uint64_t created, ended, out, in, absent, failed;
};
const struct pager_counts *pager_counts(void);

/* The filler's right to a device that is not paged to; its pager puts it there. */
enum { FILL_DEVICE = 0x6000 };

/* Fill, change and check more memory than is free. How many pages were not as they should be. */
uint64_t fill_run(void);

#endif
