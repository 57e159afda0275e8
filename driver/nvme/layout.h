/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a controller and its driver share (NVM Express base specification 1.4): registers, commands,
 * completions, identify data. As far as it is used. Little-endian.
 */
#ifndef DRIVER_NVME_LAYOUT_H
#define DRIVER_NVME_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 3.1: offsets of registers */
enum {
    NVME_CAP = 0x00,  /* 3.1.1 controller capabilities, 64 bits */
    NVME_CC = 0x14,   /* 3.1.5 controller configuration */
    NVME_CSTS = 0x1c, /* 3.1.6 controller status */
    NVME_AQA = 0x24,  /* 3.1.8 admin queue attributes */
    NVME_ASQ = 0x28,  /* 3.1.9 admin submission queue base, 64 bits */
    NVME_ACQ = 0x30,  /* 3.1.10 admin completion queue base, 64 bits */
};

/* 3.1.1: fields of CAP */
#define NVME_CAP_ENTRIES(cap)  ((unsigned)((cap)&0xffff) + 1)          /* of the largest queue */
#define NVME_CAP_TIMEOUT(cap)  ((unsigned)((cap) >> 24 & 0xff))        /* in 500 ms */
#define NVME_CAP_STRIDE(cap)   (4u << ((cap) >> 32 & 0xf))             /* bytes between doorbells */
#define NVME_CAP_NVM(cap)      ((cap) >> 37 & 1)                       /* the NVM command set */
#define NVME_CAP_PAGE_MIN(cap) (UINT64_C(4096) << ((cap) >> 48 & 0xf)) /* smallest memory page */

/* 3.1.5 */
#define NVME_CC_ENABLE          (1u << 0)
#define NVME_CC_SHUTDOWN        (3u << 14)
#define NVME_CC_SHUTDOWN_NORMAL (1u << 14)
#define NVME_CC_QUEUE_ENTRIES   (6u << 16 | 4u << 20) /* 64-byte submissions, 16-byte completions */

/* 3.1.6 */
#define NVME_CSTS_READY         (1u << 0)
#define NVME_CSTS_FATAL         (1u << 1)
#define NVME_CSTS_SHUTDOWN      (3u << 2)
#define NVME_CSTS_SHUTDOWN_DONE (2u << 2)
#define NVME_CSTS_GONE          UINT32_MAX /* a register of a device that is not there */

/* 3.1.24 and 3.1.25: two doorbells for each queue pair, NVME_CAP_STRIDE bytes apart. */
#define NVME_DOORBELLS                   0x1000u
#define NVME_DOORBELLS_SIZE(queues, cap) (2 * (queues)*NVME_CAP_STRIDE(cap))

/* 5.7, 7.13: shadow doorbells are laid out as the registers are, in a page for what we say, and
 * another (EventIdx) for what the controller wants to hear of. */
enum { NVME_SHADOW_SIZE = 4096 }; /* bytes of each */

/* 4.4 a descriptor of a scatter gather list: data, or where more descriptors are */
struct nvme_sgl {
    uint64_t address;
    uint32_t length; /* bytes */
    uint8_t reserved[3];
    uint8_t type;
};
static_assert(sizeof(struct nvme_sgl) == 16, "4.4");
enum { NVME_SGL_DATA = 0 << 4, NVME_SGL_LAST_SEGMENT = 3 << 4 };

