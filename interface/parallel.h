/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Parallel ports: devices of the stream class (stream.h) that are offered as class "parallel". What
 * is written goes to the printer, or whatever is there, byte by byte; it fails while the printer is
 * offline (STREAM_STATUS_OFFLINE), out of paper (STREAM_STATUS_PAPER) or says that it has an error
 * (STREAM_STATUS_FAILED).
 */
#ifndef INTERFACE_PARALLEL_H
#define INTERFACE_PARALLEL_H

#include <interface/stream.h>

enum parallel_code {
    PARALLEL_CODE_STATUS = STREAM_CODE_FIRST, /* the reply is a struct parallel_status */
    PARALLEL_CODE_ID,    /* struct parallel_id; the reply is that part of the IEEE 1284 device id */
    PARALLEL_CODE_RESET, /* the printer, by its line for that */
    PARALLEL_CODE_MODE,  /* struct parallel_mode_wanted */
    PARALLEL_CODE_EPP_ADDRESS, /* one byte: an EPP address cycle */
    PARALLEL_CODE_EPP_READ, /* one byte, how many to read by EPP data cycles; the reply is those */
};

/* How what is written is transferred. */
enum parallel_mode { PARALLEL_SPP, PARALLEL_EPP };

struct parallel_mode_wanted {
    uint32_t mode; /* enum parallel_mode; EPP: STREAM_STATUS_UNSUPPORTED without it */
};

/* Where in the id to begin; an empty reply: behind its end. */
struct parallel_id {
    uint32_t offset;
};

enum parallel_signals {
    PARALLEL_ERROR = 1u << 0,
    PARALLEL_ONLINE = 1u << 1,
    PARALLEL_NO_PAPER = 1u << 2,
    PARALLEL_BUSY = 1u << 3,
};

enum parallel_chip { PARALLEL_CHIP_SPP, PARALLEL_CHIP_EPP, PARALLEL_CHIP_ECP };

struct parallel_status {
    uint8_t chip;    /* enum parallel_chip: what it is besides */
    uint8_t mode;    /* enum parallel_mode */
    uint8_t signals; /* enum parallel_signals */
    uint8_t reserved;
    uint32_t sent; /* bytes, since the driver was started */
    uint32_t interrupts;
};
static_assert(sizeof(struct parallel_status) == 12, "wire layout");

#endif
