/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/net_driver.h>

#include <kit/core/net.h>
#include <kit/driver.h>

enum { STEPS_MAX = 400, VECTORS = 8 };
#define CLIENT_ADDRESS UINT64_C(0x560000000000)
#define CLIENT_SIZE    UINT64_C(0x20000)

static struct net_device *net;
static struct net_session *session;
static bool ending, is_over;
static struct net_submission submitted[NET_SLOTS];
static bool busy[NET_SLOTS];

int net_host_publish(struct device *device, const char *suffix, const struct net_info *info,
                     const struct net_device_ops *ops, void *context, struct net_device **result)
{
    (void)device, (void)suffix;
    int error = net_device_create(info, ops, context, result);
    net = error == 0 ? *result : NULL;
    return error;
}

static bool delivered(void *link, struct net_completion *completions, unsigned count,
                      const struct net_state *state)
{
    (void)link, (void)state;
    fuzz_require(session && !ending && count <= NET_SLOTS);
    for (unsigned i = 0; i < count; i++) {
        uint16_t slot = completions[i].slot;
        fuzz_require(slot < NET_SLOTS && busy[slot]);
        busy[slot] = false;
        fuzz_require(completions[i].generation == submitted[slot].generation);
        fuzz_require(completions[i].status <= NET_STATUS_GONE);
        fuzz_require(completions[i].length <= submitted[slot].length);
        fuzz_require(completions[i].status == NET_STATUS_OK || completions[i].length == 0);
    }
    return true;
}

static void session_ended(void *link, struct net_session *old)
{
    (void)link;
    fuzz_require(old == session && (old->owned == 0 || is_over));
    session = NULL;
}

static const struct net_transport transport = {delivered, session_ended};

static void session_begin(void)
{
    uint32_t buffer;

    if (session)
        return;
    fuzz_require(net_session_create(net, &transport, NULL, &session) == 0);
    fuzz_require(net_session_attach(session, CLIENT_ADDRESS, CLIENT_SIZE, &buffer) == 0);
    memset(busy, 0, sizeof(busy));
    ending = false;
}

static void session_finish(void)
{
    if (!session || ending)
        return;
    ending = true;
    net_session_end(session);
}

static void submit(struct fuzz_input *input)
{
    struct net_submission submission = {0};
    uint8_t kind = fuzz_take8(input);
    unsigned count = 1 + (kind >> 4) * 8u;

    if (!session || ending)
        return;
    if (kind & 8)
        fuzz_take(input, &submission, sizeof(submission));
    else
        submission = (struct net_submission){.operation = kind & 1 ? NET_SEND : NET_RECEIVE,
                                             .length = kind & 1 ? 60 : net->info.receive_size};
    for (uint16_t slot = 0; slot < NET_SLOTS && count > 0; slot++) {
        if (busy[slot])
            continue;
        submission.slot = slot;
        submission.generation++;
        busy[slot] = true;
        submitted[slot] = submission;
        fuzz_require(net_session_submit(session, &submission) == 0);
        count--;
    }
}

static void filter(struct fuzz_input *input)
{
    static struct net_filter wanted;

    fuzz_take(input, &wanted, 16);
    wanted.count %= NET_GROUPS + 2;
    if (session && !ending)
        net_session_filter(session, &wanted);
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);

    switch (what & 15) {
    case 0:
        session_finish();
        break;
    case 1:
        session_begin();
        break;
    case 2:
        fuzz_timer_expire();
        break;
    case 3:
        filter(input);
        break;
    case 4:
    case 5:
        fuzz_scribble(input);
        break;
    case 6:
        fuzz_window.bytes[fuzz_take16(input)] = fuzz_take8(input);
        break;
    case 7:
    case 8:
        fuzz_interrupt((what >> 4) % VECTORS);
        break;
    case 9:
    case 10:
    case 11:
        fuzz_device_act(input);
        break;
    default:
        submit(input);
    }
    net_turn();
}

static void run(struct fuzz_input *input)
{
    if (driver.attach(&fuzz_device) != 0)
        return;
    session_begin();
    for (unsigned i = 0; i < STEPS_MAX && input->size > 0; i++)
        step(input);
    session_finish();
    for (unsigned i = 0; i < 10; i++)
        fuzz_timer_expire();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    fuzz_window_begin();
    fuzz_device.setting = "mtu";
    fuzz_device.setting_value = fuzz_take8(&input) & 1 ? fuzz_take16(&input) : 1500;
    fuzz_device_make(&input);
    is_over = false;
    fuzz_machine_run(run, &input);
    is_over = true; /* what it has now is the system's to take back */
    if (net)
        net_device_destroy(net);
    net = NULL;
    session = NULL;
    return 0;
}
