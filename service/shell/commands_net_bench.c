/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load for network devices, with a peer on the wire (peer.h).
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>

#include "console.h"
#include "packet.h"
#include "peer.h"
#include "shell.h"
#include "station.h"

enum { LINK_LIMIT = 5000, FRAMES_MAX = 10000000, DEPTH_MAX = 256, DEPTH = 32 };
#define WAITED  (5 * CLOCK_SECOND)        /* a peer that says nothing for so long does not answer */
#define SILENCE (300 * CLOCK_MILLISECOND) /* the same once drivers died: frames went with them */

struct bench {
    uint32_t frames, bytes; /* bytes 0: each frame has another size */
    unsigned depth;
    uint32_t outstanding[DEPTH_MAX]; /* a frame's number + 1, at its number modulo the depth */
    uint64_t sent, answered, wrong, stray, lost;
    uint64_t last; /* when something came or was sent */
};

static struct station station;
static struct bench bench;

static uint32_t length_of(uint32_t sequence, uint32_t bytes)
{
    return peer_length(sequence, bytes, station.info->max_frame);
}

static bool frame_is_right(const unsigned char *frame, uint32_t length, uint32_t sequence)
{
    return length == length_of(sequence, bench.bytes) &&
           peer_data_is_right(frame, length, sequence);
}

static void echo_received(void *context, const unsigned char *frame, uint32_t length)
{
    struct peer_header header;

    (void)context;
    if (!peer_header_get(frame, length, &header) || header.kind != PEER_ANSWER)
        return;
    uint32_t *place = &bench.outstanding[header.sequence % bench.depth];
    bench.last = clock_now();
    if (*place != header.sequence + 1) {
        bench.stray++;
        return;
    }
    *place = 0;
    *(frame_is_right(frame, length, header.sequence) ? &bench.answered : &bench.wrong) += 1;
}

static void given_received(void *context, const unsigned char *frame, uint32_t length)
{
    struct peer_header header;

    (void)context;
    if (!peer_header_get(frame, length, &header) || header.kind != PEER_GIVEN)
        return;
    bench.last = clock_now();
    *(frame_is_right(frame, length, header.sequence) ? &bench.answered : &bench.wrong) += 1;
}

/* False: there is no room now, or no driver. */
static bool frame_send(enum peer_kind kind, uint32_t sequence)
{
    struct peer_header header = {.kind = kind, .sequence = sequence};
    uint32_t length = length_of(sequence, kind == PEER_WANT ? PACKET_LEAST : bench.bytes);
    unsigned char *place = station_place(&station);

    if (kind == PEER_WANT) {
        header.count = bench.frames;
        header.bytes = bench.bytes;
    }
    if (!place)
        return false;
    peer_frame_make(place, station.info->address, &header, length);
    return station_send(&station, length) == 0;
}

static bool is_on_its_way(uint32_t sequence)
{
    return bench.outstanding[sequence % bench.depth] != 0;
}

static bool is_any_on_its_way(void)
{
    for (unsigned i = 0; i < bench.depth; i++) {
        if (bench.outstanding[i])
            return true;
    }
    return false;
}

static uint64_t silence_limit(void)
{
    return net_client_counts(station.client).recoveries == 0 ? WAITED : SILENCE;
}

static void silence_check(void)
{
    if (clock_now() - bench.last < silence_limit())
        return;
    for (unsigned i = 0; i < bench.depth; i++) {
        bench.lost += bench.outstanding[i] != 0;
        bench.outstanding[i] = 0;
    }
    bench.last = clock_now();
}

static int echo_run(void)
{
    uint32_t next = 0;

    bench.last = clock_now();
    while (next < bench.frames || is_any_on_its_way()) {
        while (next < bench.frames && !is_on_its_way(next) && frame_send(PEER_ECHO, next)) {
            bench.outstanding[next % bench.depth] = next + 1;
            bench.sent++;
            next++;
        }
        if (net_client_wait(station.client, 50) == ENODEV)
            return ENODEV;
        silence_check();
    }
    return 0;
}

static int transmit_run(void)
{
    uint32_t next = 0;

    while (next < bench.frames || station.sent + station.dropped < bench.sent) {
        while (next < bench.frames && frame_send(PEER_TAKE, next)) {
            bench.sent++;
            next++;
        }
        if (net_client_wait(station.client, 50) == ENODEV)
            return ENODEV;
    }
    bench.lost = station.dropped;
    return 0;
}

static int receive_run(void)
{
    uint64_t start = clock_now(), asked = 0;

    while (bench.answered + bench.wrong < bench.frames) {
        uint64_t now = clock_now();
        if (bench.last == 0 && (asked == 0 || now - asked > CLOCK_SECOND)) {
            frame_send(PEER_WANT, 0);
            asked = now;
        }
        if (net_client_wait(station.client, 50) == ENODEV)
            return ENODEV;
        uint64_t since = bench.last ? bench.last : start;
        if (clock_now() - since > (bench.last ? silence_limit() : WAITED))
            break;
    }
    uint64_t came = bench.answered + bench.wrong;
    bench.lost = came < bench.frames ? bench.frames - came : 0;
    return 0;
}

