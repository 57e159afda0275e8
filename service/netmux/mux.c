/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mux.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 64, MEMORY_MOST = 2 << 20, SOURCE = NET_ADDRESS_SIZE, HUNGRY = 64 };

/* What a frame begins with, copied: whose it is does not change any more. */
struct header {
    unsigned char byte[NET_HEADER_SIZE];
};

static bool is_broadcast(const unsigned char *address)
{
    static const unsigned char all[NET_ADDRESS_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return memcmp(address, all, sizeof(all)) == 0;
}

static bool is_group(const unsigned char *address)
{
    return address[0] & 1;
}

static void line_add(struct mux_line *line, struct net_request *request)
{
    line->request[(line->first + line->count++) % NET_SLOTS] = request;
}

static struct net_request *line_take(struct mux_line *line)
{
    if (line->count == 0)
        return NULL;
    line->count--;
    return line->request[line->first++ % NET_SLOTS];
}

/* Where in its client's memory a request is: the class checked that it lies within its buffer. */
static unsigned char *request_memory(const struct mux_port *port, const struct net_request *request)
{
    return port->buffer[(request->address >> 32) - 1].memory + (uint32_t)request->address;
}

int mux_port_attach(struct mux_port *port, void *memory, size_t size, uint64_t *address)
{
    if (port->buffer_count == NET_BUFFERS)
        return ENOSPC;
    if (size > UINT32_MAX)
        return EINVAL;
    port->buffer[port->buffer_count].memory = memory;
    port->buffer[port->buffer_count].size = size;
    *address = (uint64_t)++port->buffer_count << 32;
    return 0;
}

/* The first piece is no shorter than a header. */
static inline void frame_copy(unsigned char *to, const struct header *header,
                              const struct mux_piece *piece)
{
    memcpy(to, header, sizeof(*header));
    memcpy(to + sizeof(*header), piece->data + sizeof(*header), piece->length - sizeof(*header));
    for (const struct mux_piece *more = piece->more; more; more = more->more) {
        to += piece->length;
        memcpy(to, more->data, more->length);
        piece = more;
    }
}

static void request_fill(struct mux_port *port, struct net_request *request,
                         const struct header *header, const struct mux_piece *frame,
                         uint32_t length, uint8_t flags)
{
    if (length > request->length) {
        net_request_done(request, NET_STATUS_DROPPED, 0, 0);
        return;
    }
    frame_copy(request_memory(port, request), header, frame);
    net_request_done(request, NET_STATUS_OK, length, flags);
}

static void deliver(struct mux_port *port, const struct header *header,
                    const struct mux_piece *frame, uint32_t length, uint8_t flags)
{
    struct net_request *request = line_take(&port->receive);

    port->mux->is_hungry |= port->receive.count < HUNGRY;
    if (request)
        request_fill(port, request, header, frame, length, flags);
    else
        net_device_lost(port->device, 0, 1);
}

static struct mux_port *port_find(struct mux *mux, const unsigned char *address)
{
    for (unsigned i = 0; i < mux->port_count; i++) {
        if (memcmp(mux->port[i].info.address, address, NET_ADDRESS_SIZE) == 0)
            return &mux->port[i];
    }
    return NULL;
}

/* Promiscuous is no more than every group here: other clients' frames are theirs. */
static bool port_listens(const struct mux_port *port, const unsigned char *group)
{
    const struct net_filter *filter = &port->filter;

    if (is_broadcast(group) || filter->flags != 0)
        return true;
    for (uint32_t i = 0; i < filter->count; i++) {
        if (memcmp(filter->group[i], group, NET_ADDRESS_SIZE) == 0)
            return true;
    }
    return false;
}

/* To everybody here whom it is for, but `from`. */
static void spread(struct mux *mux, const struct mux_port *from, const struct header *header,
                   const struct mux_piece *frame, uint32_t length, uint8_t flags)
{
    for (unsigned i = 0; i < mux->port_count; i++) {
        struct mux_port *port = &mux->port[i];
        /* Nobody's counters go up for what nobody listens to. */
        if (port != from && port->buffer_count > 0 && port_listens(port, header->byte))
            deliver(port, header, frame, length, flags);
    }
}

static void frame_received(void *context, enum net_completion_status status, uint32_t length,
                           uint8_t flags);

/* Give it to the card again. */
static void frame_post(struct mux_frame *frame)
{
    struct mux *mux = frame->mux;

    mux->submitted |= net_client_receive(mux->card, &frame->place, frame_received, frame) == 0;
}

/* One that was kept, with its pieces. */
static void frame_post_kept(struct mux_frame *frame)
{
    for (struct mux_piece *piece = &frame->piece, *more; piece; piece = more) {
        more = piece->more;
        frame = (struct mux_frame *)piece;
        frame->is_kept = false;
        frame_post(frame);
    }
}

/* Its places. */
static unsigned frame_count(const struct mux_frame *frame)
{
    unsigned count = 0;

    for (const struct mux_piece *piece = &frame->piece; piece; piece = piece->more)
        count++;
    return count;
}

/* Until its client has a buffer again: it may be on its way with some. */
static void frame_keep(struct mux_port *port, struct mux_frame *frame, uint32_t length,
                       uint8_t flags)
{
    for (struct mux_piece *piece = &frame->piece; piece; piece = piece->more)
        ((struct mux_frame *)piece)->is_kept = true;
    frame->length = length;
    frame->flags = flags;
    frame->next = NULL;
    *port->kept_end = frame;
    port->kept_end = &frame->next;
    port->kept_count += frame_count(frame);
}

static struct mux_frame *frame_unkeep(struct mux_port *port)
{
    struct mux_frame *frame = port->kept;

    if (!frame)
        return NULL;
    port->kept = frame->next;
    port->kept_count -= frame_count(frame);
    if (!port->kept)
        port->kept_end = &port->kept;
    return frame;
}

/* Places that each port may keep: half of its share; and all of them together leave enough to each
 * of the card's queues, should all be of the buffers of one, to which others are not moved. */
static unsigned keeps(const struct mux *mux)
{
    const struct net_info *info = net_client_info(mux->card);
    unsigned queues = info->queues > 0 ? info->queues : 1, all = mux->receive_count;
    unsigned most = (all + queues - 1) / queues; /* that one of them has */
    unsigned least =
        (queues - 1) * most + net_buffers_least(info, mux->receive[0].place.length) / queues;
    unsigned spare = all > least ? all - least : 0;

    return (spare < all / 2 ? spare : all / 2) / mux->port_count;
}

static void frame_give(struct mux_frame *frame, uint32_t length, uint8_t flags)
{
    struct mux *mux = frame->mux;
    struct header header;

    memcpy(&header, frame->piece.data, sizeof(header));
    if (is_group(header.byte)) {
        spread(mux, NULL, &header, &frame->piece, length, flags);
        return;
    }
    struct mux_port *port = port_find(mux, header.byte);
    if (!port || port->buffer_count == 0)
        return;
    if (port->receive.count > 0 || port->kept_count + frame_count(frame) > keeps(mux)) {
        deliver(port, &header, &frame->piece, length, flags);
        return;
    }
    mux->is_hungry = true;
    frame_keep(port, frame, length, flags);
}

/* Where what came lies: in its place, or in that and others'. */
static void pieces_take(struct mux_frame *frame, uint32_t length, uint8_t flags)
{
    struct mux_piece **end = &frame->piece.more;
    const struct net_piece *pieces;
    unsigned count = 0;

    frame->piece = (struct mux_piece){frame->memory, length, NULL};
    if (!(flags & NET_PIECES))
        return;
    pieces = net_client_pieces(frame->mux->card, &count);
    frame->piece = (struct mux_piece){pieces[0].data, pieces[0].length, NULL};
    for (unsigned i = 1; i < count; i++) {
        struct mux_frame *other = pieces[i].context;
        other->piece = (struct mux_piece){pieces[i].data, pieces[i].length, NULL};
        *end = &other->piece;
        end = &other->piece.more;
    }
}

static void frame_received(void *context, enum net_completion_status status, uint32_t length,
                           uint8_t flags)
{
    struct mux_frame *frame = context;

    if (status == NET_STATUS_GONE)
        return;
    if (status == NET_STATUS_OK) {
        pieces_take(frame, length, flags);
        frame_give(frame, length, flags & (uint8_t)~NET_PIECES);
    }
    if (!frame->is_kept)
        frame_post(frame);
}

static void frame_free(struct mux_frame *frame)
{
    frame->port = NULL;
    frame->request = NULL;
    frame->next = frame->mux->free;
    frame->mux->free = frame;
}

static void frame_sent(void *context, enum net_completion_status status, uint32_t length,
                       uint8_t flags)
{
    struct mux_frame *frame = context;

    (void)flags;
    if (frame->port) {
        frame->port->on_the_way--;
        net_request_done(frame->request, status, length, 0);
    }
    frame_free(frame);
}

/* To the card. */
static void frame_send(struct mux_port *port, struct net_request *request,
                       const struct header *header, const struct mux_piece *data)
{
    struct mux *mux = port->mux;
    struct mux_frame *frame = mux->free;

    mux->free = frame->next;
    frame->port = port;
    frame->request = request;
    frame_copy(frame->memory, header, data);
    frame->place.length = request->length;
    if (net_client_send_flow(mux->card, &frame->place, port->flow, frame_sent, frame) == 0) {
        port->on_the_way++;
        mux->submitted = true;
        return;
    }
    net_request_done(request, NET_STATUS_DROPPED, 0, 0);
    frame_free(frame);
}

/* A source that is not the client's is an error of its; what is for somebody here does not reach
 * the wire. */
static void request_send(struct mux_port *port, struct net_request *request)
{
    const struct mux_piece data = {request_memory(port, request), request->length, NULL};
    struct header header;

    memcpy(&header, data.data, sizeof(header));
    if (memcmp(header.byte + SOURCE, port->info.address, NET_ADDRESS_SIZE) != 0) {
        net_request_done(request, NET_STATUS_INVALID, 0, 0);
        return;
    }
    struct mux_port *to = port_find(port->mux, header.byte);
    if (to && to != port) {
        deliver(to, &header, &data, request->length, 0);
        net_request_done(request, NET_STATUS_OK, request->length, 0);
        return;
    }
    if (is_group(header.byte))
        spread(port->mux, port, &header, &data, request->length, 0);
    frame_send(port, request, &header, &data);
}

bool mux_turn(struct mux *mux)
{
    unsigned idle = 0;
    bool submitted;

    while (idle < mux->port_count && mux->free) {
        struct mux_port *port = &mux->port[mux->next];
        mux->next = (mux->next + 1) % mux->port_count;
        struct net_request *request = port->on_the_way < mux->share ? line_take(&port->send) : NULL;
        idle = request ? 0 : idle + 1;
        if (request)
            request_send(port, request);
    }
    submitted = mux->submitted;
    mux->submitted = false;
    return submitted;
}

static bool port_send(void *context, struct net_request *request)
{
    struct mux_port *port = context;

    line_add(&port->send, request);
    return true;
}

static bool port_receive(void *context, struct net_request *request)
{
    struct mux_port *port = context;
    struct mux_frame *frame = frame_unkeep(port);
    struct header header;

    if (!frame) {
        line_add(&port->receive, request);
        return true;
    }
    memcpy(&header, frame->piece.data, sizeof(header));
    request_fill(port, request, &header, &frame->piece, frame->length, frame->flags);
    frame_post_kept(frame);
    return true;
}

static void port_kick(void *context)
{
    (void)context; /* mux_turn */
}

static void group_add(struct net_filter *filter, const uint8_t *group)
{
    for (uint32_t i = 0; i < filter->count; i++) {
        if (memcmp(filter->group[i], group, NET_ADDRESS_SIZE) == 0)
            return;
    }
    if (filter->count == NET_GROUPS)
        filter->flags |= NET_FILTER_ALL_MULTICAST;
    else
        memcpy(filter->group[filter->count++], group, NET_ADDRESS_SIZE);
}

/* What the card has to let through for all of them together. */
static int card_filter(struct mux *mux)
{
    struct net_filter filter = {.own_count = mux->port_count - 1};

    for (unsigned i = 0; i < mux->port_count; i++) {
        const struct mux_port *port = &mux->port[i];
        if (i > 0)
            memcpy(filter.own[i - 1], port->info.address, NET_ADDRESS_SIZE);
        if (port->filter.flags != 0)
            filter.flags |= NET_FILTER_ALL_MULTICAST;
        for (uint32_t j = 0; j < port->filter.count; j++)
            group_add(&filter, port->filter.group[j]);
    }
    if (memcmp(&filter, &mux->filter, sizeof(filter)) == 0)
        return 0;
    mux->filter = filter;
    return net_client_filter(mux->card, &filter);
}

static void port_filter(void *context, const struct net_filter *filter)
{
    struct mux_port *port = context;

    port->filter = *filter;
    card_filter(port->mux);
}

static void line_end(struct mux_line *line)
{
    struct net_request *request;

    while ((request = line_take(line)))
        net_request_done(request, NET_STATUS_DROPPED, 0, 0);
}

/* Nothing that the card has is of the client's memory. */
static void port_recall(void *context)
{
    struct mux_port *port = context;
    struct mux *mux = port->mux;
    struct mux_frame *frame;

    line_end(&port->send);
    line_end(&port->receive);
    for (unsigned i = 0; i < mux->send_count; i++) {
        frame = &mux->send[i];
        if (frame->port != port)
            continue;
        frame->port = NULL;
        net_request_done(frame->request, NET_STATUS_DROPPED, 0, 0);
    }
    port->on_the_way = 0;
    while ((frame = frame_unkeep(port)))
        frame_post_kept(frame);
    net_device_recalled(port->device);
}

const struct net_device_ops mux_port_ops = {
    .send = port_send,
    .receive = port_receive,
    .kick = port_kick,
    .filter = port_filter,
    .recall = port_recall,
};

/* The first has the card's own address, the others ones that are made of it and marked as local. */
static void port_init(struct mux *mux, unsigned number, const struct net_info *card)
{
    struct mux_port *port = &mux->port[number];

    port->mux = mux;
    port->kept_end = &port->kept;
    port->flow = (uint16_t)number; /* who they are for comes back by the same queue, if it can */
    port->info = *card;
    port->info.queues = 0;
    if (card->flags & NET_INFO_MERGES) /* a client's buffer is filled from its beginning */
        port->info.receive_size = card->max_frame;
    port->info.flags = NET_INFO_COPIES | (card->flags & NET_INFO_CHECKSUM_RECEIVE);
    if (number > 0) {
        port->info.address[0] |= 2;
        port->info.address[1] = (uint8_t)(card->address[1] + number);
    }
    snprintf(port->info.model, sizeof(port->info.model), "share of a %.32s", card->model);
}

/* As many as there is memory for. */
static int frames_init(struct mux *mux, struct mux_frame *frames, uint32_t room, unsigned *count)
{
    uint32_t size = (room + LINE - 1) & ~(uint32_t)(LINE - 1), buffer;
    void *memory;

    *count = MEMORY_MOST / size < MUX_FRAMES ? MEMORY_MOST / size : MUX_FRAMES;
    int error = net_client_buffer(mux->card, (size_t)size * *count, &memory, &buffer);
    for (unsigned i = 0; i < *count && error == 0; i++) {
        frames[i] = (struct mux_frame){
            .mux = mux,
            .memory = (unsigned char *)memory + (size_t)i * size,
            .place = {buffer, room, (uint64_t)i * size},
        };
    }
    return error;
}

int mux_init(struct mux *mux, struct net_client *card, unsigned ports)
{
    const struct net_info *info = net_client_info(card);

    if (ports == 0 || ports > MUX_PORTS_MAX)
        return EINVAL;
    mux->card = card;
    mux->port_count = ports;
    for (unsigned i = 0; i < ports; i++)
        port_init(mux, i, info);
    int error = frames_init(mux, mux->send, info->max_frame, &mux->send_count);
    if (error == 0)
        error = frames_init(mux, mux->receive, info->receive_size, &mux->receive_count);
    mux->share = mux->send_count / ports;
    for (unsigned i = 0; i < mux->send_count && error == 0; i++)
        frame_free(&mux->send[i]);
    for (unsigned i = 0; i < mux->receive_count && error == 0; i++)
        error = net_client_receive(card, &mux->receive[i].place, frame_received, &mux->receive[i]);
    return error == 0 ? card_filter(mux) : error;
}
