/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What only a server that stands between a driver and its clients needs of a block client
 * (kit/client/block.h) that joined the event loop.
 */
#ifndef HOST_MACH_BLOCK_CLIENT_H
#define HOST_MACH_BLOCK_CLIENT_H

#include <kit/client/block.h>

/* Complain of the driver, which is replaced, and have what is in flight submitted to the next one.
 * Not from `done`: other completions of the old driver may be about to be taken. */
void block_client_accuse(struct block_client *client, const char *reason);

/* The same of a driver that offers what it should not; and close the client, which was just opened.
 */
void block_client_refuse(struct block_client *client, const char *reason);

/* What is submitted goes to the driver at the end of the event loop's turn, and does not wait for
 * more: whoever submits has gathered it already. */
void block_client_send_at_once(struct block_client *client);

#endif
