/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Network devices: how they are, a ping, and load for measurements and tests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/port.h>
#include <kit/clock.h>

#include "console.h"
#include "packet.h"
#include "shell.h"
#include "station.h"

enum { LINK_LIMIT = 5000, FRAMES_MAX = 10000000, COUNT_MAX = 100000 };

static struct station station; /* one command at a time */

static int device_print(const char *name)
{
    struct net_description description;
    int error = net_client_describe(name, &description);

    if (error != 0)
        return shell_complain("net", name, error);
    const struct net_info *info = &description.info;
    const struct net_state *state = &description.state;
    const uint8_t *a = info->address;
    const struct net_statistics *s = &state->statistics;
    console_print("%s: %02x:%02x:%02x:%02x:%02x:%02x, link %s", name, a[0], a[1], a[2], a[3], a[4],
                  a[5], state->link ? "up" : "down");
    if (state->link && state->speed > 0)
        console_print(", %u Mbit/s %s duplex", state->speed, state->full_duplex ? "full" : "half");
    console_print(", MTU %u, %s, %s\n", info->max_frame - NET_HEADER_SIZE,
                  description.in_use ? "in use" : "free", info->model);
    console_print("    sent %llu frames, %llu bytes, %llu errors\n",
                  (unsigned long long)s->sent_frames, (unsigned long long)s->sent_bytes,
                  (unsigned long long)s->send_errors);
    console_print("    received %llu frames, %llu bytes, %llu errors, %llu missed; refused %llu\n",
                  (unsigned long long)s->received_frames, (unsigned long long)s->received_bytes,
                  (unsigned long long)s->receive_errors, (unsigned long long)s->missed,
                  (unsigned long long)s->refused);
    return 0;
}

static int net_run(unsigned count, char **words)
{
    if (count > 2)
        return SHELL_USAGE;
    return count == 2 ? device_print(words[1]) : shell_each_device("net", device_print);
}

static int open_and_wait(const char *command, const char *name,
                         void (*received)(void *context, const unsigned char *frame,
                                          uint32_t length),
                         void *context)
{
    int error = station_open(&station, name, received, context);

    if (error != 0)
        return shell_complain(command, name, error);
    error = station_await_link(&station, LINK_LIMIT);
    if (error == 0)
        return 0;
    station_close(&station);
    if (error != ETIMEDOUT)
        return shell_complain(command, name, error);
    console_print("%s: %s: the link is down\n", command, name);
    return 1;
}

/* What a ping waits for. */
struct ping {
    struct packet_host self, other;
    bool resolved, answered;
    uint16_t sequence;
    size_t size;
    unsigned answers; /* that we gave */
};
enum { IDENTITY = 0x6f62 };

static void answer(struct ping *ping, const unsigned char *frame, uint32_t length)
{
    unsigned char *place = station_place(&station);
    size_t size =
        place ? packet_answer(frame, length, &ping->self, place, station.info->max_frame) : 0;

    if (size > 0 && station_send(&station, (uint32_t)size) == 0)
        ping->answers++;
}

static void ping_received(void *context, const unsigned char *frame, uint32_t length)
{
    struct ping *ping = context;

    if (packet_is_arp_reply(frame, length, &ping->self, ping->other.address, ping->other.hardware))
        ping->resolved = true;
    else if (packet_is_echo_reply(frame, length, &ping->self, ping->other.address, IDENTITY,
                                  ping->sequence, ping->size))
        ping->answered = true;
    else
        answer(ping, frame, length);
}

/* Until `flag` is set, at most a second. */
static bool flag_await(const bool *flag)
{
    uint64_t start = clock_now();

    while (!*flag && clock_now() - start < CLOCK_SECOND) {
        if (net_client_wait(station.client, 100) == ENODEV)
            return false;
    }
    return *flag;
}

