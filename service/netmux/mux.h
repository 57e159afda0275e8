/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network card shared out to several clients, each with an address of its own: a device of the
 * network class for each of them, and one session with the card. Portable.
 *
 * A frame is copied once: from the sender's memory into ours, where nobody can change its source
 * address after we have looked at it, or straight into another client's buffer; and a frame that
 * comes from ours into the buffers of those whom it is for, which only its header tells.
 */
#ifndef SERVICE_NETMUX_MUX_H
#define SERVICE_NETMUX_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/client/net.h>
#include <kit/net.h>

enum { MUX_PORTS_MAX = 8, MUX_FRAMES = 256 };

struct mux;

/* Requests in the order in which they came. */
struct mux_line {
    struct net_request *request[NET_SLOTS];
    unsigned first, count;
};

struct mux_port {
    struct mux *mux;
    struct net_device *device; /* the class's; set by who publishes it */
    struct net_info info;
    struct net_filter filter;
    struct mux_line send, receive;
    uint16_t flow;                      /* its frames', for a card with several queues */
    unsigned on_the_way;                /* frames of its that the card has */
    struct mux_frame *kept, **kept_end; /* that came when it had no buffer */
    unsigned kept_count;                /* places that those are in */
    unsigned buffer_count;
    struct {
        unsigned char *memory;
        size_t size;
    } buffer[NET_BUFFERS]; /* of its client, mapped here */
};

/* A frame, or what of it lies in one place. */
struct mux_piece {
    const unsigned char *data;
    uint32_t length;
    struct mux_piece *more;
};

/* Room for a frame, or for a piece of one that comes, in memory that the card reaches. */
struct mux_frame {
    struct mux_piece piece; /* what came; first: its `more` are others' */
    bool is_kept;
    struct mux *mux;
    unsigned char *memory;
    struct net_place place;
    struct mux_port *port;       /* whose frame it is, to be sent; null: its client has gone */
    struct net_request *request; /* likewise */
    struct mux_frame *next;      /* free, or kept: then with what came */
    uint32_t length;
    uint8_t flags;
};

struct mux {
    struct net_client *card;
    unsigned port_count;
    struct mux_port port[MUX_PORTS_MAX];
    unsigned next;  /* whose turn it is to send */
    unsigned share; /* of the frames to send, for each port */
    bool submitted; /* something to the card, since mux_turn */
    bool is_hungry; /* a client is running out of buffers, since it was last looked at */
    unsigned send_count, receive_count;
    struct mux_frame *free;
    struct mux_frame send[MUX_FRAMES], receive[MUX_FRAMES];
    struct net_filter filter; /* the card's */
};

/* Share out `card`, with its filter and its buffers, among so many. 0 or an errno value. */
int mux_init(struct mux *mux, struct net_client *card, unsigned ports);

/* The class's; the context is a struct mux_port. */
extern const struct net_device_ops mux_port_ops;

/* Memory of its client: `address` is what requests give, with an offset added. ENOSPC; EINVAL. */
int mux_port_attach(struct mux_port *port, void *memory, size_t size, uint64_t *address);

/* After requests came, and after the card has been looked at: send what there is room for, from
 * each port in turn. Whether something was submitted to the card. */
bool mux_turn(struct mux *mux);

#endif