/* 4.2 submission queue entry */
struct nvme_command {
    uint8_t opcode;
    uint8_t flags; /* bits 7:6, PSDT: 0: the data is where PRPs say; NVME_PSDT_SGL: the SGL */
    uint16_t id;
    uint32_t namespace;
    uint32_t cdw2, cdw3;
    uint64_t metadata;
    union {
        struct {
            uint64_t prp1, prp2; /* 4.3 */
        };
        struct nvme_sgl sgl;
    };
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
static_assert(sizeof(struct nvme_command) == 64, "4.2");
static_assert(offsetof(struct nvme_command, sgl) == 24, "4.2");
enum { NVME_PSDT_SGL = 1 << 6 };

/* 4.6 completion queue entry */
struct nvme_completion {
    uint32_t result;
    uint32_t reserved;
    uint16_t sq_head, sq_id;
    uint16_t id;
    uint16_t status; /* bit 0: phase */
};
static_assert(sizeof(struct nvme_completion) == 16, "4.6");

/* 4.6.1: status code type and code, the phase and the bits above taken off. */
#define NVME_STATUS(status) ((status) >> 1 & 0x7ff)
enum nvme_status {
    NVME_STATUS_SUCCESS = 0x000,
    NVME_STATUS_WRITE_PROTECTED = 0x020,
    NVME_STATUS_LBA_RANGE = 0x080,
    NVME_STATUS_READ_ONLY_RANGE = 0x182,
    NVME_STATUS_ACCESS_DENIED = 0x286, /* the one of type 2 that is not about the medium */
};
/* 4.6.1.2.3: media and data integrity errors are type 2. */
#define NVME_STATUS_IS_MEDIA(status) ((status) >> 8 == 2)

/* 5: admin opcodes */
enum {
    NVME_ADMIN_DELETE_SQ = 0x00,
    NVME_ADMIN_CREATE_SQ = 0x01,
    NVME_ADMIN_GET_LOG = 0x02,
    NVME_ADMIN_DELETE_CQ = 0x04,
    NVME_ADMIN_CREATE_CQ = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
    NVME_ADMIN_SET_FEATURES = 0x09,
    NVME_ADMIN_EVENT_REQUEST = 0x0c,
    NVME_ADMIN_DOORBELL_BUFFER = 0x7c,
};

/* 6: NVM opcodes */
enum {
    NVME_FLUSH = 0x00,
    NVME_WRITE = 0x01,
    NVME_READ = 0x02,
    NVME_WRITE_ZEROES = 0x08,
    NVME_DATASET = 0x09,
};

/* 6.7: dataset management, one range */
#define NVME_DATASET_DEALLOCATE (1u << 2)
struct nvme_dataset_range {
    uint32_t attributes;
    uint32_t count; /* blocks */
    uint64_t first;
};
static_assert(sizeof(struct nvme_dataset_range) == 16, "6.7");
enum { NVME_BLOCKS_MAX = 65536 }; /* of one command: 16 bits, zero-based */

/* 5.15.2.2: OACS */
enum { NVME_OACS_DOORBELL_BUFFER = 1u << 8 };

/* 5.15.2.2: ONCS */
enum { NVME_ONCS_DATASET = 1u << 2, NVME_ONCS_WRITE_ZEROES = 1u << 3 };

/* 5.15.1: identify, CNS */
enum { NVME_IDENTIFY_NAMESPACE = 0, NVME_IDENTIFY_CONTROLLER = 1, NVME_IDENTIFY_ACTIVE = 2 };
enum { NVME_IDENTIFY_SIZE = 4096, NVME_ACTIVE_MAX = 1024 };

/* 5.14.1.2: SMART and health information, as far as it is used */
enum { NVME_LOG_HEALTH = 0x02 };
#define NVME_NAMESPACE_ALL    UINT32_MAX
#define NVME_HEALTH_READ_ONLY (1u << 3)
struct nvme_health_log {
    uint8_t warning; /* bits */
    uint8_t reserved[511];
};
static_assert(sizeof(struct nvme_health_log) == 512, "5.14.1.2");

/* 5.21.1.7 and 5.21.1.8 */
enum { NVME_FEATURE_QUEUES = 0x07, NVME_FEATURE_COALESCING = 0x08, NVME_FEATURE_EVENTS = 0x0b };
enum { NVME_COALESCING_UNIT_US = 100, NVME_COALESCING_MAX = 256, NVME_COALESCING_TIME_MAX = 255 };

/* 5.2.1: what an event is about, and which log page; 5.21.1.11: which ones are wanted */
#define NVME_EVENT_KIND(event) ((event)&0xff07) /* information and type */
#define NVME_EVENT_LOG(event)  ((event) >> 16 & 0xff)
#define NVME_EVENT_NAMESPACES  0x0002u /* a notice: the attributes of namespaces */
#define NVME_EVENTS_HEALTH     0x1fu
#define NVME_EVENTS_NAMESPACES (1u << 8)

/* 5.3 and 5.4 */
#define NVME_QUEUE_CONTIGUOUS (1u << 0)
#define NVME_QUEUE_INTERRUPTS (1u << 1)

/* 5.15.2.2, figure 247, as far as it is used */
struct nvme_identify_controller {
    uint8_t reserved0[4];
    char serial[20], model[40]; /* not ended */
    uint8_t reserved1[77 - 64];
    uint8_t mdts; /* longest transfer: 2 to the power of this, in smallest pages; 0: no limit */
    uint8_t reserved2[92 - 78];
    uint32_t oaes; /* events that it can tell of: NVME_EVENTS_NAMESPACES ... */
    uint8_t reserved3[256 - 96];
    uint16_t oacs; /* admin commands that it knows: NVME_OACS_DOORBELL_BUFFER ... */
    uint8_t reserved4[520 - 258];
    uint16_t oncs; /* commands that it knows: NVME_ONCS_DATASET ... */
    uint8_t reserved5[3];
    uint8_t vwc; /* bit 0: a volatile write cache is there */
    uint8_t reserved6[536 - 526];
    uint32_t sgls; /* bits 1:0: whether SGLs may be used */
    uint8_t reserved7[4096 - 540];
};
static_assert(offsetof(struct nvme_identify_controller, sgls) == 536, "5.15.2.2");
static_assert(sizeof(struct nvme_identify_controller) == 4096, "5.15.2.2");

/* SGLS: 1: they may; 2: if addresses and lengths are multiples of 4, which ours are */
#define NVME_SGLS_USABLE(sgls) (((sgls)&3) == 1 || ((sgls)&3) == 2)

/* 5.15.2.1, figure 245 and 246, as far as they are used. Specification 2.0 has more formats, their
 * upper number in bits 6:5 of FLBAS, where 1.4 had reserved bytes. */
struct nvme_lba_format {
    uint16_t metadata; /* bytes per block */
    uint8_t data_shift;
    uint8_t performance;
};
enum { NVME_LBA_FORMATS = 64 };
#define NVME_LBA_FORMAT(flbas) (((flbas)&15) | ((flbas) >> 5 & 3) << 4)

struct nvme_identify_namespace {
    uint64_t size; /* blocks */
    uint8_t reserved[25 - 8];
    uint8_t formats; /* NLBAF: less one */
    uint8_t format;  /* FLBAS: bits 3:0 and 6:5 the one in use */
    uint8_t reserved0[2];
    uint8_t protection; /* DPS: bits 2:0: type of end-to-end protection in use */
    uint8_t reserved1[99 - 30];
    uint8_t attributes; /* NSATTR, bit 0: write protected */
    uint8_t reserved2[128 - 100];
    struct nvme_lba_format lba_format[NVME_LBA_FORMATS];
    uint8_t reserved3[4096 - 384];
};
static_assert(offsetof(struct nvme_identify_namespace, lba_format) == 128, "5.15.2.1");
static_assert(sizeof(struct nvme_identify_namespace) == 4096, "5.15.2.1");

#endif
