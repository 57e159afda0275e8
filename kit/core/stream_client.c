/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/stream_client.h>

/* A driver that owes an answer for so long is complained of. */
#define ANSWER_LIMIT (10 * CLOCK_SECOND)

static void submit(struct stream_client *client, unsigned slot,
                   struct stream_submission *submission)
{
    submission->slot = (uint16_t)slot;
    submission->generation = ++client->slot[slot].generation;
    client->slot[slot].in_flight = true;
    client->slot[slot].length =
        submission->operation == STREAM_WRITE ? submission->length : STREAM_DATA;
    stream_client_link_put(client->link, submission);
}

/* As many as there is room for what they bring. */
static void reads_post(struct stream_client *client)
{
    unsigned posted = 0;
    bool any = false;

    for (unsigned slot = 0; slot < STREAM_CLIENT_READS; slot++)
        posted += client->slot[slot].in_flight;
    for (unsigned slot = 0; slot < STREAM_CLIENT_READS; slot++) {
        size_t room = STREAM_CLIENT_READ_ROOM - client->read_count;
        if (client->slot[slot].in_flight)
            continue;
        if (room / STREAM_DATA <= posted)
            break;
        submit(client, slot, &(struct stream_submission){.operation = STREAM_READ});
        posted++;
        any = true;
    }
    if (any)
        stream_client_link_publish(client->link);
}

/* `patience`: until then its caller lets it take, as a break does that is to be long. No write is
 * before it that could wait for the other end: stream_client_write waits for its own. */
static void control_submit(struct stream_client *client, uint16_t code, unsigned flags,
                           const void *data, size_t length, uint64_t patience)
{
    uint64_t due = clock_now() + ANSWER_LIMIT;
    struct stream_submission submission = {
        .operation = STREAM_CONTROL,
        .flags = (uint8_t)flags,
        .code = code,
        .length = (uint16_t)length,
    };

    memcpy(submission.data, data, length);
    client->due = due > patience ? due : patience;
    submit(client, STREAM_CLIENT_CONTROL, &submission);
    stream_client_link_publish(client->link);
}

/* Complain of a driver that owes an answer for too long. Then it dies, and the wait goes on with
 * the next one. */
static void answer_look(struct stream_client *client)
{
    if (client->due == 0 || clock_now() < client->due)
        return;
    stream_client_link_complain(client->link, "it has not answered a request for too long");
    client->due = clock_now() + ANSWER_LIMIT;
}

/* Sleep until then, or something came, or the driver is to be looked at. ENODEV. */
static int sleep_until(struct stream_client *client, uint64_t end)
{
    uint64_t now = clock_now();

    if (client->due != 0 && client->due < end)
        end = client->due;
    uint64_t left = now < end ? (end - now) / CLOCK_MILLISECOND + 1 : 0;
    int error =
        stream_client_link_wait(client->link, left < INT32_MAX ? (unsigned)left : INT32_MAX);
    if (error == ENODEV)
        return ENODEV;
    answer_look(client); /* all that had come by now was taken */
    return 0;
}

void stream_client_begin(struct stream_client *client, const struct stream_info *info)
{
    client->info = *info;
    client->info.model[sizeof(info->model) - 1] = '\0';
    bool done = client->control_done;
    int error = client->control_error;

    client->is_repeating = true;
    /* In the control's slot, one after the other, before anybody can have another one there. */
    for (unsigned i = 0; i < STREAM_CLIENT_KEPT && !client->is_gone; i++) {
        if (client->kept[i].code == 0)
            continue;
        control_submit(client, client->kept[i].code, 0, client->kept[i].data,
                       client->kept[i].length, 0);
        unsigned recoveries = client->recoveries;
        while (client->slot[STREAM_CLIENT_CONTROL].in_flight) {
            if (sleep_until(client, UINT64_MAX) == ENODEV || client->recoveries != recoveries)
                return; /* and this was done for the next one, if there is one */
        }
    }
    client->is_repeating = false;
    client->control_done = done;
    client->control_error = error;
    reads_post(client);
}

