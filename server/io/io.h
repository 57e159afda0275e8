/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The authority's own parts, and how they know each other.
 *
 *   main.c       start: takes the kernel's privileged ports
 *   control.c    the supervisor's interface
 *   bus.c        the bus servers' interface: firmware tables, making devices
 *   device.c     the drivers' interface: one object per device, everything lent to it
 *   physical.c   memory objects over physical ranges
 *   interrupt.c  the kernel's interrupt lines: registered once, lent, taken back
 *   sharing.c    drivers that share a line and do not trust each other
 *   storm.c      interrupts without end
 *   fixed.c      the lines of fixed devices, which share with nobody
 *   task.c       drivers' calls on their own tasks
 *   pool.c       memory that devices may reach, in purses with a quota
 *   acpi.c       where the firmware's tables are
 *   iommu.c      domains: which memory and which interrupts a device reaches
 *   vtd.c        one Intel VT-d unit; translation.c its page tables; dmar.c, madt.c the tables that
 *                say what there is; ioapic.c the kernel's pins under remapping
 */
#ifndef SERVER_IO_IO_H
#define SERVER_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/port.h>

#include <interface/types.h>
#include <server/io/iommu.h>
#include <server/resource/map.h>

/* In APIC mode the kernel's vectors are 0x30 + line, for 64 lines, of which the first 24 are the
 * pins of the IO-APIC. */
enum { IO_LINE_COUNT = 64, IO_LINE_FIRST_MESSAGE = 24, IO_LINE_VECTOR_BASE = 0x30 };

/* IO_RUN: the most bytes next to each other. The kernel has no list for more: asked for it, it
 * panics (vm_page_seg_alloc, VM_PAGE_NR_FREE_LISTS). */
enum { IO_PAGE = 4096, IO_RUN = 4 << 20, IO_WINDOWS = 6, IO_VECTORS = 8, IO_DMA_MAPPINGS = 512 };

/* Take an element out of the list that it is in. */
#define IO_LIST_REMOVE(first, element)                                                             \
    do {                                                                                           \
        __typeof__(first) *link = &(first);                                                        \
        while (*link != (element))                                                                 \
            link = &(*link)->next;                                                                 \
        *link = (element)->next;                                                                   \
    } while (0)

/* The kernel's privileged ports. They never leave this task. */
struct io_privilege {
    mach_port_t host, device_master, memory_device, interrupt_device;
};
extern struct io_privilege io_privilege;

/* Who owns which physical addresses and which I/O ports. */
extern struct resource_map io_memory_map, io_port_map;

/* physical.c */

/* A memory object over physical [base, base + size), whole pages, uncached unless it is memory. The
 * kernel refuses ordinary memory. 0 or an errno value. */
int io_physical_object(uint64_t base, uint64_t size, mach_port_t *pager);

/* Map physical memory here. `address` points at byte `base`. */
int io_physical_map(uint64_t base, size_t size, bool writable, void **address);
void io_physical_unmap(void *address, size_t size);

/* interrupt.c */

struct io_line;

int io_interrupt_start(void);

/* Whether this kernel takes message-signalled interrupts (gnumach: APIC mode). */
extern bool io_interrupt_messages;

/* A free line for messages, or the shared line of that number, registered with the kernel. 0,
 * ENOTSUP, ENOSPC, or another errno value. */
int io_line_take_message(struct io_line **line);
int io_line_take_shared(unsigned number, struct io_line **line);

/* fixed.c: route the lines of fixed devices; the keyboard's is the kernel's if its console is on
 * the screen. Before io_iommu_start. */
void io_fixed_start(bool on_screen);

/* The line of a fixed device, on that pin of the IO-APIC. EINVAL, EBUSY, or another errno value. */
int io_line_take_fixed(unsigned pin, struct io_line **line);

/* The holder is gone: nothing more comes from its device, and the line is free again as soon as its
 * receive right is home. */
void io_line_release(struct io_line *line);

/* Whether a line that was lent for the device of that name, and is no driver's any more, has not
 * come home: its driver gave the right away, and whoever has it keeps it. The log says which. */
bool io_line_is_astray(const char *name);

/* Prepare the receive right for a move to the driver of the device `holder`: after this, put it
 * into a message with MACH_MSG_TYPE_MOVE_RECEIVE. EBUSY if it is out. */
int io_line_lend(struct io_line *line, const char *holder, mach_port_t *right);

