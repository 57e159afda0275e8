/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A station on a network: buffers that always wait for frames, and places for frames to send.
 */
#ifndef SERVICE_SHELL_STATION_H
#define SERVICE_SHELL_STATION_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/client/net.h>

enum { STATION_FRAMES = 256 };

struct station;

struct station_slot {
    struct station *station;
    struct net_place place;
    bool busy; /* with the device */
};

struct station {
    struct net_client *client;
    const struct net_info *info;
    unsigned count; /* slots for frames to send */
    unsigned char *receive_memory, *send_memory;
    struct station_slot receive[STATION_FRAMES], send[STATION_FRAMES];
    unsigned next; /* where to look for a free place */
    uint64_t sent, dropped;
    uint64_t summed; /* frames that came whose sums the device found right */

    /* A frame came; it is there until this returns, and the sender may change nothing of it. */
    void (*received)(void *context, const unsigned char *frame, uint32_t length);
    void *context;
};

/* 0 or an errno value. */
int station_open(struct station *station, const char *name,
                 void (*received)(void *context, const unsigned char *frame, uint32_t length),
                 void *context);
void station_close(struct station *station);

/* A place for a frame of up to info->max_frame bytes, or null: all are on their way. */
unsigned char *station_place(struct station *station);

/* Send what was written to the place that station_place returned last. As net_client_send. */
int station_send(struct station *station, uint32_t length);

/* Wait until the link is up, at most so long. ETIMEDOUT. */
int station_await_link(struct station *station, unsigned milliseconds);

#endif
