/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An interrupt line, between interrupt.c, which lends it, and sharing.c, which watches its sharers.
 */
#ifndef SERVER_IO_LINE_H
#define SERVER_IO_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/port.h>

struct msix_entry;

/* The most that a driver reports at a time, and that is acknowledged to the kernel at a time. */
enum { IO_LINE_TOGETHER = 256 };

struct io_line {
    unsigned number;
    bool message;
    unsigned pin; /* of the IO-APIC, that raises this message; 0: none */
    bool taken;   /* by a device */
    bool lent;    /* the receive right is with a driver, or on its way home */
    mach_port_t port;
    char holder[48];                   /* the device's name, until the right is home; or empty */
    volatile struct msix_entry *entry; /* of a device's MSI-X table, mapped here; null: none */
    unsigned acknowledged, reported;   /* to the kernel; by the driver, where not each of them is */
    unsigned unclaimed;                /* since the last look (storm.c) */
    unsigned received;                 /* of those acknowledged: known to have been received */
    unsigned looks;                    /* in a row that found some outstanding */
    bool full, masked, held;           /* at the last look; by its driver; by the authority */
    bool stormed; /* and its driver is being stopped: it is not looked at until it is lent again */
    void (*handler)(void *context); /* the authority's own; null: nobody's */
    void *handler_context;
    bool answered;                  /* in this round (sharing.c) */
    unsigned skipped;               /* how often, lately */
    uint64_t skipped_last, renewed; /* when; when its port was ended (interrupt.c) */
    struct io_line *next;
};

extern struct io_line *io_lines;

/* How many interrupts were taken, as far as is known. */
static inline unsigned io_line_count(const struct io_line *line)
{
    return line->reported > line->acknowledged ? line->reported : line->acknowledged;
}

/* Mask an MSI-X vector, or let it go: its driver's wish counts only where nothing else speaks for a
 * mask. */
void io_line_mask(const struct io_line *line);

/* Tell the kernel that one interrupt was handled. False: none was outstanding. */
bool io_line_kernel_acknowledge(struct io_line *line);

/* A line has been lent: see that no storm comes from it. */
void io_storm_watch(void);

/* A sharer of a line has handled its interrupt; `claimed`: it was its own device's. */
void io_sharing_acknowledge(struct io_line *line, bool claimed);

#endif
