/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/stream.h>

enum { FULL_AT = STREAM_BACKLOG - STREAM_ROOM, ROOM_AT = STREAM_BACKLOG / 4 };

static struct stream_device *devices;

int stream_device_create(const struct stream_info *info, const struct stream_device_ops *ops,
                         void *context, struct stream_device **result)
{
    struct stream_device *device = calloc(1, sizeof(*device));

    if (!device)
        return ENOMEM;
    device->info = *info;
    device->info.model[sizeof(info->model) - 1] = '\0';
    device->ops = ops;
    device->context = context;
    device->next = devices;
    devices = device;
    *result = device;
    return 0;
}

static void use_tell(const struct stream_device *device, bool used)
{
    if (device->ops->in_use)
        device->ops->in_use(device->context, used);
}

/* A session is not full any more, or has ended: unless another one still is, or nobody is left. */
static void read_on(const struct stream_device *device)
{
    if (!device->ops->read_on || device->session_count == 0)
        return;
    for (const struct stream_session *other = device->sessions; other; other = other->next) {
        if (other->is_full && !other->has_ended)
            return;
    }
    device->ops->read_on(device->context);
}

static void session_free(struct stream_session *session)
{
    struct stream_session **link = &session->device->sessions;

    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    free(session);
}

void stream_device_destroy(struct stream_device *device)
{
    struct stream_device **link = &devices;

    while (*link && *link != device)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = device->next;
    while (device->sessions)
        session_free(device->sessions);
    free(device);
}

static void line_init(struct stream_line *line)
{
    *line = (struct stream_line){.end = &line->first};
}

static void line_append(struct stream_line *line, struct stream_request *request)
{
    request->next = NULL;
    *line->end = request;
    line->end = &request->next;
}

static void line_prepend(struct stream_line *line, struct stream_request *request)
{
    request->next = line->first;
    line->first = request;
    if (!request->next)
        line->end = &request->next;
}

static struct stream_request *line_take(struct stream_line *line)
{
    struct stream_request *request = line->first;

    line->first = request->next;
    if (!line->first)
        line->end = &line->first;
    return request;
}

int stream_session_create(struct stream_device *device, const struct stream_transport *transport,
                          void *link, struct stream_session **result)
{
    unsigned most = device->info.flags & STREAM_INFO_SHARED ? STREAM_SESSIONS_MAX : 1;

    if (device->session_count == most)
        return EBUSY;
    struct stream_session *session = calloc(1, sizeof(*session));
    if (!session)
        return ENOMEM;
    session->device = device;
    session->transport = transport;
    session->link = link;
    line_init(&session->doing);
    line_init(&session->reads);
    session->next = device->sessions;
    device->sessions = session;
    if (device->session_count++ == 0)
        use_tell(device, true);
    *result = session;
    return 0;
}

void stream_session_end(struct stream_session *session)
{
    struct stream_device *device = session->device;

    session->has_ended = true;
    line_init(&session->doing);
    line_init(&session->reads);
    if (--device->session_count == 0)
        use_tell(device, false);
    if (session->is_full)
        read_on(device);
    if (!session->pending)
        session_free(session);
}

static struct stream_completion *completion_add(struct stream_session *session,
                                                const struct stream_request *request,
                                                unsigned status, uint16_t length)
{
    struct stream_completion *completion = &session->completion[session->completion_count++];

    *completion = (struct stream_completion){
        .slot = request->slot,
        .status = (uint8_t)status,
        .generation = request->generation,
        .length = length,
    };
    return completion;
}

static bool submission_is_possible(const struct stream_submission *submission)
{
    unsigned flags = submission->flags;

    if (submission->length > STREAM_DATA || submission->reserved != 0)
        return false;
    switch (submission->operation) {
    case STREAM_WRITE:
        return submission->length > 0 && submission->code == 0 &&
               !(flags & ~(unsigned)STREAM_CONTINUES);
    case STREAM_READ:
        return submission->length == 0 && submission->code == 0 && flags == 0;
    case STREAM_CONTROL:
        return !(flags & ~(unsigned)STREAM_NOW);
    default:
        return false;
    }
}

/* What was done of each write that waits; controls stay. */
static void writes_cancel(struct stream_session *session)
{
    struct stream_request *request = session->doing.first;

    line_init(&session->doing);
    for (struct stream_request *next; request; request = next) {
        next = request->next;
        if (request->operation == STREAM_WRITE)
            completion_add(session, request, STREAM_STATUS_CANCELLED, request->done);
        else
            line_append(&session->doing, request);
    }
    session->is_stuck = false;
}

int stream_session_submit(struct stream_session *session,
                          const struct stream_submission *submission)
{
    if (submission->slot >= STREAM_SLOTS || session->busy[submission->slot])
        return EPROTO;
    session->busy[submission->slot] = true;

    struct stream_request *request = &session->request[submission->slot];
    *request = (struct stream_request){
        .code = submission->code,
        .length = submission->length,
        .session = session,
        .operation = submission->operation,
        .flags = submission->flags,
        .slot = submission->slot,
        .generation = submission->generation,
    };
    if (!submission_is_possible(submission)) {
        completion_add(session, request, STREAM_STATUS_INVALID, 0);
        return 0;
    }
    memcpy(request->data, submission->data, submission->length);
    if (request->operation == STREAM_READ) {
        line_append(&session->reads, request);
    } else if (request->operation == STREAM_CONTROL && request->code == STREAM_CODE_CANCEL) {
        writes_cancel(session);
        completion_add(session, request, STREAM_STATUS_OK, 0);
    } else if (request->flags & STREAM_NOW) {
        line_prepend(&session->doing, request);
        session->is_stuck = false;
    } else {
        line_append(&session->doing, request);
    }
    return 0;
}

