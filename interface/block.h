/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class: what a client and a driver say to each other.
 *
 * These layouts cross task boundaries. All fields are in the machine's byte order (both ends run on
 * the same machine); reserved fields are zero. Whoever receives one copies it once and checks the
 * copy before use: nothing here may be trusted because of where it came from.
 */
#ifndef INTERFACE_BLOCK_H
#define INTERFACE_BLOCK_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum block_operation {
    BLOCK_READ = 1,         /* device to buffer */
    BLOCK_WRITE = 2,        /* buffer to device */
    BLOCK_FLUSH = 3,        /* every write completed before this was submitted becomes durable */
    BLOCK_DISCARD = 4,      /* what the blocks hold does not matter any more */
    BLOCK_WRITE_ZEROES = 5, /* as if zeroes were written, without a buffer */
};

/* How the client would have the driver learn that the request is done; neither: by interrupt while
 * there is little to do, by polling while there is much. */
enum block_flags {
    BLOCK_POLLED = 1u << 0,
    BLOCK_INTERRUPT = 1u << 1,
    BLOCK_SCATTER = 1u << 2, /* a read's or write's data is in several places: see `part` */
};

/* What became of a request. */
enum block_status {
    BLOCK_STATUS_OK = 0,
    BLOCK_STATUS_INVALID = 1,   /* malformed: unknown operation, bad buffer, zero count, too long */
    BLOCK_STATUS_RANGE = 2,     /* reaches past the end of the session's range */
    BLOCK_STATUS_READ_ONLY = 3, /* a write where the session or the device is read-only */
    BLOCK_STATUS_MEDIUM = 4,    /* the device reports unreadable or unwritable blocks */
    BLOCK_STATUS_DEVICE = 5,    /* the device failed the command for another reason */
    BLOCK_STATUS_TIMEOUT = 6,   /* the device did not answer in time */
    BLOCK_STATUS_GONE = 7,      /* the device or its driver is no longer there */
};

/* A request. The client chooses `slot` and `generation`; they come back in the completion. */
struct block_submission {
    union {
        struct {
            uint16_t slot;     /* client's: below BLOCK_SLOTS */
            uint8_t operation; /* enum block_operation */
            uint8_t flags; /* enum block_flags: POLLED, INTERRUPT or neither; and SCATTER or not */
            uint32_t generation;
            uint64_t block;  /* first block, in the device's blocks from the session's start;
                              * flush: 0 */
            uint32_t count;  /* how many blocks; flush: 0 */
            uint32_t buffer; /* id of an attached buffer; flush, discard, zeroes: 0 */
            uint64_t offset; /* bytes into the buffer, a multiple of 4; as `buffer` */
        };
        uint64_t word[4]; /* all of that, for who reads or writes it in few accesses */
    };
    /* With BLOCK_SCATTER: where the data goes on, as block_part_make has it; the first part, at
     * `buffer` and `offset`, has the blocks that these leave over of `count`, at least one. 0:
     * there are no more. Without the flag they mean nothing, and need not even be written. */
    uint64_t part[4];
};
static_assert(sizeof(struct block_submission) == 64, "a submission is one cache line");
static_assert(offsetof(struct block_submission, part) == 32, "the words are all that is before");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "what the words' helpers take for granted");

/* The first word's fields, and the third's. */
static inline uint64_t block_word_make(unsigned operation, unsigned flags, unsigned slot,
                                       uint32_t generation)
{
    return slot | operation << 16 | (uint64_t)flags << 24 | (uint64_t)generation << 32;
}

static inline uint64_t block_word_pair(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

/* Places that a request's data may be in, the first among them. */
enum { BLOCK_PARTS = 5 };

/* A part in 64 bits: buffer (8 bits, the lowest), blocks (24), offset into the buffer in units of 4
 * bytes (32). The values must fit: see block_part_fits. */
enum { BLOCK_PART_BLOCKS_MAX = (1 << 24) - 1 };

static inline int block_part_fits(uint32_t buffer, uint32_t blocks, uint64_t offset)
{
    return buffer <= UINT8_MAX && blocks > 0 && blocks <= BLOCK_PART_BLOCKS_MAX &&
           offset % 4 == 0 && offset / 4 <= UINT32_MAX;
}

static inline uint64_t block_part_make(uint32_t buffer, uint32_t blocks, uint64_t offset)
{
    return buffer | (uint64_t)blocks << 8 | offset / 4 << 32;
}

static inline uint32_t block_part_buffer(uint64_t part)
{
    return part & UINT8_MAX;
}

static inline uint32_t block_part_blocks(uint64_t part)
{
    return part >> 8 & BLOCK_PART_BLOCKS_MAX;
}

static inline uint64_t block_part_offset(uint64_t part)
{
    return (part >> 32) * 4;
}

struct block_completion {
    union {
        struct {
            uint16_t slot;
            uint16_t status; /* enum block_status */
            uint32_t generation;
            uint32_t length; /* bytes moved: all of the request on success; none: 0 */
            uint32_t epoch;  /* the session's, which its client chose: tells it from an older
                              * driver's */
        };
        uint64_t word[2]; /* all of that */
    };
};
static_assert(sizeof(struct block_completion) == 16, "four completions to a cache line");

/* Most requests one session may have in flight. */
#define BLOCK_SLOTS 256
/* Most buffers one session may have attached. */
#define BLOCK_BUFFERS 64

enum block_info_flags {
    BLOCK_INFO_READ_ONLY = 1u << 0,
    BLOCK_INFO_VOLATILE_CACHE = 1u << 1, /* completed writes need a flush to be durable */
    BLOCK_INFO_DISCARD = 1u << 2,        /* the operation is there */
    BLOCK_INFO_WRITE_ZEROES = 1u << 3,   /* likewise */
    BLOCK_INFO_COPIES = 1u << 4, /* no device, but a task moves the data: buffers are lent to
                                  * be written to by it */
    BLOCK_INFO_KEPT = 1u << 5, /* it keeps what is written until it is flushed; clients need not */
    BLOCK_INFO_SCATTER = 1u << 6, /* a request's data may be in several places: BLOCK_SCATTER */
    BLOCK_INFO_SCATTER_PAGES = 1u << 7, /* of which only the first may begin, and only the last may
                                         * end, inside a page of the buffer (4096 bytes) */
};

/* What a session sees of its device. */
struct block_info {
    uint64_t blocks;       /* size of the session's range, in blocks */
    uint32_t block_size;   /* bytes: 512 or 4096, in general a power of two of at least 512 */
    uint32_t max_transfer; /* bytes: the longest single request, a multiple of block_size */
    uint32_t flags;        /* enum block_info_flags */
    uint32_t max_blocks;   /* the longest single discard or write of zeroes, in blocks */
    uint64_t first;  /* where the range begins on the device: the same part when it comes back */
    char serial[32]; /* NUL-terminated, blanks trimmed */
    char model[48];  /* likewise */
};
static_assert(sizeof(struct block_info) == 112, "wire layout");

#endif
