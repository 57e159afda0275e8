/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network cards that are open, by name: one session each, however many opened it, and memory
 * for frames.
 */
#ifndef SERVICE_NETDEVICE_CARD_H
#define SERVICE_NETDEVICE_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include <interface/types.h>
#include <kit/client/net.h>

#include "listener.h"

enum { CARD_FRAMES = 256 };

struct card;

struct card_frame {
    struct card *card;
    unsigned char *memory;
    struct net_place place;
    struct card_frame *next; /* free */
};

struct card {
    char name[OUTBOARD_NAME_SIZE];
    struct net_client *client;
    struct listeners listeners;
    unsigned users;
    bool is_gone; /* its driver, for good */
    struct card_frame *free;
    struct card_frame send[CARD_FRAMES], receive[CARD_FRAMES];
    struct card *next;
};

/* One more user of the card of that name. 0 or an errno value; EBUSY: somebody else has it. */
int card_open(const char *name, struct card **card);

/* Closes the session of one that has no users left, with cards_tidy. */
void card_release(struct card *card);

/* Not from a call back of a session. */
void cards_tidy(void);

struct card *cards_first(void);

/* Send a copy. False: there is no room now. With no link, or no driver at the moment, it is
 * dropped, as a network may. */
bool card_send(struct card *card, const void *frame, uint32_t length);

#endif
