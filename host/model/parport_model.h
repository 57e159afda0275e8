/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a parallel port, with EPP and ECP or without, and of a printer that has an IEEE 1284
 * device id.
 */
#ifndef HOST_MODEL_PARPORT_MODEL_H
#define HOST_MODEL_PARPORT_MODEL_H

#include "model.h"

enum { PARPORT_MODEL_PAPER = 8192 };

struct parport_model {
    struct model_device device; /* first: the handlers cast */

    bool is_absent, has_epp, has_ecp;

    /* The printer. */
    bool no_paper, offline, error, busy;
    unsigned takes; /* bytes, and then it is busy; 0: any number */
    uint8_t printed[PARPORT_MODEL_PAPER];
    unsigned printed_count, resets;
    bool epp_answers;
    uint8_t epp_address, epp_next; /* what is read by EPP, counting up */
    unsigned epp_count;

    /* IEEE 1284: with its two bytes of length; null: it does not negotiate. */
    const char *id;
    unsigned id_size, id_stops_at; /* at that byte it says nothing more; 0: never */

    uint8_t data, control, ecr;
    bool timed_out;
    enum { PARPORT_FORWARD, PARPORT_ASKED, PARPORT_ID, PARPORT_ENDING } phase;
    uint8_t status; /* outside PARPORT_FORWARD */
    unsigned nibble;
};

/* A port with nothing but SPP, a printer that is ready. */
void parport_model_init(struct parport_model *model);

#endif
