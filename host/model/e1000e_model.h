/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of an 82574L (Intel 82574 GbE Controller Family datasheet): registers, the two rings of
 * legacy descriptors, interrupts by MSI-X or a line. It shares no layout with the driver, holds it
 * to the rules (a breach is a violation), and can be told to break them itself.
 */
#ifndef HOST_MODEL_E1000E_MODEL_H
#define HOST_MODEL_E1000E_MODEL_H

#include "model.h"
#include "wire.h"

struct e1000e_model {
    struct model_device device; /* first: the handlers cast */

    struct model_wire wire;
    uint8_t errors, status;  /* of the next descriptor, besides what is so */
    bool without_end;        /* the next descriptor does not end a frame */
    uint16_t claimed_length; /* what the next descriptor says; 0: the truth */
    unsigned missed;         /* as its counter has it */
    bool done_too_soon; /* every descriptor says that it is done, also those it was not given */

    bool link, no_address;
    bool gone, never_stops, never_resets;

    unsigned interrupts, resets, doorbells;
    uint64_t reset_due; /* 0: no reset under way */
    uint32_t reg[0x6000 / 4];
    uint32_t mask; /* of interrupts */
    uint32_t cause;
};

/* A device with MSI-X, an address and a link. */
void e1000e_model_init(struct e1000e_model *model);

/* The link has changed: told by an interrupt. */
void e1000e_model_link(struct e1000e_model *model, bool up);

/* Whether a frame to that group passes its filters. */
bool e1000e_model_takes_group(const struct e1000e_model *model, const uint8_t *group);
/* To that address, which is no group's. */
bool e1000e_model_takes_own(const struct e1000e_model *model, const uint8_t *address);

#endif
