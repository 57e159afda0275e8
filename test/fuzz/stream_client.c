/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream client's core with a driver that completes anything, dies, and comes back as another.
 * Checked: what is submitted can be, and not in a slot that is in flight; nobody is told of more
 * than he asked for; everything ends when the driver is gone for good; who is complained of owes an
 * answer.
 */
#include <errno.h>

#include <kit/clock.h>
#include <kit/core/stream_client.h>
#include <test/fuzz/fuzz.h>

enum { STEPS_MAX = 300, DEATHS_DEEP = 4, WRITE_MOST = 4000, READ_MOST = 5000 };

struct stream_client_link {
    struct stream_submission last[STREAM_SLOTS];
    bool busy[STREAM_SLOTS];
};

static struct stream_client client;
static struct stream_client_link link;
static struct fuzz_input input;
static uint64_t now;
static unsigned depth; /* drivers that died while the next one was told how things were */

uint64_t clock_now(void)
{
    return now += CLOCK_MILLISECOND;
}

void stream_client_link_put(struct stream_client_link *self,
                            const struct stream_submission *submission)
{
    unsigned slot = submission->slot;

    fuzz_require(slot < STREAM_SLOTS && !self->busy[slot] && !client.is_gone);
    fuzz_require(submission->length <= STREAM_DATA && submission->reserved == 0);
    fuzz_require((submission->operation == STREAM_CONTROL) == (slot == STREAM_CLIENT_CONTROL));
    self->last[slot] = *submission;
    self->busy[slot] = true;
}

void stream_client_link_publish(struct stream_client_link *self)
{
    (void)self;
}

void stream_client_link_complain(struct stream_client_link *self, const char *reason)
{
    (void)self, (void)reason;
    fuzz_require(client.slot[STREAM_CLIENT_CONTROL].in_flight || client.writes_in_flight > 0);
    fuzz_require(!client.is_gone);
}

static void complete(bool honest)
{
    struct stream_completion completion;
    unsigned slot = fuzz_take8(&input) % STREAM_SLOTS;

    fuzz_take(&input, &completion, 16);
    if (honest) {
        completion.slot = (uint16_t)slot;
        completion.generation = link.last[slot].generation;
        completion.status %= STREAM_STATUS_GONE + 1;
        completion.length %= STREAM_DATA + 1;
    }
    stream_client_take(&client, &completion);
    fuzz_require(client.read_count <= STREAM_CLIENT_READ_ROOM);
    for (unsigned i = 0; i < STREAM_SLOTS; i++)
        link.busy[i] = client.slot[i].in_flight;
}

static void lose(void)
{
    stream_client_lost(&client);
    memset(link.busy, 0, sizeof(link.busy));
    fuzz_require(client.writes_in_flight == 0);
}

static int go(void)
{
    client.is_gone = true;
    lose();
    return ENODEV;
}

int stream_client_link_wait(struct stream_client_link *self, unsigned milliseconds)
{
    static const struct stream_info info = {.model = "fuzz"};
    uint8_t what = fuzz_take8(&input);

    (void)self;
    if (client.is_gone || input.size == 0)
        return go();
    switch (what & 7) {
    case 0:
        if (depth < DEATHS_DEEP) {
            depth++;
            lose();
            stream_client_begin(&client, &info);
            depth--;
        }
        return client.is_gone ? ENODEV : 0;
    case 1:
        now += milliseconds * CLOCK_MILLISECOND;
        return what >> 3 == 0 ? go() : ETIMEDOUT;
    case 2:
        complete(false);
        return 0;
    default:
        for (unsigned i = 0; i <= what >> 3; i++)
            complete(true);
        return 0;
    }
}

static void step(void)
{
    static uint8_t data[WRITE_MOST];
    uint8_t what = fuzz_take8(&input), reply[STREAM_DATA];
    unsigned milliseconds = fuzz_take8(&input), flags;
    size_t length;

    switch (what & 3) {
    case 0: {
        size_t size = fuzz_take16(&input) % (READ_MOST + 1);
        uint8_t *bytes = malloc(size + 1); /* of no more: what is past the end is noticed */
        int error = stream_client_read(&client, bytes, size, milliseconds, &length, &flags);
        fuzz_require(length <= size && (error == 0 || length == 0));
        free(bytes);
        break;
    }
    case 1: {
        size_t size = fuzz_take16(&input) % (WRITE_MOST + 1);
        stream_client_write(&client, data, size, milliseconds, &length);
        fuzz_require(length <= size && (client.is_gone || client.writes_in_flight == 0));
        break;
    }
    default:
        length = fuzz_take8(&input) % (STREAM_DATA + 2);
        memset(reply, 0, sizeof(reply));
        stream_client_control(&client, STREAM_CODE_FIRST + (what >> 4 & 3), 0, what & 8, reply,
                              &length, milliseconds);
        fuzz_require(length <= STREAM_DATA + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stream_info info = {.model = "fuzz"};

    input = (struct fuzz_input){data, size};
    memset(&link, 0, sizeof(link));
    memset(&client, 0, sizeof(client));
    depth = 0;
    now = 0;
    client.link = &link;
    stream_client_begin(&client, &info);
    for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
        step();
    return 0;
}