void *stream_request_reply(struct stream_request *request, size_t length)
{
    memset(request->data, 0, sizeof(request->data));
    request->done = (uint16_t)length;
    return request->data;
}

static void control_end(struct stream_request *request, unsigned status)
{
    uint16_t length = status == STREAM_STATUS_OK ? request->done : 0;
    struct stream_completion *completion =
        completion_add(request->session, request, status, length);

    memcpy(completion->data, request->data, length);
}

void stream_request_done(struct stream_request *request, enum stream_status status)
{
    struct stream_session *session = request->session;

    session->pending = NULL;
    if (session->has_ended)
        session_free(session);
    else
        control_end(request, status);
}

/* True: it is answered. */
static bool write_do(struct stream_session *session, struct stream_request *request)
{
    const struct stream_device *device = session->device;
    size_t taken = 0, left = (size_t)(request->length - request->done);

    if (!(request->flags & STREAM_CONTINUES))
        session->is_broken = false;
    if (session->is_broken) {
        completion_add(session, request, STREAM_STATUS_CANCELLED, 0);
        return true;
    }
    unsigned status = STREAM_STATUS_UNSUPPORTED;
    if (device->ops->write)
        status = device->ops->write(device->context, request->data + request->done, left, &taken);
    request->done = (uint16_t)(request->done + taken);
    request->flags |= STREAM_CONTINUES; /* it has begun: it may not mend what it breaks itself */
    if (status == STREAM_PENDING)
        return false;
    session->is_broken = status != STREAM_STATUS_OK;
    completion_add(session, request, status, request->done);
    return true;
}

/* A control that is pending holds back what is behind it. */
static void session_do(struct stream_session *session)
{
    const struct stream_device *device = session->device;

    while (session->doing.first && !session->is_stuck && !session->pending) {
        struct stream_request *request = session->doing.first;
        if (request->operation == STREAM_WRITE) {
            session->is_stuck = !write_do(session, request);
            if (!session->is_stuck)
                line_take(&session->doing);
            continue;
        }
        line_take(&session->doing);
        session->pending = request;
        unsigned status = STREAM_STATUS_UNSUPPORTED;
        if (device->ops->control)
            status = device->ops->control(device->context, request);
        if (status == STREAM_PENDING)
            continue;
        session->pending = NULL;
        control_end(request, status);
    }
}

void stream_device_room(struct stream_device *device)
{
    for (struct stream_session *session = device->sessions; session; session = session->next)
        session->is_stuck = false;
}

bool stream_device_received(struct stream_device *device, const void *data, size_t length,
                            unsigned flags)
{
    const uint8_t *bytes = data;
    bool has_room = true;

    for (struct stream_session *session = device->sessions; session; session = session->next) {
        if (session->has_ended || length == 0)
            continue;
        if (length > STREAM_BACKLOG - (session->put - session->taken)) {
            session->has_lost = true;
        } else {
            for (size_t i = 0; i < length; i++)
                session->backlog[session->put++ % STREAM_BACKLOG] = bytes[i];
            unsigned lost = session->has_lost ? STREAM_OVERRUN : 0;
            session->backlog[(session->put - 1) % STREAM_BACKLOG] |=
                (uint16_t)((flags | lost) << 8);
            session->has_lost = false;
        }
        if (session->put - session->taken >= FULL_AT)
            session->is_full = true;
        has_room &= !session->is_full;
    }
    return has_room;
}

static void read_fill(struct stream_session *session, struct stream_request *request)
{
    struct stream_completion *completion = completion_add(session, request, STREAM_STATUS_OK, 0);

    while (completion->length < STREAM_DATA && completion->flags == 0 &&
           session->taken != session->put) {
        uint16_t entry = session->backlog[session->taken++ % STREAM_BACKLOG];
        completion->data[completion->length++] = (uint8_t)entry;
        completion->flags = (uint8_t)(entry >> 8);
    }
}

static void session_read(struct stream_session *session)
{
    while (session->reads.first && session->taken != session->put)
        read_fill(session, line_take(&session->reads));
    if (!session->is_full || session->put - session->taken > ROOM_AT)
        return;
    session->is_full = false;
    read_on(session->device);
}

static void session_turn(struct stream_session *session)
{
    session_do(session);
    session_read(session);
    if (session->completion_count == 0 ||
        !session->transport->deliver(session->link, session->completion, session->completion_count))
        return;
    for (unsigned i = 0; i < session->completion_count; i++)
        session->busy[session->completion[i].slot] = false;
    session->completion_count = 0;
}

void stream_turn(void)
{
    for (struct stream_device *device = devices; device; device = device->next) {
        for (struct stream_session *session = device->sessions; session; session = session->next) {
            if (!session->has_ended)
                session_turn(session);
        }
    }
}
