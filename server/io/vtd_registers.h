/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A remapping unit's registers and what it reads from memory (Intel VT-d specification 4.1,
 * chapters 6, 9 and 11).
 */
#ifndef SERVER_IO_VTD_REGISTERS_H
#define SERVER_IO_VTD_REGISTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 11.4 */
struct vtd_registers {
    uint32_t version, reserved0;
    uint64_t capability;
    uint64_t extended_capability;
    uint32_t global_command;
    uint32_t global_status;
    uint64_t root_table;
    uint64_t context_command;
    uint32_t reserved1;
    uint32_t fault_status;
    uint32_t fault_control;
    uint32_t fault_data;
    uint32_t fault_address;
    uint32_t fault_upper_address;
    uint64_t reserved2[7];
    uint64_t queue_head;
    uint64_t queue_tail;
    uint64_t queue_address;
    uint32_t reserved3, queue_status;
    uint64_t reserved4[3];
    uint64_t remap_table;
};
static_assert(offsetof(struct vtd_registers, capability) == 0x08, "11.4.2");
static_assert(offsetof(struct vtd_registers, global_command) == 0x18, "11.4.4");
static_assert(offsetof(struct vtd_registers, context_command) == 0x28, "11.4.7");
static_assert(offsetof(struct vtd_registers, fault_status) == 0x34, "11.4.9");
static_assert(offsetof(struct vtd_registers, queue_head) == 0x80, "11.4.9.1");
static_assert(offsetof(struct vtd_registers, remap_table) == 0xb8, "11.4.9.12");

/* 11.4.2: capabilities */
#define VTD_CAP_DOMAINS(cap)      (1u << (4 + 2 * ((cap)&7))) /* how many domain ids */
#define VTD_CAP_WRITE_BUFFER(cap) ((cap) >> 4 & 1)
#define VTD_CAP_CACHING_MODE(cap) ((cap) >> 7 & 1)
#define VTD_CAP_LEVELS(cap)       ((cap) >> 8 & 0x1f) /* bit 1: 3 levels, bit 2: 4 levels */
#define VTD_CAP_FAULT_OFFSET(cap) (((cap) >> 24 & 0x3ff) * 16)
#define VTD_CAP_LARGE(cap)        ((cap) >> 34 & 1) /* 2 MiB pages */
#define VTD_CAP_FAULT_COUNT(cap)  (((cap) >> 40 & 0xff) + 1)

/* 11.4.3: extended capabilities */
#define VTD_ECAP_COHERENT(ecap)     ((ecap)&1)
#define VTD_ECAP_QUEUE(ecap)        ((ecap) >> 1 & 1)
#define VTD_ECAP_REMAP(ecap)        ((ecap) >> 3 & 1)
#define VTD_ECAP_IOTLB_OFFSET(ecap) (((ecap) >> 8 & 0x3ff) * 16)

/* 11.4.4: global command and status */
#define VTD_GLOBAL_TRANSLATION  (1u << 31)
#define VTD_GLOBAL_ROOT         (1u << 30)
#define VTD_GLOBAL_WRITE_BUFFER (1u << 27)
#define VTD_GLOBAL_QUEUE        (1u << 26)
#define VTD_GLOBAL_REMAP        (1u << 25)
#define VTD_GLOBAL_REMAP_TABLE  (1u << 24)
#define VTD_GLOBAL_ONE_SHOT     (VTD_GLOBAL_ROOT | VTD_GLOBAL_WRITE_BUFFER | VTD_GLOBAL_REMAP_TABLE)

/* 11.4.7 and 11.4.8: invalidation by register */
#define VTD_CONTEXT_GO       (UINT64_C(1) << 63)
#define VTD_CONTEXT_GLOBAL   (UINT64_C(1) << 61)
#define VTD_IOTLB_GO         (UINT64_C(1) << 63)
#define VTD_IOTLB_GLOBAL     (UINT64_C(1) << 60)
#define VTD_IOTLB_DOMAIN(id) (UINT64_C(2) << 60 | (uint64_t)(id) << 32)
#define VTD_IOTLB_DRAIN      (UINT64_C(3) << 48)

/* 6.5.2: invalidation by queue */
struct vtd_descriptor {
    uint64_t low, high;
};
static_assert(sizeof(struct vtd_descriptor) == 16, "6.5.2");
#define VTD_QUEUE_CONTEXT_GLOBAL (UINT64_C(1) | UINT64_C(1) << 4)
#define VTD_QUEUE_IOTLB_GLOBAL   (UINT64_C(2) | UINT64_C(1) << 4 | UINT64_C(3) << 6)
#define VTD_QUEUE_IOTLB_DOMAIN(id)                                                                 \
    (UINT64_C(2) | UINT64_C(2) << 4 | UINT64_C(3) << 6 | (uint64_t)(id) << 16)
#define VTD_QUEUE_REMAP_GLOBAL (UINT64_C(4))
#define VTD_QUEUE_WAIT(status) (UINT64_C(5) | UINT64_C(1) << 5 | (uint64_t)(status) << 32)

/* 9.1 and 9.3: root and context entries */
struct vtd_entry {
    uint64_t low, high;
};
static_assert(sizeof(struct vtd_entry) == 16, "9.1, 9.3");
#define VTD_ENTRY_PRESENT                      UINT64_C(1)
#define VTD_ENTRY_QUIET                        UINT64_C(2) /* context: do not record faults */
#define VTD_ENTRY_CONTEXT_HIGH(levels, domain) ((uint64_t)((levels)-2) | (uint64_t)(domain) << 8)

/* 9.10: interrupt remapping entries; 5.1.2.2 and 5.1.5.1: what refers to them */
#define VTD_REMAP_LOW(vector, level, destination)                                                  \
    (UINT64_C(1) | (uint64_t)(level) << 4 | (uint64_t)(vector) << 16 |                             \
     (uint64_t)(destination) << 40)
#define VTD_REMAP_HIGH(source)       (UINT64_C(1) << 18 | (uint64_t)(source)) /* verify all bits */
#define VTD_REMAP_MESSAGE_ADDRESS(i) (UINT64_C(0xfee00010) | ((uint64_t)(i)&0x7fff) << 5)

/* 11.4.14: fault records */
#define VTD_FAULT_PRESENT    (UINT64_C(1) << 63) /* in the high half; written back to clear */
#define VTD_FAULT_IS_READ(h) ((h) >> 62 & 1)
#define VTD_FAULT_REASON(h)  ((h) >> 32 & 0xff)
#define VTD_FAULT_SOURCE(h)  ((h)&0xffff)
#define VTD_FAULT_OVERFLOW   1u /* fault status */

#endif
