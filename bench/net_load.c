/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * net_load INTERFACE tx|rx|echo BYTES DEPTH FRAMES
 *
 * The load of the Linux peer's network cards, through a packet socket: what net-bench is on ours,
 * with the same peer on the wire (test/machine/wire.py).
 *
 *     tx    frames to the peer, DEPTH with each call; when all are sent, one that it answers, which
 *           tells that they have gone
 *     rx    the peer is asked for DEPTH frames, and for as many again when they have come
 *     echo  DEPTH frames that the peer sends back, and again when all have come
 *
 * All frames of a place in the batch have the same number and so the same data, made before: making
 * and comparing data is not what is measured. bench/count.c counts between the marks. The times are
 * of a second run, for the clock costs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, BYTES_MAX = 1514, BYTES_LEAST = 60, ETHERNET = 14, TYPE = 0x88b5 };
enum { QDISC_BYPASS = 20 /* PACKET_QDISC_BYPASS */, PATIENCE = 10 /* s */ };
enum kind { TAKE = 1, ECHO = 2, ANSWER = 3, WANT = 4, GIVEN = 5 };

struct header {
    uint32_t kind, number, count, bytes;
};

/* A batch of messages, one frame each. */
struct batch {
    struct mmsghdr message[DEPTH_MAX];
    struct iovec piece[DEPTH_MAX];
    unsigned char frame[DEPTH_MAX][BYTES_MAX + 2];
};

static struct batch out, in;
static uint32_t *latencies; /* of batches, in microseconds; null: nobody asks */
static unsigned depth, bytes, latency_count;
static int endpoint;

__attribute__((noinline)) void bench_mark_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void bench_mark_end(void)
{
    __asm__ volatile("" ::: "memory");
}

static void fail(const char *what)
{
    fprintf(stderr, "net_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static uint64_t microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void frame_fill(unsigned char *frame, const unsigned char *own, const struct header *header,
                       unsigned length)
{
    static const unsigned char peer[6] = {0x02, 0x6f, 0x62, 0, 0, 1};

    memcpy(frame, peer, 6);
    memcpy(frame + 6, own, 6);
    frame[12] = TYPE >> 8;
    frame[13] = TYPE & 0xff;
    memcpy(frame + ETHERNET, header, sizeof(*header));
    for (unsigned at = ETHERNET + sizeof(*header); at < length; at++)
        frame[at] = (unsigned char)(header->number * 31 + at * 7 + (at >> 8));
}

static void batch_make(struct batch *batch, const unsigned char *own, enum kind kind)
{
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        struct header header = {.kind = kind, .number = i, .count = depth, .bytes = bytes};
        batch->piece[i] = (struct iovec){batch->frame[i], own ? bytes : sizeof(batch->frame[i])};
        batch->message[i].msg_hdr = (struct msghdr){.msg_iov = &batch->piece[i], .msg_iovlen = 1};
        if (own)
            frame_fill(batch->frame[i], own, &header, bytes);
    }
}

static void batch_send(unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        int now = sendmmsg(endpoint, out.message + sent, count - sent, 0);
        if (now < 0 && errno != ENOBUFS)
            fail("send");
        sent += now > 0 ? (unsigned)now : 0;
    }
}

/* `count` frames of this kind, each number below it once. */
static void batch_receive(unsigned count, enum kind kind)
{
    uint64_t seen = 0, all = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;

    while (seen != all) {
        int came = recvmmsg(endpoint, in.message, DEPTH_MAX, MSG_WAITFORONE, NULL);
        if (came < 0)
            fail("receive");
        for (int i = 0; i < came; i++) {
            struct header header;
            memcpy(&header, in.frame[i] + ETHERNET, sizeof(header));
            if (header.kind != kind || header.number >= count || in.message[i].msg_len != bytes) {
                fprintf(stderr, "net_load: a frame that was not asked for\n");
                exit(EXIT_FAILURE);
            }
            seen |= UINT64_C(1) << header.number;
        }
    }
}

static void kind_set(enum kind kind)
{
    memcpy(out.frame[0] + ETHERNET, &(uint32_t){kind}, sizeof(uint32_t));
}

static void load_run(char pattern, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        uint64_t start = latencies ? microseconds() : 0;
        batch_send(pattern == 'r' ? 1 : depth);
        if (pattern != 't')
            batch_receive(depth, pattern == 'r' ? GIVEN : ANSWER);
        if (latencies)
            latencies[latency_count++] = (uint32_t)(microseconds() - start);
    }
    if (pattern == 't') {
        kind_set(ECHO);
        batch_send(1);
        batch_receive(1, ANSWER);
        kind_set(TAKE);
    }
}

static void endpoint_open(const char *interface, unsigned char *own)
{
    struct ifreq request = {.ifr_name = ""};
    struct timeval patience = {.tv_sec = PATIENCE};
    int yes = 1;

    endpoint = socket(AF_PACKET, SOCK_RAW, htons(TYPE));
    if (endpoint < 0)
        fail("socket");
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    if (ioctl(endpoint, SIOCGIFHWADDR, &request) != 0)
        fail(interface);
    memcpy(own, request.ifr_hwaddr.sa_data, 6);
    for (unsigned i = 0; ioctl(endpoint, SIOCGIFFLAGS, &request) == 0; i++) {
        if (request.ifr_flags & IFF_RUNNING)
            break;
        if (i == PATIENCE * 100) {
            errno = ENETDOWN;
            fail(interface);
        }
        usleep(10000);
    }
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(TYPE),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    if (bind(endpoint, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(endpoint, SOL_PACKET, QDISC_BYPASS, &yes, sizeof(yes)) != 0 ||
        setsockopt(endpoint, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
        fail("socket");
}

static int smaller(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    unsigned char own[6];

    if (argc != 6 || !strchr("tre", argv[2][0]))
        return 2;
    char pattern = argv[2][0];
    bytes = (unsigned)atoi(argv[3]);
    depth = (unsigned)atoi(argv[4]);
    unsigned frames = (unsigned)atoi(argv[5]);
    if (bytes < BYTES_LEAST || bytes > BYTES_MAX || depth < 1 || depth > DEPTH_MAX ||
        frames < depth || frames % depth != 0)
        return 2;
    endpoint_open(argv[1], own);
    batch_make(&out, own, pattern == 't' ? TAKE : pattern == 'r' ? WANT : ECHO);
    batch_make(&in, NULL, 0);
    if (pattern == 'r')
        out.piece[0].iov_len = BYTES_LEAST; /* the question, however long the answers are */
    load_run(pattern, 4);                   /* first touches */
    uint64_t start = microseconds();
    bench_mark_begin();
    load_run(pattern, frames / depth);
    bench_mark_end();
    uint64_t took = microseconds() - start;
    latencies = calloc(frames / depth, sizeof(latencies[0]));
    if (!latencies)
        fail("latencies");
    load_run(pattern, frames / depth);
    qsort(latencies, latency_count, sizeof(latencies[0]), smaller);
    printf("%u frames in %llu us; of batches p50 %u us, p99 %u us\n", frames,
           (unsigned long long)took, latencies[latency_count / 2],
           latencies[latency_count * 99 / 100]);
    return 0;
}