/* So many interrupts were handled; more than are outstanding count for nothing. `claimed`: the
 * holder's device had raised them. */
void io_line_acknowledge(struct io_line *line, unsigned count, bool claimed);

/* For a line that the authority itself uses: call `handler` for each interrupt. */
void io_line_serve(struct io_line *line, void (*handler)(void *context), void *context);

/* What a device must write, and where, to raise a message line (Intel SDM volume 3, 11.11). */
void io_line_message(const struct io_line *line, uint64_t *address, uint32_t *data);

/* pool.c */

struct io_memory {
    struct io_pool *pool;
    void *address;
    uint64_t physical, size;
    rpc_phys_addr_t *pages; /* each page's instead, if they are not next to each other; else null */
    mach_port_t port;
    unsigned references; /* the owner's right, each lease, each mapping for a device */
    struct io_lease *leases;
    mach_port_t object[2]; /* to read, and to write, too; null: nobody has wanted it yet */
    struct io_memory *next;
};

/* Pieces and leases of a purse, as long as somebody holds them and they are not revoked: our names
 * for ports are not without end. */
enum { IO_POOL_REFERENCES = 1024 };

/* From now on use the kernel's last memory if there is no other: a disk that is paged to may need
 * it. `scatter`: an IOMMU puts single pages next to each other. */
void io_memory_keep(bool scatter);

int io_pool_create(const char *name, uint64_t quota, mach_port_t *pool);

/* The memory that a lease stands for, with a reference taken; null if it is no lease. */
struct io_memory *io_memory_from_lease(mach_port_t lease);
void io_memory_release(struct io_memory *memory);

/* Whether that is a memory object of memory that was lent, at least so long. */
bool io_memory_is_object(mach_port_t object, uint64_t size);

/* task.c */

/* In the place of a driver's task port `own`, which is kept. */
int io_task_create(mach_port_t own, mach_port_t *limited);

/* The task behind; null: it is no such port. */
mach_port_t io_task_lookup(mach_port_t limited);

/* device.c */

struct io_device_window {
    uint64_t base, size;             /* size 0: not there */
    uint64_t guard_base, guard_size; /* offsets; never mapped for the driver */
    mach_port_t pager;
    bool mapped;
};

struct io_device_mapping {
    struct io_memory *memory; /* null: free */
    uint64_t address, size;   /* size 0: free, or of a driver that is gone */
    bool revoked;
};

/* A record stays when the device is taken back: a command that the device has begun may still write
 * to its mappings' memory, which is nobody else's until the device has been reset. */
struct io_device {
    char name[OUTBOARD_NAME_SIZE];
    struct io_device_mapping mapping[IO_DMA_MAPPINGS];
    struct io_device *next;

    mach_port_t port; /* null: it is taken back, and all from here on is zero */
    struct io_device_window window[IO_WINDOWS];
    struct {
        unsigned first, last;
        bool present, granted;
    } ports[IO_WINDOWS];
    struct io_line *line[IO_VECTORS]; /* by vector; null: not there */
    void *table;                      /* the MSI-X table's page run, mapped here */
    size_t table_size;
    io_requester requester;
    struct io_domain *domain; /* null: there is no IOMMU, and addresses are physical */
};

int io_device_create(const char *name, io_requester requester, io_requester ancestor,
                     struct io_device **device);

/* The device behind a send right that a bus server passed; null if it is none of ours. */
struct io_device *io_device_from_port(mach_port_t port);

/* Take everything back, but keep the memory that the device reached ... */
void io_device_destroy(struct io_device *device);
/* ... until it has been reset. */
void io_device_was_reset(const char *name);
extern unsigned io_device_count;

/* No device reaches that memory any more. */
void io_device_revoke_all(const struct io_memory *memory);

/* What the device has to write, and where, to raise this message line of its own. */
void io_device_message(struct io_device *device, struct io_line *line, uint64_t *address,
                       uint32_t *data);

/* bus.c and control.c: ports to hand out. */
int io_bus_port(const char *name, mach_port_t *port);
int io_control_start(mach_port_t receive_right);

/* acpi.c */

/* A copy of the table with that four-letter signature, in whole pages. "DSDT": the one that the
 * FADT names. ENOENT, EBADMSG. */
int io_acpi_table(const char *signature, void **table, size_t *size);

/* Which IO-APICs there are (madt.h). */
struct madt;
int io_acpi_madt(struct madt *madt);

#endif
