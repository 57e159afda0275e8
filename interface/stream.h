/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class: what a client and a driver of a small device say to each other. Serial and
 * parallel ports carry bytes (interface/serial.h, parallel.h), input devices events (input.h), a
 * source of randomness random bytes.
 *
 * These layouts cross task boundaries. All fields are in the machine's byte order (both ends run on
 * the same machine); reserved fields are zero. Whoever receives one copies it once and checks the
 * copy before use: nothing here may be trusted because of where it came from.
 *
 * Data lies in the entries of the queue (interface/queue.h) themselves: these devices are slow, and
 * one that masters the bus does so in its driver's memory only. Every submission is answered by one
 * completion. Writes and controls of a session are carried out in the order in which they came,
 * reads beside them.
 */
#ifndef INTERFACE_STREAM_H
#define INTERFACE_STREAM_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum stream_operation {
    STREAM_WRITE = 1,   /* the data, to the device; answered when it has been given all of it */
    STREAM_READ = 2,    /* answered with what comes, whenever that is */
    STREAM_CONTROL = 3, /* a request `code` of the device's kind, answered with its reply */
};

enum stream_submission_flags {
    /* Of a write: only if no write before it has failed, up to the last one without this flag. */
    STREAM_CONTINUES = 1u << 0,
    /* Of a control: before whatever waits. */
    STREAM_NOW = 1u << 1,
};

/* Of a read: what is to be said of its last byte. */
enum stream_completion_flags {
    STREAM_BREAK = 1u << 0,   /* it is none: the line was held */
    STREAM_FRAMING = 1u << 1, /* its stop bit was wrong */
    STREAM_PARITY = 1u << 2,
    STREAM_OVERRUN = 1u << 3, /* something was lost before it */
};

enum stream_status {
    STREAM_STATUS_OK = 0,
    STREAM_STATUS_INVALID = 1,     /* malformed, or values that the device does not know */
    STREAM_STATUS_UNSUPPORTED = 2, /* this device cannot */
    STREAM_STATUS_CANCELLED = 3,   /* a write before it failed, or the client said so */
    STREAM_STATUS_FAILED = 4,      /* the device did not do it */
    STREAM_STATUS_OFFLINE = 5,     /* a printer that is not selected, or nothing is connected */
    STREAM_STATUS_PAPER = 6,       /* a printer has no paper */
    STREAM_STATUS_GONE = 7,        /* the driver is no longer there */
};

#define STREAM_SLOTS 64 /* most submissions one session may have in flight */
#define STREAM_DATA  48 /* bytes in one entry */

/* The client chooses `slot` and `generation`; they come back in the completion. */
struct stream_submission {
    uint8_t operation; /* enum stream_operation */
    uint8_t flags;     /* enum stream_submission_flags */
    uint16_t slot;     /* below STREAM_SLOTS */
    uint32_t generation;
    uint16_t code;   /* of a control; otherwise 0 */
    uint16_t length; /* of the data; of a read 0 */
    uint32_t reserved;
    uint8_t data[STREAM_DATA];
};
static_assert(sizeof(struct stream_submission) == 64, "a cache line");

struct stream_completion {
    uint16_t slot;
    uint8_t status; /* enum stream_status */
    uint8_t flags;  /* enum stream_completion_flags */
    uint32_t generation;
    uint32_t epoch;  /* the session's, which its client chose: tells it from an older driver's */
    uint16_t length; /* of a write: how much the device was given, whatever the status; else of the
                        data */
    uint16_t reserved;
    uint8_t data[STREAM_DATA];
};
static_assert(sizeof(struct stream_completion) == 64, "a cache line");

/* Controls that every device has. Those of its kind have codes from STREAM_CODE_FIRST on. */
enum stream_code {
    STREAM_CODE_CANCEL = 1, /* answer every write that waits, with what was done of it */
    STREAM_CODE_DRAIN = 2,  /* answered when all that was written has left the device */
    STREAM_CODE_FIRST = 16,
};

enum stream_info_flags {
    STREAM_INFO_SHARED = 1u << 0, /* several sessions at a time, each of which reads everything */
};

struct stream_info {
    uint32_t flags; /* enum stream_info_flags */
    char model[60]; /* NUL-terminated */
};
static_assert(sizeof(struct stream_info) == 64, "wire layout");

#endif
