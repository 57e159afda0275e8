/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An NVMe controller's registers (NVM Express base specification 1.4, section 3.1).
 */
#ifndef DRIVER_NVME_REGISTERS_H
#define DRIVER_NVME_REGISTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct nvme_registers {
    uint64_t cap;   /* 3.1.1 controller capabilities */
    uint32_t vs;    /* 3.1.2 version */
    uint32_t intms; /* 3.1.3 interrupt mask set: not with MSI-X */
    uint32_t intmc; /* 3.1.4 interrupt mask clear */
    uint32_t cc;    /* 3.1.5 controller configuration */
    uint32_t reserved;
    uint32_t csts; /* 3.1.6 controller status */
    uint32_t nssr; /* 3.1.7 */
    uint32_t aqa;  /* 3.1.8 admin queue attributes */
    uint64_t asq;  /* 3.1.9 admin submission queue base */
    uint64_t acq;  /* 3.1.10 admin completion queue base */
};
static_assert(offsetof(struct nvme_registers, cc) == 0x14, "3.1.5");
static_assert(offsetof(struct nvme_registers, csts) == 0x1c, "3.1.6");
static_assert(offsetof(struct nvme_registers, aqa) == 0x24, "3.1.8");
static_assert(offsetof(struct nvme_registers, acq) == 0x30, "3.1.10");

#define NVME_REGISTER(name) offsetof(struct nvme_registers, name)

/* 3.1.1: fields of CAP */
#define NVME_CAP_ENTRIES(cap)  ((unsigned)((cap)&0xffff) + 1)          /* of the largest queue */
#define NVME_CAP_TIMEOUT(cap)  ((unsigned)((cap) >> 24 & 0xff))        /* in 500 ms */
#define NVME_CAP_STRIDE(cap)   (4u << ((cap) >> 32 & 0xf))             /* bytes between doorbells */
#define NVME_CAP_NVM(cap)      ((cap) >> 37 & 1)                       /* the NVM command set */
#define NVME_CAP_PAGE_MIN(cap) (UINT64_C(4096) << ((cap) >> 48 & 0xf)) /* smallest memory page */

/* 3.1.2 */
#define NVME_VS_1_1 0x00010100u

/* 3.1.5 */
#define NVME_CC_ENABLE          (1u << 0)
#define NVME_CC_SHUTDOWN_NORMAL (1u << 14)
#define NVME_CC_SHUTDOWN_MASK   (3u << 14)
#define NVME_CC_QUEUE_ENTRIES   (6u << 16 | 4u << 20) /* 64-byte submissions, 16-byte completions */

/* 3.1.6 */
#define NVME_CSTS_READY         (1u << 0)
#define NVME_CSTS_FATAL         (1u << 1)
#define NVME_CSTS_SHUTDOWN      (3u << 2)
#define NVME_CSTS_SHUTDOWN_DONE (2u << 2)
#define NVME_CSTS_GONE          UINT32_MAX /* a register of a device that is not there */

/* 3.1.24 and 3.1.25: a pair of doorbells per queue, `stride` bytes apart. */
#define NVME_DOORBELLS                     0x1000u
#define NVME_DOORBELL_TAIL(queue, stride)  (NVME_DOORBELLS + 2 * (queue) * (stride))
#define NVME_DOORBELL_HEAD(queue, stride)  (NVME_DOORBELLS + (2 * (queue) + 1) * (stride))
#define NVME_DOORBELLS_END(queues, stride) (NVME_DOORBELLS + 2 * (queues) * (stride))

#endif
