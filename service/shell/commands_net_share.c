/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two stations at once, on two devices that share a card: what one sends the other gets, and
 * nothing else.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>

#include "console.h"
#include "packet.h"
#include "shell.h"
#include "station.h"

enum { TYPE = 0x88b6 /* IEEE 802: for local experiments */, BYTES = 200, FRAMES_MAX = 1000000 };
enum { LINK_LIMIT = 5000, WINDOW = 32 };

/* What a frame is meant to be, in the byte behind the header. */
enum sort { TO_THE_OTHER, TO_ALL, TO_A_GROUP, STOLEN, SORTS };

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x4f, 0x42, 0x01};

static struct pair {
    struct station station;
    uint64_t sent, came[SORTS], wrong;
} pairs[2];

static void pair_received(void *context, const unsigned char *frame, uint32_t length)
{
    struct pair *pair = context;
    const struct pair *other = pair == &pairs[0] ? &pairs[1] : &pairs[0];
    unsigned sort = frame[PACKET_ETHERNET];

    if (length < PACKET_ETHERNET + 2 || frame[12] != TYPE >> 8 || frame[13] != (TYPE & 0xff))
        return;
    bool is_right =
        length == BYTES && sort < SORTS && memcmp(frame + 6, other->station.info->address, 6) == 0;
    for (unsigned at = PACKET_ETHERNET + 1; at < length; at++)
        is_right &= frame[at] == (unsigned char)(sort + at);
    if (is_right)
        pair->came[sort]++;
    else
        pair->wrong++;
}

/* False: there is no room now. */
static bool pair_send(struct pair *pair, enum sort sort)
{
    const struct station *other = &pairs[pair == &pairs[0]].station;
    const uint8_t *to = sort == TO_ALL ? all : sort == TO_A_GROUP ? group : other->info->address;
    unsigned char *frame = station_place(&pair->station);

    if (!frame)
        return false;
    memcpy(frame, to, 6);
    memcpy(frame + 6, (sort == STOLEN ? other : &pair->station)->info->address, 6);
    frame[12] = TYPE >> 8;
    frame[13] = TYPE & 0xff;
    frame[PACKET_ETHERNET] = (unsigned char)sort;
    for (unsigned at = PACKET_ETHERNET + 1; at < BYTES; at++)
        frame[at] = (unsigned char)(sort + at);
    return station_send(&pair->station, BYTES) == 0;
}

static int pairs_poll(void)
{
    int error = net_client_poll(pairs[0].station.client);

    return error == 0 ? net_client_poll(pairs[1].station.client) : error;
}

static uint64_t pair_ended(const struct pair *pair)
{
    return pair->station.sent + pair->station.dropped;
}

/* So many frames of a sort both ways, a few at a time. */
static int exchange(enum sort sort, unsigned frames)
{
    uint64_t target = pairs[0].sent + frames;

    for (;;) {
        bool all_ended = true;
        for (unsigned i = 0; i < 2; i++) {
            struct pair *pair = &pairs[i];
            while (pair->sent < target && pair->sent - pair_ended(pair) < WINDOW &&
                   pair_send(pair, sort))
                pair->sent++;
            all_ended &= pair->sent == target && pair_ended(pair) == target;
        }
        int error = pairs_poll();
        if (error != 0 || all_ended)
            return error;
        clock_sleep(CLOCK_MILLISECOND / 10);
    }
}

static void result_print(const char *name, const struct pair *pair)
{
    console_print(
        "%s: %llu to it, %llu to all, %llu to its group, %llu under its own address, "
        "%llu wrong; of its own %llu sent, %llu refused\n",
        name, (unsigned long long)pair->came[TO_THE_OTHER], (unsigned long long)pair->came[TO_ALL],
        (unsigned long long)pair->came[TO_A_GROUP], (unsigned long long)pair->came[STOLEN],
        (unsigned long long)pair->wrong, (unsigned long long)pair->station.sent,
        (unsigned long long)pair->station.dropped);
}

static int pairs_open(char **names)
{
    int error = 0;

    memset(pairs, 0, sizeof(pairs));
    for (unsigned i = 0; i < 2; i++) {
        error = station_open(&pairs[i].station, names[i], pair_received, &pairs[i]);
        if (error == 0)
            error = station_await_link(&pairs[i].station, LINK_LIMIT);
        if (error != 0) {
            shell_complain("net-share", names[i], error);
            while (i-- > 0)
                station_close(&pairs[i].station);
            return error;
        }
    }
    return 0;
}

/* The second one listens to the group, the first one does not. */
static int share_run(unsigned count, char **words)
{
    struct net_filter filter = {.count = 1};
    uint64_t frames;

    if (count != 4 || !shell_number(words[3], &frames) || frames == 0 || frames > FRAMES_MAX)
        return SHELL_USAGE;
    if (pairs_open(words + 1) != 0)
        return 1;
    memcpy(filter.group[0], group, sizeof(group));
    int error = net_client_filter(pairs[1].station.client, &filter);
    for (unsigned sort = 0; sort < SORTS && error == 0; sort++)
        error = exchange((enum sort)sort, (unsigned)frames);
    for (unsigned i = 0; i < 20 && error == 0; i++) { /* what is still on its way */
        error = pairs_poll();
        clock_sleep(CLOCK_MILLISECOND);
    }
    for (unsigned i = 0; i < 2; i++) {
        result_print(words[1 + i], &pairs[i]);
        station_close(&pairs[i].station);
    }
    return error == 0 ? 0 : shell_complain("net-share", words[1], error);
}

const struct command commands_net_share[] = {
    {"net-share", "DEVICE DEVICE FRAMES", "frames between two clients of one card", share_run},
    {0},
};
