/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class, as a driver sees it.
 *
 * The kit serves the clients: it checks every submission, bounds it to the session, translates
 * buffers to device addresses and keeps the order of a full queue. The driver turns a request into
 * a command and says when it is done. No memory is allocated per request.
 */
#ifndef KIT_BLOCK_H
#define KIT_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <interface/block.h>

struct device;
struct block_device;
struct block_session;

/* A piece of memory as the device sees it: `address` is a multiple of 4, `length` of the block
 * size.
 */
struct block_segment {
    uint64_t address;
    uint64_t length;
};

/* A request that the kit has checked. The driver owns it from `start` until block_request_done. */
struct block_request {
    uint16_t slot;     /* the kit's, as `flags` and `generation` */
    uint8_t operation; /* enum block_operation; a flush if there is a volatile cache */
    uint8_t flags;
    uint32_t generation;
    uint64_t block;   /* first block on the device */
    uint32_t count;   /* blocks; 0 for a flush */
    uint64_t address; /* device address of the data, or its first segment; a multiple of 4 */
    uint64_t length;  /* bytes: count * block size; of a discard or write of zeroes: 0 */
    /* Where the data is if it is not contiguous, which only happens to a device with
     * BLOCK_INFO_SCATTER; else null. Up to BLOCK_PARTS, `length` bytes together. */
    const struct block_segment *segments;
    unsigned segment_count;
    unsigned client; /* a small number that tells this session from the others; 0, 1, 2 ... */
    uint8_t busy;    /* the kit's */
    bool silent;     /* need raise no interrupt: the kit calls `poll` until it is done */
    void *driver;    /* the driver's to use while it owns the request */
    struct block_session *session; /* the kit's, as what follows */
    uint64_t reserved[6];
};

struct block_device_ops {
    /* Give the request to the device and return true, or return false if there is no room now: the
     * kit then keeps it, and offers it again after the next completion. May call
     * block_request_done at once. */
    bool (*start)(void *context, struct block_request *request);

    /* Called once after a batch of starts: ring the doorbell. May be null. */
    void (*kick)(void *context);

    /* For a device that can complete a request without an interrupt; null: it cannot, and no
     * request is silent. `poll` ends what the device has completed. `ready` says whether there is
     * any, in a few instructions: it is called in a loop. */
    void (*poll)(void *context);
    bool (*ready)(void *context);

    /* For a device that can gather completions into one interrupt: for so many, or when the first
     * of them has waited so long; 1 and 0: one for each. Null: it cannot. 0 or an errno value. */
    int (*gather)(void *context, unsigned count, unsigned microseconds);

    /* Called every few seconds while the driver has requests: end what the device has completed, if
     * an interrupt was lost. Null, or why the device cannot be relied on any more. Then, or when
     * the driver has had a request for 30 s, the kit gives the device up. */
    const char *(*watch)(void *context);
};

/* What the driver knows of its device; copied. See interface/block.h for the fields. */
struct block_device_limits {
    uint64_t blocks;
    uint32_t block_size;   /* a power of two, 512 to 65536 */
    uint32_t max_transfer; /* bytes, a multiple of block_size */
    uint32_t max_blocks;   /* for discards and zeroes; may be 0 if there are none */
    uint32_t flags;        /* enum block_info_flags */
    char serial[32];       /* as the device says it: the kit leaves out blanks around it and ... */
    char model[48];        /* ... all but one of several; what cannot be printed is '?' */
};

/* Offer a device to clients as "<device name><suffix>", e.g. "nvme0" + "n1", and say so in the log.
 * 0 or an errno value, with a line in the log, and no device: EINVAL for impossible limits, EEXIST,
 * ENOMEM. */
int block_device_publish(struct device *device, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context,
                         struct block_device **result);

/* The device is not there any more. Requests are given back as always; clients wait for the same
 * device to be published under the same name, and go on with it, or fail. Not from `start` or
 * `kick`; afterwards `device` is not the driver's. */
void block_device_withdraw(struct block_device *device);

/* The device has another number of blocks now, for who opens it from now on. */
void block_device_resize(struct block_device *device, uint64_t blocks);

/* No more requests are started on any device, whose drivers have a `watch`. Wait until the driver
 * has given back those that it has; false: some are still with it. */
bool block_stop(uint64_t limit);

/* The device cannot be relied on any more: the driver ends, the device is reset, and another driver
 * is given again what this one had. */
void block_give_up(const char *why) __attribute__((noreturn));

/* The request is over and goes back to the kit. Call once for each request that was started. */
void block_request_done(struct block_request *request, enum block_status status);

/* The same for what the device failed, with its own number for the reason: the log tells of it. */
void block_request_failed(struct block_request *request, enum block_status status, unsigned why);

#endif
