/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/net.h>

static struct net_device *devices;

static bool info_is_possible(const struct net_info *info)
{
    uint32_t least = info->flags & NET_INFO_MERGES ? NET_MERGE_LEAST : info->max_frame;

    return info->max_frame > NET_HEADER_SIZE && info->max_frame <= NET_FRAME_MOST &&
           info->receive_size >= least && info->queues <= NET_QUEUES && !(info->address[0] & 1);
}

int net_device_create(const struct net_info *info, const struct net_device_ops *ops, void *context,
                      struct net_device **result)
{
    if (!info_is_possible(info))
        return EINVAL;
    struct net_device *device = calloc(1, sizeof(*device));
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

void net_device_destroy(struct net_device *device)
{
    struct net_device **link = &devices;

    while (*link && *link != device)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = device->next;
    if (device->session)
        device->session->transport->ended(device->session->link, device->session);
    free(device->session);
    free(device);
}

void net_device_link(struct net_device *device, const struct net_link *link)
{
    struct net_state *state = &device->state;

    if (state->changes > 0 && state->link == link->up && state->speed == link->speed &&
        state->full_duplex == link->full_duplex)
        return;
    state->link = link->up;
    state->speed = link->speed;
    state->full_duplex = link->full_duplex;
    state->changes++;
}

void net_device_lost(struct net_device *device, uint64_t damaged, uint64_t missed)
{
    device->state.statistics.receive_errors += damaged;
    device->state.statistics.missed += missed;
}

static void line_init(struct net_line *line)
{
    *line = (struct net_line){.end = &line->first};
}

int net_session_create(struct net_device *device, const struct net_transport *transport, void *link,
                       struct net_session **result)
{
    if (device->session)
        return EBUSY;
    struct net_session *session = calloc(1, sizeof(*session));
    if (!session)
        return ENOMEM;
    session->device = device;
    session->transport = transport;
    session->link = link;
    line_init(&session->send);
    line_init(&session->receive);
    device->session = session;
    device->told = device->state.changes - 1; /* how things are is news to it */
    *result = session;
    return 0;
}

int net_session_attach(struct net_session *session, uint64_t address, uint64_t size,
                       uint32_t *buffer)
{
    for (uint32_t id = 0; id < NET_BUFFERS; id++) {
        if (session->buffer[id].size == 0) {
            session->buffer[id].address = address;
            session->buffer[id].size = size;
            *buffer = id;
            return 0;
        }
    }
    return ENOSPC;
}

int net_session_filter(struct net_session *session, const struct net_filter *filter)
{
    struct net_device *device = session->device;

    if ((filter->flags & ~(uint32_t)(NET_FILTER_PROMISCUOUS | NET_FILTER_ALL_MULTICAST)) != 0 ||
        filter->count > NET_GROUPS || filter->own_count > NET_ADDRESSES)
        return EINVAL;
    for (uint32_t i = 0; i < filter->count; i++) {
        if (!(filter->group[i][0] & 1))
            return EINVAL;
    }
    for (uint32_t i = 0; i < filter->own_count; i++) {
        if (filter->own[i][0] & 1)
            return EINVAL;
    }
    device->filter = *filter;
    device->ops->filter(device->context, &device->filter);
    return 0;
}

static void completion_add(struct net_session *session, const struct net_request *request,
                           enum net_completion_status status, uint32_t length, uint8_t flags)
{
    session->completion[session->completion_count++] = (struct net_completion){
        .slot = request->slot,
        .status = (uint8_t)status,
        .flags = flags,
        .generation = request->generation,
        .length = length,
    };
}

/* Of a submission that has a flag, or asks for a checksum without. */
static __attribute__((noinline)) bool checksum_is_possible(const struct net_info *info,
                                                           const struct net_submission *submission)
{
    return submission->operation == NET_SEND && submission->flags == NET_CHECKSUM &&
           (info->flags & NET_INFO_CHECKSUM_SEND) &&
           (uint32_t)submission->checksum_start + submission->checksum_offset + 2 <=
               submission->length;
}

/* Fill the request in from a submission; false: it cannot be carried out. */
static bool request_check(const struct net_session *session,
                          const struct net_submission *submission, struct net_request *request)
{
    const struct net_info *info = &session->device->info;
    bool sends = submission->operation == NET_SEND;
    uint32_t least = sends ? NET_FRAME_LEAST : info->receive_size, length = submission->length;
    uint32_t most = sends ? info->max_frame : NET_FRAME_MOST;
    uint64_t offset = submission->offset;

    if ((!sends && submission->operation != NET_RECEIVE) || submission->reserved != 0 ||
        submission->buffer >= NET_BUFFERS || length < least || length > most)
        return false;
    if ((submission->flags | submission->checksum_start | submission->checksum_offset) != 0 &&
        !checksum_is_possible(info, submission))
        return false;
    const struct net_buffer *buffer = &session->buffer[submission->buffer];
    if (offset > buffer->size || length > buffer->size - offset)
        return false;
    request->flags = submission->flags;
    request->flow = submission->flow;
    request->checksum_start = submission->checksum_start;
    request->checksum_offset = submission->checksum_offset;
    request->length = length;
    request->address = buffer->address + offset;
    return true;
}

int net_session_submit(struct net_session *session, const struct net_submission *submission)
{
    uint16_t slot = submission->slot;

    if (slot >= NET_SLOTS || session->busy[slot])
        return EPROTO;
    struct net_request *request = &session->request[slot];
    session->busy[slot] = true;
    request->session = session;
    request->slot = slot;
    request->generation = submission->generation;
    request->operation = (enum net_operation)submission->operation;
    request->next = NULL;
    if (!request_check(session, submission, request)) {
        session->device->state.statistics.refused++;
        completion_add(session, request, NET_STATUS_INVALID, 0, 0);
        return 0;
    }
    struct net_line *line = request->operation == NET_SEND ? &session->send : &session->receive;
    *line->end = request;
    line->end = &request->next;
    return 0;
}

void net_session_end(struct net_session *session)
{
    struct net_device *device = session->device;

    line_init(&session->send);
    line_init(&session->receive);
    device->recalling = true;
    device->ops->recall(device->context);
}

void net_device_recalled(struct net_device *device)
{
    static const struct net_filter nothing_else;
    struct net_session *session = device->session;

    if (!device->recalling || session->owned > 0)
        return;
    device->recalling = false;
    device->session = NULL;
    session->transport->ended(session->link, session);
    free(session);
    device->filter = nothing_else;
    device->ops->filter(device->context, &device->filter);
}

/* Of buffers that a device merges: what is not full is the last of a frame; the next one begins
 * with a header, as far as there is so much. */
static void statistics_add_merged(struct net_session *session, uint32_t room, uint32_t length)
{
    enum { HEADER = sizeof(struct net_frame_header) };
    struct net_statistics *statistics = &session->device->state.statistics;
    uint32_t header = session->is_within ? 0 : length < HEADER ? length : HEADER;

    statistics->received_bytes += length - header;
    session->is_within = length == room;
    statistics->received_frames += length < room;
}

static void statistics_add(struct net_session *session, const struct net_request *request,
                           enum net_completion_status status, uint32_t length)
{
    struct net_statistics *statistics = &session->device->state.statistics;
    bool sent = request->operation == NET_SEND;

