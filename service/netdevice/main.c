/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network device service: the kernel's device interface (device/device.defs) for network
 * cards, over sessions with their drivers. It is a task of its own, as it runs programs that others
 * made: filters. Who opens a card at the device service (service/device) gets here.
 *
 * A frame that cannot be sent, as there is no link or the driver is being started again, is lost,
 * and its sender told that it was sent: the Hurd's stacks end when they are told anything else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <net/if.h>

#include <device/device_types.h>
#include <device/net_status.h>

#include <kernel/device_reply_user.h>
#include <kernel/device_server.h>
#include <kernel/mach_port_user.h>

#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>

#include "card.h"

enum { OPENS_MAX = 256, WRITES_MAX = 256 };

/* What a card's flags are whoever asks, and which of them can be set. */
enum {
    FLAGS_ALWAYS = IFF_UP | IFF_BROADCAST | IFF_MULTICAST,
    FLAGS_FILTER = IFF_PROMISC | IFF_ALLMULTI
};

struct opening {
    struct card *card;
    bool writable;
    unsigned flags; /* of FLAGS_FILTER */
    mach_port_t port;
    struct opening *next;
};

/* A frame that waits for room, and whoever sends it for the answer. */
struct write {
    struct opening *opening;
    mach_port_t reply_port; /* a send-once right */
    bool inband;
    uint32_t length;
    unsigned char *data; /* pages, if not inband */
    struct write *next;
    unsigned char bytes[IO_INBAND_MAX];
};

static struct opening *openings;
static unsigned opening_count, write_count;
static struct write *first_write, **last_write = &first_write;

static unsigned card_flags(const struct card *card)
{
    unsigned flags = 0;

    for (const struct opening *opening = openings; opening; opening = opening->next)
        flags |= opening->card == card ? opening->flags : 0;
    return flags;
}

/* What anybody wants to hear comes. */
static void card_filter(struct card *card)
{
    unsigned flags = card_flags(card);
    const struct net_filter filter = {
        .flags = (flags & IFF_PROMISC ? NET_FILTER_PROMISCUOUS : 0) |
                 (flags & IFF_ALLMULTI ? NET_FILTER_ALL_MULTICAST : 0),
    };

    net_client_filter(card->client, &filter);
}

static void write_answer(struct write *write)
{
    kern_return_t sent =
        write->inband
            ? ds_device_write_reply_inband(write->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE,
                                           D_SUCCESS, (int)write->length)
            : ds_device_write_reply(write->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, D_SUCCESS,
                                    (int)write->length);

    if (sent != KERN_SUCCESS)
        port_release(write->reply_port);
    if (!write->inband)
        memory_pages_free(write->data, write->length);
    free(write);
    write_count--;
}

/* All that there is room for, in the order in which they came; or those of one that has gone.
 * Whether there were any. */
static bool writes_go_on(const struct opening *ended)
{
    unsigned before = write_count;

    for (struct write **at = &first_write; *at;) {
        struct write *write = *at;
        if (write->opening == ended ||
            (!ended && card_send(write->opening->card, write->data, write->length))) {
            *at = write->next;
            write_answer(write);
        } else {
            at = &write->next;
        }
    }
    last_write = &first_write;
    while (*last_write)
        last_write = &(*last_write)->next;
    return write_count != before;
}

static void opening_end(void *context)
{
    struct opening *opening = context, **at = &openings;

    while (*at != opening)
        at = &(*at)->next;
    *at = opening->next;
    port_destroy(opening->port);
    writes_go_on(opening);
    listeners_end(&opening->card->listeners, opening);
    if (opening->flags != 0 && !opening->card->is_gone)
        card_filter(opening->card);
    card_release(opening->card);
    free(opening);
    opening_count--;
}

static const struct port_type master_type = {.name = "network device master",
                                             .serve = device_server};
static const struct port_type device_type = {
    .name = "network device", .serve = device_server, .no_senders = opening_end};

static struct opening *opening_of(mach_port_t device)
{
    return port_context(device, &device_type);
}

/* Whoever has a card whose driver is gone for good finds its port dead, and may open it again. */
static void gone_end(void)
{
    for (struct opening *opening = openings, *next; opening; opening = next) {
        next = opening->next;
        if (opening->card->is_gone)
            opening_end(opening);
    }
}

static bool turn(void *context)
{
    bool submitted = first_write && writes_go_on(NULL);

    (void)context;
    gone_end();
    cards_tidy();
    return submitted;
}

