/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's side of a block session: the private table of what is in flight. The truth about a
 * request is here, not with the driver. Portable; the host carries the messages.
 */
#ifndef KIT_BLOCK_CLIENT_CORE_H
#define KIT_BLOCK_CLIENT_CORE_H

#include <stdbool.h>

#include <kit/block_client.h>

struct block_client_link; /* the host's */

enum { BLOCK_CLIENT_BATCH = 32 };

struct block_client {
    struct block_info info;
    struct block_client_link *link;
    bool gone; /* the driver is */
    uint8_t flags;
    unsigned in_flight;
    unsigned finished; /* so far; wraps */
    unsigned rejected; /* completions for nothing that was asked */
    unsigned batched;
    struct block_submission batch[BLOCK_CLIENT_BATCH];
    unsigned free_count;
    uint16_t free_slot[BLOCK_SLOTS];
    struct {
        bool in_flight;
        bool sent; /* no longer in the batch: before that there is nothing to complete */
        uint32_t generation;
        struct block_submission submission; /* a copy of what was asked */
        block_client_done done;
        void *context;
    } table[BLOCK_SLOTS];
};

void block_client_init(struct block_client *client, const struct block_info *info,
                       struct block_client_link *link);

/* Whether a driver's description of its device can be true. */
bool block_info_is_possible(const struct block_info *info);

/* For a host that delivers completions from its event loop: send what was submitted (ENODEV: it has
 * failed), take completions (copies, of our epoch), and fail all that is in flight, for good. */
int block_client_send(struct block_client *client);
void block_client_take(struct block_client *client, const struct block_completion *completions,
                       unsigned count);
void block_client_fail(struct block_client *client);

/* By the host. ENODEV: the driver is gone. */
int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count);
/* Wait for completions: at least one, copied. ENODEV. */
int block_client_link_receive(struct block_client_link *link, struct block_completion *completions,
                              unsigned limit, unsigned *count);

#endif
