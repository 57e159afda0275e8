/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Structures that the control interfaces (the .defs files beside this one) pass by value.
 * Machine byte order; strings are NUL-terminated; reserved fields are zero.
 */
#ifndef INTERFACE_TYPES_H
#define INTERFACE_TYPES_H

#include <assert.h>
#include <stdint.h>

#include <interface/block.h>

/* Errors cross an RPC as errno values with this mark above them, so that they cannot be mistaken
 * for the kernel's own return codes. */
#define OUTBOARD_ERROR_MARK 0x4f420000
#define OUTBOARD_ERROR_MASK 0xffff0000

/* A function, not a macro: its argument is mostly a call, which must not happen twice. */
static inline int outboard_error_make(int code)
{
    return code == 0 ? 0 : OUTBOARD_ERROR_MARK | code;
}

#define OUTBOARD_NAME_SIZE 64

/* What startup_alarm sends. */
#define STARTUP_ALARM_ID 71090

/* Instead of so many milliseconds: for as long as the operator lets a driver complete nothing. */
#define STARTUP_ALARM_PROGRESS UINT32_MAX

/* What the holder of a lease may do with the memory, beside having a device reach it. */
enum memory_access {
    MEMORY_UNSEEN = 0,
    MEMORY_READ = 1,
    MEMORY_WRITE = 2, /* and read */
};

/* What the authority has lent to a device's driver: one entry per thing. */
enum io_resource_kind {
    IO_RESOURCE_WINDOW = 1,    /* device registers in memory space: base, size in bytes */
    IO_RESOURCE_PORTS = 2,     /* x86 I/O ports: base, size in ports */
    IO_RESOURCE_INTERRUPT = 3, /* base: the kernel's line; size: 1 */
    IO_RESOURCE_DMA = 4,   /* memory the device may reach: base: device address, size in bytes */
    IO_RESOURCE_GUARD = 5, /* inside a window, never shown to the driver (the MSI-X table) */
    IO_RESOURCE_REQUESTER = 6, /* base: who its bus transactions say they are from; without this
                                  the device masters no bus */
};

enum io_resource_flags {
    IO_RESOURCE_IN_USE = 1u << 0,     /* mapped, granted, attached */
    IO_RESOURCE_MESSAGE = 1u << 1,    /* interrupt: message signalled (MSI or MSI-X) */
    IO_RESOURCE_SHARED = 1u << 2,     /* interrupt: a line that other devices may share */
    IO_RESOURCE_TRANSLATED = 1u << 3, /* DMA: an IOMMU makes the address a physical one */
};

struct io_resource {
    uint32_t kind;  /* enum io_resource_kind */
    uint32_t index; /* BAR number, vector number, or running number */
    uint64_t base;
    uint64_t size;
    uint32_t flags; /* enum io_resource_flags */
    uint32_t count; /* interrupt: how many were delivered and acknowledged */
};
static_assert(sizeof(struct io_resource) == 32, "wire layout");

#define IO_RESOURCES_MAX 64

/* What the authority tells the supervisor about a driver's interrupt line. */
enum io_line_trouble {
    IO_LINE_IS_UNCLAIMED = 1, /* shared, and nobody claims what comes: it is slowed down */
    IO_LINE_IS_SAT_ON = 2,    /* shared, and this driver holds the others up again and again */
    IO_LINE_STORMS = 3,       /* interrupts without end that nobody takes */
};

/* What else comes where interrupts do, from the authority: nothing, to see whether there is room;
 * and that the driver is to give the right back, attach again, and look after its device then. */
enum io_line_note { IO_LINE_ROOM = 1, IO_LINE_RENEW = 2 };

/* In the place of a requester: a device that masters no bus. */
#define IO_REQUESTER_NONE UINT32_MAX

#endif