    if (status != NET_STATUS_OK) {
        *(sent ? &statistics->send_errors : &statistics->receive_errors) += 1;
    } else if (sent) {
        statistics->sent_frames++;
        statistics->sent_bytes += length;
    } else if (session->device->info.flags & NET_INFO_MERGES) {
        statistics_add_merged(session, request->length, length);
    } else {
        statistics->received_frames++;
        statistics->received_bytes += length;
    }
}

void net_request_done(struct net_request *request, enum net_completion_status status,
                      uint32_t length, uint8_t flags)
{
    struct net_session *session = request->session;

    session->owned--;
    if (session->device->recalling)
        return;
    /* What the device says of a length goes no further than the buffer. */
    if (status == NET_STATUS_OK && length > request->length)
        status = NET_STATUS_DROPPED;
    statistics_add(session, request, status, length);
    completion_add(session, request, status, status == NET_STATUS_OK ? length : 0, flags);
    (request->operation == NET_SEND ? &session->send : &session->receive)->is_full = false;
}

/* Give the driver what waits in a line. Whether it took any. */
static bool line_start(struct net_device *device, struct net_line *line,
                       bool (*start)(void *context, struct net_request *request))
{
    bool any = false;

    while (line->first && !line->is_full) {
        struct net_request *request = line->first;
        struct net_request *next = request->next;
        device->session->owned++;
        if (!start(device->context, request)) {
            device->session->owned--;
            line->is_full = true;
            break;
        }
        line->first = next;
        if (!next)
            line->end = &line->first;
        any = true;
    }
    return any;
}

static bool lines_start(struct net_device *device, struct net_session *session)
{
    bool started = line_start(device, &session->receive, device->ops->receive);

    return line_start(device, &session->send, device->ops->send) || started;
}

/* Where the doorbell already made room again, no other event may come in which that is used. */
static void device_turn(struct net_device *device)
{
    struct net_session *session = device->session;

    if (!session || device->recalling)
        return;
    while (lines_start(device, session))
        device->ops->kick(device->context);
    if (session->completion_count == 0 && device->told == device->state.changes)
        return;
    if (!session->transport->deliver(session->link, session->completion, session->completion_count,
                                     &device->state))
        return;
    for (unsigned i = 0; i < session->completion_count; i++)
        session->busy[session->completion[i].slot] = false;
    session->completion_count = 0;
    device->told = device->state.changes;
}

void net_turn(void)
{
    for (struct net_device *device = devices; device; device = device->next)
        device_turn(device);
}