void stream_client_lost(struct stream_client *client)
{
    client->recoveries++;
    client->read_lost = true;
    client->due = 0;
    if (client->writes_in_flight > 0 && client->write_error == 0)
        client->write_error = ECONNRESET;
    client->writes_in_flight = 0;
    if (client->slot[STREAM_CLIENT_CONTROL].in_flight) {
        client->control_done = true;
        client->control_error = ECONNRESET;
    }
    for (unsigned slot = 0; slot < STREAM_SLOTS; slot++)
        client->slot[slot].in_flight = false;
}

static int status_error(uint8_t status)
{
    static const int errors[] = {
        [STREAM_STATUS_OK] = 0,
        [STREAM_STATUS_INVALID] = EINVAL,
        [STREAM_STATUS_UNSUPPORTED] = ENOTSUP,
        [STREAM_STATUS_CANCELLED] = ECANCELED,
        [STREAM_STATUS_FAILED] = EIO,
        [STREAM_STATUS_OFFLINE] = ENXIO,
        [STREAM_STATUS_PAPER] = ENOMEDIUM,
        [STREAM_STATUS_GONE] = ENODEV,
    };

    return status < sizeof(errors) / sizeof(errors[0]) ? errors[status] : EPROTO;
}

static void read_take(struct stream_client *client, const struct stream_completion *completion)
{
    for (unsigned i = 0; i < completion->length; i++) {
        uint16_t flags = i + 1u == completion->length ? completion->flags : 0;
        size_t at = (client->read_first + client->read_count++) % STREAM_CLIENT_READ_ROOM;
        client->read[at] = (uint16_t)(flags << 8 | completion->data[i]);
    }
}

void stream_client_take(struct stream_client *client, const struct stream_completion *completion)
{
    unsigned slot = completion->slot;
    int error = status_error(completion->status);

    if (slot >= STREAM_SLOTS || !client->slot[slot].in_flight ||
        completion->generation != client->slot[slot].generation ||
        completion->length > client->slot[slot].length) {
        client->rejected++;
        return;
    }
    client->slot[slot].in_flight = false;
    client->called += !client->is_repeating; /* a driver that does no more than that does nothing */
    if (slot < STREAM_CLIENT_READS) {
        read_take(client, completion);
    } else if (slot < STREAM_CLIENT_CONTROL) {
        client->writes_in_flight--;
        client->written += completion->length;
        /* The first that failed says why; those behind it were cancelled. */
        if (error != 0 && client->write_error == 0)
            client->write_error = error;
    } else {
        client->due = 0;
        client->control_done = true;
        client->control_error = error;
        client->control_length = completion->length;
        memcpy(client->control_data, completion->data, sizeof(client->control_data));
    }
}

const struct stream_info *stream_client_info(const struct stream_client *client)
{
    return &client->info;
}

unsigned stream_client_recoveries(const struct stream_client *client)
{
    return client->recoveries;
}

/* Until the deadline, or something came. */
static int wait_until(struct stream_client *client, uint64_t deadline)
{
    return clock_now() >= deadline ? ETIMEDOUT : sleep_until(client, deadline);
}

/* Put as much into the queue as it has slots for; how much that is. */
static size_t writes_put(struct stream_client *client, const uint8_t *data, size_t length,
                         bool first)
{
    size_t put = 0;

    for (unsigned slot = STREAM_CLIENT_READS; slot < STREAM_CLIENT_CONTROL && put < length;
         slot++) {
        struct stream_submission submission = {.operation = STREAM_WRITE};
        if (client->slot[slot].in_flight)
            continue;
        submission.flags = first && put == 0 ? 0 : STREAM_CONTINUES;
        submission.length = (uint16_t)(length - put < STREAM_DATA ? length - put : STREAM_DATA);
        memcpy(submission.data, data + put, submission.length);
        submit(client, slot, &submission);
        client->writes_in_flight++;
        put += submission.length;
    }
    if (put > 0)
        stream_client_link_publish(client->link);
    return put;
}

/* Time is over: what has not gone to the device shall not. Nothing is waited for outside now: an
 * earlier control that took too long, this one, and the writes are all owed by the driver. */
