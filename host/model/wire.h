/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The end of the wire that a model network card is at: what comes from it, and what went out to it.
 */
#ifndef HOST_MODEL_WIRE_H
#define HOST_MODEL_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_WIRE_FRAME = 16384 };

struct model_wire {
    /* What comes next: `waiting` frames of that length, each with bytes of its number. */
    unsigned waiting;
    uint32_t length;
    unsigned arrived; /* so far */

    /* What went out, and the last one. */
    unsigned sent;
    uint32_t sent_length;
    uint8_t sent_frame[MODEL_WIRE_FRAME];
    bool holds_sends; /* frames are not sent */
};

#endif
