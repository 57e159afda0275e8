/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-rng: the entropy device of a virtual machine (Virtual I/O Device specification 1.2, 5.4),
 * as a stream of random bytes.
 *
 * It has one queue (5.4.2) of buffers that the device fills. One buffer is with it at a time, and
 * only while somebody reads. The stream is not shared: its client alone sees what comes.
 */
#include <string.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/log.h>
#include <kit/stream.h>
#include <kit/virtio.h>

#define WATCH_PERIOD CLOCK_SECOND

enum { REQUEST_QUEUE = 0 };

static struct {
    struct virtio virtio;
    struct virtio_queue queue;
    struct dma_buffer buffer;
    struct stream_device *stream;
    bool is_wanted;  /* somebody reads, and has room */
    bool is_awaited; /* the buffer is with the device */
    struct clock_timer watch;
} rng;

static void bytes_ask(void)
{
    const struct virtio_segment segment = {rng.buffer.address, STREAM_ROOM};

    if (!rng.is_wanted || rng.is_awaited)
        return;
    rng.is_awaited = virtio_queue_add(&rng.queue, &segment, 0, 1, &rng);
    virtio_queue_arm(&rng.queue, 1);
    virtio_queue_kick(&rng.queue);
}

/* 5.4.6: as many as it wrote, and at least one. What was handed on does not stay here. */
static bool bytes_take(void *context)
{
    uint32_t length;

    (void)context;
    if (!virtio_queue_take(&rng.queue, &length))
        return false;
    if (length == 0)
        virtio_give_up(&rng.virtio, "it answers with nothing");
    rng.is_awaited = false;
    rng.is_wanted &= stream_device_received(rng.stream, rng.buffer.memory, length, 0);
    memset(rng.buffer.memory, 0, length);
    bytes_ask();
    return true;
}

/* How long entropy takes is the device's to say; but an interrupt may have been lost. */
static void watch(void *context)
{
    virtio_check(&rng.virtio);
    bytes_take(context);
    clock_timer_start(&rng.watch, WATCH_PERIOD, watch, NULL);
}

static void rng_read_on(void *context)
{
    (void)context;
    rng.is_wanted = true;
    bytes_ask();
}

/* A buffer that was asked for stays with the device: what comes then is nobody's, or the next
 * client's. */
static void rng_in_use(void *context, bool used)
{
    (void)context;
    rng.is_wanted = used;
    bytes_ask();
    if (used)
        clock_timer_start(&rng.watch, WATCH_PERIOD, watch, NULL);
    else
        clock_timer_cancel(&rng.watch);
}

static const struct stream_device_ops rng_ops = {.read_on = rng_read_on, .in_use = rng_in_use};

static int attach(struct device *device)
{
    const struct virtio_queue_plan plan = {.entries = 1, .segments = 1, .handler = bytes_take};
    const struct stream_info info = {.model = "virtio entropy device"};

    memset(&rng, 0, sizeof(rng));
    int error = virtio_start(device, 0, &rng.virtio);
    if (error == 0)
        error = virtio_queue_create(&rng.virtio, REQUEST_QUEUE, &plan, &rng.queue);
    if (error == 0)
        error = dma_buffer_create(device, STREAM_ROOM, &rng.buffer);
    if (error == 0)
        error = virtio_run(&rng.virtio, NULL, NULL);
    if (error == 0)
        error = stream_device_publish(device, "", "random", &info, &rng_ops, NULL, &rng.stream);
    if (error == 0)
        log_info("%s", info.model);
    return error;
}

static void detach(void)
{
    rng.is_wanted = false;
    clock_timer_cancel(&rng.watch);
    virtio_reset(&rng.virtio);
}

const struct driver driver = {.name = "virtio-rng", .attach = attach, .detach = detach};
