/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Load for network devices that is measured (bench/outboard_net.py), as bench/net_load.c is on
 * Linux: frames in batches, of which the next begins when the one before is over, that is, when all
 * have been handed over (tx), all that were asked for have come (rx), or all have come back (echo).
 *
 * A frame is known by its place in the batch. Its data is not made and not looked at: net-bench
 * does that. Between the marks there is no clock; the times are of a second run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>

#include "console.h"
#include "packet.h"
#include "peer.h"
#include "shell.h"
#include "station.h"

enum { LINK_LIMIT = 5000, FRAMES_MAX = 10000000, DEPTH_MAX = 64, FIRST_TOUCHES = 4 };

static struct load {
    enum peer_kind sent, answer;
    uint32_t depth, bytes;
    uint64_t came; /* of this batch, a bit for each place */
    uint64_t handed;
} load;

static struct station station;
static uint32_t *latencies; /* of batches, in microseconds; null: nobody asks */
static uint32_t latency_count;

static void received(void *context, const unsigned char *frame, uint32_t length)
{
    struct peer_header header;

    (void)context;
    if (peer_header_get(frame, length, &header) && header.kind == load.answer &&
        header.sequence < load.depth && length == load.bytes)
        load.came |= UINT64_C(1) << header.sequence;
}

/* Frames that wait to be sent. */
static uint64_t waiting(void)
{
    return load.handed - station.sent - station.dropped;
}

static int frame_send(const struct peer_header *header)
{
    unsigned char *place;
    int error = 0;

    while (!(place = station_place(&station))) {
        error = net_client_wait(station.client, 0);
        if (error != 0)
            return error;
    }
    peer_frame_make(place, station.info->address, header, PACKET_ETHERNET + sizeof(*header));
    error = station_send(&station, load.sent == PEER_WANT ? PACKET_LEAST : load.bytes);
    load.handed += error == 0;
    return error;
}

static int batch_run(void)
{
    struct peer_header header = {.kind = load.sent, .count = load.depth, .bytes = load.bytes};
    uint32_t frames = load.sent == PEER_WANT ? 1 : load.depth;
    int error = 0;

    load.came = 0;
    for (; header.sequence < frames && error == 0; header.sequence++)
        error = frame_send(&header);
    if (error == 0 && load.sent == PEER_TAKE)
        error = net_client_poll(station.client);
    while (error == 0 && load.sent != PEER_TAKE && load.came != UINT64_MAX >> (64 - load.depth))
        error = net_client_wait(station.client, 0);
    return error;
}

static int batches_run(uint32_t batches)
{
    int error = 0;

    for (uint32_t i = 0; i < batches && error == 0; i++) {
        uint64_t start = latencies ? clock_now() : 0;
        error = batch_run();
        if (latencies)
            latencies[latency_count++] = (uint32_t)((clock_now() - start) / 1000);
    }
    while (error == 0 && waiting() > 0)
        error = net_client_wait(station.client, 0);
    return error == 0 && station.dropped > 0 ? EIO : error;
}

static int smaller(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static int load_measure(const char *name, uint32_t batches)
{
    int error = station_await_link(&station, LINK_LIMIT);

    if (error == 0)
        error = batches_run(FIRST_TOUCHES);
    uint64_t start = clock_now();
    bench_mark_begin();
    if (error == 0)
        error = batches_run(batches);
    bench_mark_end();
    uint64_t took = clock_now() - start;
    latency_count = 0;
    latencies = calloc(batches, sizeof(latencies[0]));
    if (error == 0)
        error = latencies ? batches_run(batches) : ENOMEM;
    if (error == 0) {
        qsort(latencies, latency_count, sizeof(latencies[0]), smaller);
        console_print("%s: %u frames in %llu us; of batches p50 %u us, p99 %u us\n", name,
                      batches * load.depth, (unsigned long long)(took / 1000),
                      latencies[latency_count / 2], latencies[latency_count * 99 / 100]);
    }
    free(latencies);
    latencies = NULL;
    return error;
}

static bool pattern_parse(const char *word)
{
    static const struct {
        const char *name;
        enum peer_kind sent, answer;
    } patterns[] = {
        {"tx", PEER_TAKE, PEER_ANSWER},
        {"rx", PEER_WANT, PEER_GIVEN},
        {"echo", PEER_ECHO, PEER_ANSWER},
    };

    for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (strcmp(word, patterns[i].name) == 0) {
            load.sent = patterns[i].sent;
            load.answer = patterns[i].answer;
            return true;
        }
    }
    return false;
}

static int load_run(unsigned count, char **words)
{
    uint64_t frames, bytes, depth;

    if (count != 6 || !pattern_parse(words[2]) || !shell_number(words[3], &frames) ||
        !shell_number(words[4], &bytes) || !shell_number(words[5], &depth) ||
        bytes < PACKET_LEAST || bytes > NET_FRAME_MOST || depth == 0 || depth > DEPTH_MAX ||
        frames == 0 || frames > FRAMES_MAX || frames % depth != 0)
        return SHELL_USAGE;
    load.bytes = (uint32_t)bytes;
    load.depth = (uint32_t)depth;
    load.handed = 0;
    int error = station_open(&station, words[1], received, NULL);
    if (error != 0)
        return shell_complain("net-load", words[1], error);
    error = bytes > station.info->max_frame || depth > station.count
                ? EMSGSIZE
                : load_measure(words[1], (uint32_t)(frames / depth));
    station_close(&station);
    return error != 0 ? shell_complain("net-load", words[1], error) : 0;
}

const struct command commands_net_load[] = {
    {"net-load", "DEVICE tx|rx|echo FRAMES BYTES DEPTH",
     "frames to, from or to and from a peer, DEPTH at a time, of which FRAMES is a multiple",
     load_run},
    {0},
};
