/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/stream_driver.h>

#include <errno.h>

#include <kit/core/stream.h>
#include <kit/driver.h>

enum { STEPS_MAX = 200, DEVICES_MAX = 2 };

static struct fuzz_input *input;

static struct stream_device *streams[DEVICES_MAX];
static struct stream_session *sessions[DEVICES_MAX];
static unsigned stream_count;
static struct {
    bool busy;
    struct stream_submission submission;
} slots[DEVICES_MAX][STREAM_SLOTS];

int stream_device_publish(struct device *device, const char *suffix, const char *class,
                          const struct stream_info *info, const struct stream_device_ops *ops,
                          void *context, struct stream_device **result)
{
    (void)device, (void)suffix, (void)class;
    int error = stream_device_create(info, ops, context, result);

    fuzz_require(error == 0 && stream_count < DEVICES_MAX);
    streams[stream_count++] = *result;
    return 0;
}

static bool deliver(void *link, struct stream_completion *completions, unsigned count)
{
    unsigned which = (unsigned)(uintptr_t)link;

    fuzz_require(count <= STREAM_SLOTS);
    for (unsigned i = 0; i < count; i++) {
        const struct stream_completion *completion = &completions[i];
        fuzz_require(completion->slot < STREAM_SLOTS && slots[which][completion->slot].busy);
        const struct stream_submission *submission = &slots[which][completion->slot].submission;
        fuzz_require(completion->generation == submission->generation);
        fuzz_require(completion->length <= STREAM_DATA);
        fuzz_require(submission->operation != STREAM_WRITE ||
                     completion->length <= submission->length);
        slots[which][completion->slot].busy = false;
    }
    return true;
}

static const struct stream_transport transport = {deliver};

static void submit(unsigned which)
{
    struct stream_submission submission = {
        .operation = fuzz_take8(input) % 5,
        .flags = fuzz_take8(input) & 7,
        .slot = fuzz_take8(input) % (STREAM_SLOTS + 1),
        .generation = fuzz_take8(input),
        .code = fuzz_take8(input) & 31,
        .length = fuzz_take8(input) % (STREAM_DATA + 2),
    };

    fuzz_take(input, submission.data, 8);
    if (submission.operation == STREAM_READ)
        submission.flags = (uint8_t)(submission.length = submission.code = 0);
    if (submission.operation == STREAM_WRITE)
        submission.code = 0;
    bool wrong = submission.slot >= STREAM_SLOTS || slots[which][submission.slot].busy;
    int error = stream_session_submit(sessions[which], &submission);
    fuzz_require((error == EPROTO) == wrong);
    if (!wrong) {
        slots[which][submission.slot].busy = true;
        slots[which][submission.slot].submission = submission;
    }
}

static void session_toggle(unsigned which)
{
    if (sessions[which]) {
        stream_session_end(sessions[which]);
        sessions[which] = NULL;
    } else {
        memset(slots[which], 0, sizeof(slots[which]));
        stream_session_create(streams[which], &transport, (void *)(uintptr_t)which,
                              &sessions[which]);
    }
}

static void step(void)
{
    uint8_t what = fuzz_take8(input);
    unsigned which = what >> 4 & 1;

    if (stream_count == 0)
        return;
    which %= stream_count;
    switch (what & 7) {
    case 0:
        session_toggle(which);
        break;
    case 1:
    case 2:
        fuzz_timer_expire();
        break;
    case 3:
        fuzz_interrupt(what >> 5 & 1);
        break;
    case 4:
        fuzz_device_act(input);
        break;
    default:
        if (sessions[which])
            submit(which);
    }
    stream_turn();
}

static void run(struct fuzz_input *all)
{
    if (driver.attach(&fuzz_device) != 0)
        return;
    for (unsigned i = 0; i < stream_count; i++)
        session_toggle(i);
    for (unsigned steps = 0; steps < STEPS_MAX && all->size > 0; steps++)
        step();
    driver.detach();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input all = {data, size};

    fuzz_device_make(&all);
    input = &all;
    stream_count = 0;
    memset(sessions, 0, sizeof(sessions));
    fuzz_machine_run(run, &all);
    for (unsigned i = 0; i < stream_count; i++)
        stream_device_destroy(streams[i]);
    return 0;
}