/* After the sessions' own hook, which finds out that there is room. */
static int hook_once(void)
{
    static bool hooked;

    hooked = hooked || loop_at_turn_end(turn, NULL);
    return hooked ? 0 : ENOSPC;
}

static io_return_t opening_make(struct card *card, bool write, mach_port_t *device)
{
    struct opening *opening = calloc(1, sizeof(*opening));

    if (!opening)
        return D_NO_MEMORY;
    *opening = (struct opening){.card = card, .writable = write};
    if (port_create(&device_type, opening, &opening->port) != 0) {
        free(opening);
        return D_NO_MEMORY;
    }
    mach_port_set_qlimit(mach_task_self(), opening->port, MACH_PORT_QLIMIT_MAX);
    *device = port_make_send(opening->port);
    opening->next = openings;
    openings = opening;
    opening_count++;
    return D_SUCCESS;
}

static io_return_t open_code(int error)
{
    switch (error) {
    case EBUSY:
        return D_ALREADY_OPEN;
    case ENOMEM:
    case ENOSPC:
        return D_NO_MEMORY;
    default:
        return D_NO_SUCH_DEVICE;
    }
}

kern_return_t ds_device_open(mach_port_t master, mach_port_t reply_port,
                             mach_msg_type_name_t reply_type, dev_mode_t mode,
                             const_dev_name_t name, mach_port_t *device,
                             mach_msg_type_name_t *device_type_name)
{
    struct card *card;

    (void)reply_port, (void)reply_type;
    if (port_context(master, &device_type))
        return D_INVALID_OPERATION;
    if (opening_count == OPENS_MAX)
        return D_NO_MEMORY;
    int error = card_open(name, &card);
    if (error != 0)
        return open_code(error);
    io_return_t code = hook_once() == 0 ? opening_make(card, mode & D_WRITE, device) : D_NO_MEMORY;
    if (code != D_SUCCESS)
        card_release(card);
    *device_type_name = MACH_MSG_TYPE_MOVE_SEND;
    return code;
}

kern_return_t ds_device_close(mach_port_t device)
{
    struct opening *opening = opening_of(device);

    if (!opening)
        return D_INVALID_OPERATION;
    opening_end(opening);
    return D_SUCCESS;
}

/* Why a frame of that length is not taken. */
static io_return_t write_refusal(const struct opening *opening, mach_msg_type_name_t reply_type,
                                 uint32_t length)
{
    if (!opening || reply_type != MACH_MSG_TYPE_PORT_SEND_ONCE)
        return D_INVALID_OPERATION;
    if (!opening->writable)
        return D_READ_ONLY;
    if (length < FILTER_ETHERNET || length > net_client_info(opening->card->client)->max_frame)
        return D_INVALID_SIZE;
    return D_SUCCESS;
}

/* It waits until there is room, unless too many do. */
static struct write *write_make(struct opening *opening, mach_port_t reply_port, uint32_t length)
{
    struct write *write = write_count < WRITES_MAX ? malloc(sizeof(*write)) : NULL;

    if (!write)
        return NULL;
    write->opening = opening;
    write->reply_port = reply_port;
    write->length = length;
    write->next = NULL;
    *last_write = write;
    last_write = &write->next;
    write_count++;
    return write;
}

kern_return_t ds_device_write(mach_port_t device, mach_port_t reply_port,
                              mach_msg_type_name_t reply_type, dev_mode_t mode, recnum_t record,
                              io_buf_ptr_t data, mach_msg_type_number_t size, int *written)
{
    struct opening *opening = opening_of(device);
    io_return_t code = write_refusal(opening, reply_type, size);
    struct write *write;

    (void)mode, (void)record;
    if (code != D_SUCCESS)
        return code;
    *written = (int)size;
    if (first_write || !card_send(opening->card, data, size)) {
        write = write_make(opening, reply_port, size);
        if (write) {
            write->inband = false;
            write->data = (unsigned char *)data;
            return MIG_NO_REPLY;
        }
    }
    memory_pages_free(data, size);
    return D_SUCCESS;
}

kern_return_t ds_device_write_inband(mach_port_t device, mach_port_t reply_port,
                                     mach_msg_type_name_t reply_type, dev_mode_t mode,
                                     recnum_t record, const io_buf_ptr_inband_t data,
                                     mach_msg_type_number_t size, int *written)
{
    struct opening *opening = opening_of(device);
    io_return_t code = write_refusal(opening, reply_type, size);
    struct write *write;

    (void)mode, (void)record;
    if (code != D_SUCCESS)
        return code;
    *written = (int)size;
    if (first_write || !card_send(opening->card, data, size)) {
        write = write_make(opening, reply_port, size);
        if (write) {
            write->inband = true;
            write->data = write->bytes;
            memcpy(write->bytes, data, size);
            return MIG_NO_REPLY;
        }
    }
    return D_SUCCESS;
}