static bool resolve(struct ping *ping)
{
    for (unsigned tries = 0; tries < 3 && !ping->resolved; tries++) {
        unsigned char *place = station_place(&station);
        if (place)
            station_send(&station,
                         (uint32_t)packet_arp_request(place, &ping->self, ping->other.address));
        flag_await(&ping->resolved);
    }
    return ping->resolved;
}

static bool ping_once(struct ping *ping, uint64_t *took)
{
    unsigned char *place = station_place(&station);
    uint64_t start = clock_now();

    ping->answered = false;
    ping->sequence++;
    if (!place)
        return false;
    size_t size =
        packet_echo_request(place, &ping->self, &ping->other, IDENTITY, ping->sequence, ping->size);
    if (station_send(&station, (uint32_t)size) != 0 || !flag_await(&ping->answered))
        return false;
    *took = (clock_now() - start) / 1000;
    return true;
}

static int ping_all(struct ping *ping, const char *address, unsigned count)
{
    uint64_t took = 0, sum = 0, least = UINT64_MAX;
    unsigned answered = 0;

    if (!resolve(ping)) {
        console_print("ping: %s: nobody says to have that address\n", address);
        return 1;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!ping_once(ping, &took))
            continue;
        answered++;
        sum += took;
        least = took < least ? took : least;
    }
    console_print("%s: %u of %u answered", address, answered, count);
    if (answered > 0)
        console_print(", %llu us at least, %llu us on average", (unsigned long long)least,
                      (unsigned long long)(sum / answered));
    console_print("\n");
    return answered == count ? 0 : 1;
}

static int ping_run(unsigned count, char **words)
{
    uint64_t times = 4, size = 56;
    struct ping ping = {.answers = 0};

    if (count < 4 || count > 6 || !packet_address_parse(words[2], &ping.self.address) ||
        !packet_address_parse(words[3], &ping.other.address) ||
        (count > 4 && !shell_number(words[4], &times)) ||
        (count > 5 && !shell_number(words[5], &size)) || times == 0 || times > COUNT_MAX)
        return SHELL_USAGE;
    int status = open_and_wait("ping", words[1], ping_received, &ping);
    if (status != 0)
        return status;
    memcpy(ping.self.hardware, station.info->address, sizeof(ping.self.hardware));
    ping.size = (size_t)size;
    if (size > station.info->max_frame - PACKET_ECHO) {
        console_print("ping: %s takes at most %u bytes\n", words[1],
                      station.info->max_frame - PACKET_ECHO);
        status = 1;
    } else {
        status = ping_all(&ping, words[3], (unsigned)times);
    }
    station_close(&station);
    return status;
}

static int answer_run(unsigned count, char **words)
{
    struct ping ping = {.sequence = 0};
    uint64_t milliseconds;

    if (count != 4 || !packet_address_parse(words[2], &ping.self.address) ||
        !shell_number(words[3], &milliseconds) || milliseconds > 3600000)
        return SHELL_USAGE;
    int status = open_and_wait("net-answer", words[1], ping_received, &ping);
    if (status != 0)
        return status;
    memcpy(ping.self.hardware, station.info->address, sizeof(ping.self.hardware));
    uint64_t due = clock_now() + milliseconds * CLOCK_MILLISECOND;
    int error = net_client_join_loop(station.client); /* as a server would */
    while (error == 0 && clock_now() < due)
        loop_once(due);
    station_close(&station);
    if (error != 0)
        return shell_complain("net-answer", words[1], error);
    console_print("%s: %u answered\n", words[1], ping.answers);
    return 0;
}

const struct command commands_net[] = {
    {"net", "[DEVICE]", "network devices: link and counters", net_run},
    {"ping", "DEVICE OWN-ADDRESS ADDRESS [COUNT [BYTES]]", "ask another host for an answer",
     ping_run},
    {"net-answer", "DEVICE OWN-ADDRESS MILLISECONDS", "answer such for a while", answer_run},
    {0},
};