static int writes_cancel(struct stream_client *client)
{
    const bool *is_there = &client->slot[STREAM_CLIENT_CONTROL].in_flight;
    bool asked = false;

    while ((client->writes_in_flight > 0 || (asked && *is_there)) &&
           client->write_error != ECONNRESET) {
        if (!asked && !*is_there) {
            control_submit(client, STREAM_CODE_CANCEL, STREAM_NOW, "", 0, 0);
            asked = true;
        } else if (client->due == 0) {
            client->due = clock_now() + ANSWER_LIMIT;
        }
        if (sleep_until(client, UINT64_MAX) == ENODEV)
            return ENODEV;
    }
    if (!*is_there)
        client->due = 0;
    return client->write_error == ECANCELED ? ETIMEDOUT : client->write_error;
}

int stream_client_write(struct stream_client *client, const void *data, size_t length,
                        unsigned milliseconds, size_t *written)
{
    uint64_t deadline = clock_now() + milliseconds * CLOCK_MILLISECOND;
    size_t put = 0;
    int error = client->is_gone ? ENODEV : 0;

    client->written = 0;
    client->write_error = 0;
    while (error == 0 && client->write_error == 0 &&
           (put < length || client->writes_in_flight > 0)) {
        put += writes_put(client, (const uint8_t *)data + put, length - put, put == 0);
        if (client->writes_in_flight > 0)
            error = wait_until(client, deadline);
    }
    /* One failed: those behind it come back by themselves. */
    while (error == 0 && client->writes_in_flight > 0)
        error = wait_until(client, deadline);
    if (error == ETIMEDOUT)
        error = writes_cancel(client);
    *written = client->written;
    return error != 0 ? error : client->write_error;
}

int stream_client_read(struct stream_client *client, void *data, size_t size, unsigned milliseconds,
                       size_t *length, unsigned *flags)
{
    uint64_t deadline = clock_now() + milliseconds * CLOCK_MILLISECOND;
    uint8_t *bytes = data;

    *length = *flags = 0;
    while (client->read_count == 0) {
        int error = client->is_gone ? ENODEV : client->read_lost ? ECONNRESET : 0;
        if (error == ECONNRESET)
            client->read_lost = false;
        if (error == 0)
            error = wait_until(client, deadline);
        if (error != 0)
            return error;
    }
    while (*length < size && client->read_count > 0 && *flags == 0) {
        uint16_t entry = client->read[client->read_first];
        bytes[(*length)++] = (uint8_t)entry;
        *flags = entry >> 8;
        client->read_first = (client->read_first + 1) % STREAM_CLIENT_READ_ROOM;
        client->read_count--;
    }
    if (!client->is_gone)
        reads_post(client);
    return 0;
}

static void control_keep(struct stream_client *client, uint16_t code, const void *data,
                         size_t length)
{
    for (unsigned i = 0; i < STREAM_CLIENT_KEPT; i++) {
        if (client->kept[i].code != code && client->kept[i].code != 0)
            continue;
        client->kept[i].code = code;
        client->kept[i].length = (uint16_t)length;
        memcpy(client->kept[i].data, data, length);
        return;
    }
}

int stream_client_control(struct stream_client *client, uint16_t code, unsigned flags, bool keep,
                          void *data, size_t *length, unsigned milliseconds)
{
    uint64_t deadline = clock_now() + milliseconds * CLOCK_MILLISECOND;
    uint8_t request[STREAM_DATA];
    size_t size = *length;

    if (size > STREAM_DATA)
        return EINVAL;
    if (client->is_gone ||
        (client->slot[STREAM_CLIENT_CONTROL].in_flight && sleep_until(client, 0) == ENODEV))
        return ENODEV;
    if (client->slot[STREAM_CLIENT_CONTROL].in_flight)
        return EBUSY; /* one that took too long is there still */
    memcpy(request, data, size);
    client->control_done = false;
    control_submit(client, code, flags, request, size, deadline);
    while (!client->control_done) {
        int error = wait_until(client, deadline);
        if (error != 0)
            return error;
    }
    if (client->control_error != 0)
        return client->control_error;
    if (keep)
        control_keep(client, code, request, size);
    *length = client->control_length;
    memcpy(data, client->control_data, client->control_length);
    return 0;
}
