/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which memory, and which interrupts, a device reaches. One domain per device; a device without one
 * reaches nothing.
 */
#ifndef SERVER_IO_IOMMU_H
#define SERVER_IO_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/port.h>

#include <interface/types.h>

/* Segment << 16 | bus << 8 | device << 3 | function: who a transaction says it is from. */
typedef uint32_t io_requester;

struct io_domain;
struct io_memory;

/* Find the units and turn them on with everything blocked. Without any (or with one that cannot be
 * used) the machine runs unconfined; the log says which. Whether there is one. */
bool io_iommu_start(void);

/* Send reports of faults there (interface/io_faults.defs); the right is ours from now on. */
void io_iommu_report_to(mach_port_t faults);

/* False: the supervisor's queue has no room. */
bool io_iommu_report_line(const char *holder, unsigned number, enum io_line_trouble trouble);

/* A domain for a device, which is behind the bridge `ancestor` on a root bus or is it itself. 0;
 * ENOTSUP: there is no IOMMU at all (run unconfined); ENODEV: there is, but none covers this
 * device; EPERM: firmware reserved memory for it; EBUSY: the requester has a domain; ENOSPC,
 * ENOMEM. The log says why. */
int io_domain_create(io_requester requester, io_requester ancestor, const char *name,
                     struct io_domain **domain);

/* The device reaches nothing any more; returns when nothing of its is under way. */
void io_domain_destroy(struct io_domain *domain);

/* Let the device reach memory, at the address returned, where it is all in one piece. ENOSPC: no
 * device addresses left. */
int io_domain_map(struct io_domain *domain, const struct io_memory *memory, uint64_t *address);
void io_domain_unmap(struct io_domain *domain, uint64_t address, uint64_t size);

/* Unmap, and give the address to nothing else until io_domain_unmap. Faults there are not the
 * driver's doing. */
void io_domain_revoke(struct io_domain *domain, uint64_t address, uint64_t size);

/* Where interrupts are remapped: let the device, and no other, raise the vector in `data` with
 * remapping entry `index`, and say what it has to write, and where, to do so. */
void io_domain_interrupt_set(struct io_domain *domain, unsigned index, uint64_t *address,
                             uint32_t *data);
void io_domain_interrupt_clear(struct io_domain *domain, unsigned index);

#endif
