/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "station.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>

enum { LINE = 64, MEMORY_MOST = 2 << 20 };

/* For a frame that came in several pieces, while it is looked at. */
static unsigned char whole[NET_FRAME_MOST];

static void receive_done(void *context, enum net_completion_status status, uint32_t length,
                         uint8_t flags)
{
    struct station_slot *slot = context;
    struct station *station = slot->station;

    slot->busy = false;
    if (status == NET_STATUS_GONE)
        return;
    station->summed += status == NET_STATUS_OK && (flags & NET_CHECKSUM_GOOD);
    if (status == NET_STATUS_OK && station->received)
        station->received(station->context,
                          net_client_frame(station->client,
                                           station->receive_memory + slot->place.offset, flags,
                                           whole),
                          length);
    slot->busy = net_client_receive(station->client, &slot->place, receive_done, slot) == 0;
}

static void send_done(void *context, enum net_completion_status status, uint32_t length,
                      uint8_t flags)
{
    struct station_slot *slot = context;

    (void)length, (void)flags;
    slot->busy = false;
    *(status == NET_STATUS_OK ? &slot->station->sent : &slot->station->dropped) += 1;
}

static uint32_t slot_size(uint32_t room)
{
    return (room + LINE - 1) & ~(uint32_t)(LINE - 1);
}

/* As many as there is memory for. */
static int slots_make(struct station *station, struct station_slot *slots, uint32_t room,
                      unsigned char **memory, unsigned *count)
{
    void *address;
    uint32_t buffer, size = slot_size(room);

    *count = MEMORY_MOST / size < STATION_FRAMES ? MEMORY_MOST / size : STATION_FRAMES;
    int error = net_client_buffer(station->client, (size_t)size * *count, &address, &buffer);
    if (error != 0)
        return error;
    *memory = address;
    for (unsigned i = 0; i < *count; i++)
        slots[i] = (struct station_slot){station, {buffer, room, (uint64_t)i * size}, false};
    return 0;
}

int station_open(struct station *station, const char *name,
                 void (*received)(void *context, const unsigned char *frame, uint32_t length),
                 void *context)
{
    memset(station, 0, sizeof(*station));
    station->received = received;
    station->context = context;
    int error = net_client_open(name, &station->client);
    if (error != 0)
        return error;
    station->info = net_client_info(station->client);
    unsigned places = 0;
    error = slots_make(station, station->receive, station->info->receive_size,
                       &station->receive_memory, &places);
    if (error == 0)
        error = slots_make(station, station->send, station->info->max_frame, &station->send_memory,
                           &station->count);
    for (unsigned i = 0; i < places && error == 0; i++) {
        struct station_slot *slot = &station->receive[i];
        error = net_client_receive(station->client, &slot->place, receive_done, slot);
        slot->busy = error == 0;
    }
    if (error != 0)
        net_client_close(station->client);
    return error;
}

void station_close(struct station *station)
{
    net_client_close(station->client);
}

unsigned char *station_place(struct station *station)
{
    for (unsigned i = 0; i < station->count; i++) {
        unsigned number = (station->next + i) % station->count;
        if (!station->send[number].busy) {
            station->next = number;
            return station->send_memory + station->send[number].place.offset;
        }
    }
    return NULL;
}

int station_send(struct station *station, uint32_t length)
{
    struct station_slot *slot = &station->send[station->next];

    slot->place.length = length;
    int error = net_client_send(station->client, &slot->place, send_done, slot);
    if (error == 0) {
        slot->busy = true;
        station->next = (station->next + 1) % station->count;
    }
    return error;
}

int station_await_link(struct station *station, unsigned milliseconds)
{
    uint64_t start = clock_now();
    struct net_state state;

    for (;;) {
        int error = net_client_poll(station->client);
        net_client_state(station->client, &state);
        if (error != 0 || state.link)
            return error;
        uint64_t waited = (clock_now() - start) / CLOCK_MILLISECOND;
        if (waited >= milliseconds)
            return ETIMEDOUT;
        net_client_wait(station->client, (unsigned)(milliseconds - waited));
    }
}