static void status_get(const struct opening *opening, struct net_status *status)
{
    uint32_t frame = net_client_info(opening->card->client)->max_frame;
    uint32_t most = FILTER_ETHERNET + NET_RCV_MAX - sizeof(struct packet_header);
    struct net_state state;

    net_client_state(opening->card->client, &state);
    *status = (struct net_status){
        .min_packet_size = FILTER_ETHERNET,
        .max_packet_size = (int)(frame < most ? frame : most), /* what net_rcv_msg has room for */
        .header_format = HDR_ETHERNET,
        .header_size = FILTER_ETHERNET,
        .address_size = NET_ADDRESS_SIZE,
        .flags = (int)(FLAGS_ALWAYS | card_flags(opening->card) | (state.link ? IFF_RUNNING : 0)),
    };
}

/* Integers of the machine whose bytes, most significant first, are the address. */
static void address_get(const struct opening *opening, dev_status_t status)
{
    uint32_t words[2] = {0};

    memcpy(words, net_client_info(opening->card->client)->address, NET_ADDRESS_SIZE);
    status[0] = (int)ntohl(words[0]);
    status[1] = (int)ntohl(words[1]);
}

kern_return_t ds_device_get_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t *count)
{
    const struct opening *opening = opening_of(device);
    mach_msg_type_number_t needed = flavor == NET_STATUS    ? NET_STATUS_COUNT
                                    : flavor == NET_ADDRESS ? 2
                                    : flavor == NET_FLAGS   ? 1
                                                            : 0;
    struct net_status net;

    if (!opening || needed == 0)
        return D_INVALID_OPERATION;
    if (*count < needed)
        return D_INVALID_SIZE;
    status_get(opening, &net);
    if (flavor == NET_STATUS)
        memcpy(status, &net, sizeof(net));
    else if (flavor == NET_ADDRESS)
        address_get(opening, status);
    else
        status[0] = net.flags;
    *count = needed;
    return D_SUCCESS;
}

kern_return_t ds_device_set_status(mach_port_t device, dev_flavor_t flavor,
                                   const dev_status_t status, mach_msg_type_number_t count)
{
    struct opening *opening = opening_of(device);

    if (!opening || flavor != NET_FLAGS)
        return D_INVALID_OPERATION;
    if (count != 1)
        return D_INVALID_SIZE;
    opening->flags = (unsigned)status[0] & FLAGS_FILTER;
    card_filter(opening->card);
    return D_SUCCESS;
}

kern_return_t ds_device_set_filter(mach_port_t device, mach_port_t receiver, int priority,
                                   const filter_array_t filter, mach_msg_type_number_t count)
{
    struct opening *opening = opening_of(device);

    if (!opening)
        return D_INVALID_OPERATION;
    int error =
        listeners_set(&opening->card->listeners, opening, receiver, priority, filter, count);
    return error == 0 ? D_SUCCESS : error == EINVAL ? D_INVALID_OPERATION : D_NO_MEMORY;
}

/* What network devices do not have. */

kern_return_t ds_device_read(mach_port_t device, mach_port_t reply_port,
                             mach_msg_type_name_t reply_type, dev_mode_t mode, recnum_t record,
                             int bytes_wanted, io_buf_ptr_t *data, mach_msg_type_number_t *size)
{
    (void)device, (void)reply_port, (void)reply_type, (void)mode, (void)record, (void)bytes_wanted;
    (void)data, (void)size;
    return D_INVALID_OPERATION;
}

kern_return_t ds_device_read_inband(mach_port_t device, mach_port_t reply_port,
                                    mach_msg_type_name_t reply_type, dev_mode_t mode,
                                    recnum_t record, int bytes_wanted, io_buf_ptr_inband_t data,
                                    mach_msg_type_number_t *size)
{
    (void)device, (void)reply_port, (void)reply_type, (void)mode, (void)record, (void)bytes_wanted;
    (void)data, (void)size;
    return D_INVALID_OPERATION;
}

int main(int argc, char **argv)
{
    mach_port_t master;

    (void)argc, (void)argv;
    int error = port_create(&master_type, NULL, &master);
    if (error == 0)
        error = startup_offer("", "net-master", master);
    return orphan_serve(error, loop_stop);
}