static const struct mode {
    const char *name;
    int (*run)(void);
    void (*received)(void *context, const unsigned char *frame, uint32_t length);
} modes[] = {
    {"transmit", transmit_run, NULL},
    {"receive", receive_run, given_received},
    {"echo", echo_run, echo_received},
};

static int bench_report(const char *name, const struct mode *mode, int error, uint64_t took)
{
    struct net_client_counts counts = net_client_counts(station.client);

    if (error != 0)
        return shell_complain("net-bench", name, error);
    console_print("%s: %s: %llu sent, %llu right, %llu wrong, %llu stray, %llu lost in %llu us\n",
                  name, mode->name, (unsigned long long)bench.sent,
                  (unsigned long long)bench.answered, (unsigned long long)bench.wrong,
                  (unsigned long long)bench.stray, (unsigned long long)bench.lost,
                  (unsigned long long)took);
    if (counts.recoveries | counts.rejected)
        console_print("%s: %u drivers took another's place, %u frames dropped, %u buffers posted "
                      "again, %u completions for nothing\n",
                      name, counts.recoveries, counts.dropped, counts.reposted, counts.rejected);
    return bench.wrong > 0;
}

static int bench_run(unsigned count, char **words)
{
    uint64_t frames, bytes = 0, depth = DEPTH;
    const struct mode *mode = NULL;

    for (unsigned i = 0; count > 2 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(words[2], modes[i].name) == 0)
            mode = &modes[i];
    }
    if (!mode || count < 4 || count > 6 || !shell_number(words[3], &frames) ||
        (count > 4 && !shell_number(words[4], &bytes)) ||
        (count > 5 && !shell_number(words[5], &depth)) || frames == 0 || frames > FRAMES_MAX ||
        (bytes != 0 && bytes < PACKET_LEAST) || bytes > NET_FRAME_MOST || depth == 0 ||
        depth > DEPTH_MAX)
        return SHELL_USAGE;
    bench = (struct bench){
        .frames = (uint32_t)frames, .bytes = (uint32_t)bytes, .depth = (unsigned)depth};
    int error = station_open(&station, words[1], mode->received, NULL);
    if (error != 0)
        return shell_complain("net-bench", words[1], error);
    int status = 1;
    if (bytes > station.info->max_frame) {
        console_print("net-bench: %s takes at most %u bytes\n", words[1], station.info->max_frame);
    } else if (station_await_link(&station, LINK_LIMIT) != 0) {
        console_print("net-bench: %s: the link is down\n", words[1]);
    } else {
        uint64_t start = clock_now();
        bench_mark_begin();
        error = mode->run();
        bench_mark_end();
        status = bench_report(words[1], mode, error, (clock_now() - start) / 1000);
    }
    station_close(&station);
    return status;
}

/* Frames by where they were sent to. */
struct seen {
    uint64_t own, all, group, other;
};

static void listen_received(void *context, const unsigned char *frame, uint32_t length)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct seen *seen = context;

    (void)length;
    if (memcmp(frame, broadcast, 6) == 0)
        seen->all++;
    else if (frame[0] & 1)
        seen->group++;
    else
        *(memcmp(frame, station.info->address, 6) == 0 ? &seen->own : &seen->other) += 1;
}

static bool filter_parse(unsigned count, char **words, struct net_filter *filter)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], "promiscuous") == 0)
            filter->flags |= NET_FILTER_PROMISCUOUS;
        else if (strcmp(words[i], "all-multicast") == 0)
            filter->flags |= NET_FILTER_ALL_MULTICAST;
        else if (filter->count == NET_GROUPS ||
                 !packet_hardware_parse(words[i], filter->group[filter->count++]))
            return false;
    }
    return true;
}

static int listen_run(unsigned count, char **words)
{
    struct net_filter filter = {.flags = 0};
    struct seen seen = {0};
    uint64_t milliseconds;

    if (count < 3 || !shell_number(words[2], &milliseconds) || milliseconds > 3600000 ||
        !filter_parse(count - 3, words + 3, &filter))
        return SHELL_USAGE;
    int error = station_open(&station, words[1], listen_received, &seen);
    if (error != 0)
        return shell_complain("net-listen", words[1], error);
    error = net_client_filter(station.client, &filter);
    uint64_t due = clock_now() + milliseconds * CLOCK_MILLISECOND;
    while (error == 0 && clock_now() < due) {
        if (net_client_wait(station.client, 20) == ENODEV)
            error = ENODEV;
    }
    station_close(&station);
    if (error != 0)
        return shell_complain("net-listen", words[1], error);
    console_print("%s: %llu to it, %llu to all, %llu to groups, %llu to others", words[1],
                  (unsigned long long)seen.own, (unsigned long long)seen.all,
                  (unsigned long long)seen.group, (unsigned long long)seen.other);
    console_print(station.summed > 0 ? "; sums of %llu are right\n" : "\n",
                  (unsigned long long)station.summed);
    return 0;
}

const struct command commands_net_bench[] = {
    {"net-bench", "DEVICE transmit|receive|echo FRAMES [BYTES [DEPTH]]",
     "frames to, from or to and from a peer; without BYTES (or 0): of all sizes", bench_run},
    {"net-listen", "DEVICE MILLISECONDS [promiscuous] [all-multicast] [GROUP ...]",
     "count frames that come by where they are sent to", listen_run},
    {0},
};
