/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The multiplexer on GNU Mach: offers a network device for each client of one card (mux.h says
 * how), under its own name and a number. argv: program, instance, what supervisor.conf's [network]
 * says: "virtio-net0 clients=4". The card is granted as "card".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/memory.h>
#include <host/mach/net_server.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/core/net.h>
#include <kit/core/setting.h>
#include <kit/log.h>

#include "mux.h"

enum { CLIENTS_DEFAULT = 4 };

static struct mux mux;

static int client_attach(void *context, mach_port_t lease, uint64_t *address, uint64_t *size)
{
    void *memory;
    size_t length;
    int error = shared_memory_open_writable(lease, &memory, &length);

    if (error != 0)
        return error;
    error = mux_port_attach(context, memory, length, address);
    if (error != 0)
        memory_pages_free(memory, length);
    *size = length;
    return error;
}

static void client_close(void *context)
{
    struct mux_port *port = context;

    while (port->buffer_count > 0) {
        port->buffer_count--;
        memory_pages_free(port->buffer[port->buffer_count].memory,
                          port->buffer[port->buffer_count].size);
    }
}

static void card_changed(void *context)
{
    struct net_state state;

    (void)context;
    net_client_state(mux.card, &state);
    const struct net_link link = {state.link, state.full_duplex, state.speed};
    for (unsigned i = 0; i < mux.port_count; i++)
        net_device_link(mux.port[i].device, &link);
}

/* Between the hooks of the clients' sessions and of the card's: what they submitted is sent by the
 * latter. */
static bool turn_middle(void *context)
{
    (void)context;
    mux_turn(&mux);
    return false;
}

/* After them: what came is delivered, and what there is room for by now goes out next. */
static bool turn_end(void *context)
{
    (void)context;
    bool again = mux_turn(&mux);
    net_turn();
    if (mux.is_hungry)
        swtch(); /* a client that was woken should post buffers before more comes */
    mux.is_hungry = false;
    return again;
}

static int clients_publish(void)
{
    static const struct net_server server = {client_attach, client_close};
    char suffix[8];
    int error = 0;

    for (unsigned i = 0; i < mux.port_count && error == 0; i++) {
        struct mux_port *port = &mux.port[i];
        snprintf(suffix, sizeof(suffix), "%u", i);
        error =
            net_server_publish(&server, suffix, &port->info, &mux_port_ops, port, &port->device);
    }
    return error;
}

static int mux_open(const char *settings)
{
    struct net_client *card;
    unsigned clients = CLIENTS_DEFAULT;

    setting_find(settings, "clients", &clients);
    int error = net_client_open("card", &card);
    if (error == 0)
        error = mux_init(&mux, card, clients);
    if (error == 0)
        error = clients_publish();
    if (error == 0 && !loop_at_turn_end(turn_middle, NULL))
        error = ENOSPC;
    if (error != 0)
        return error;
    card_changed(NULL);
    net_client_watch(card, card_changed, NULL);
    error = net_client_join_loop(card);
    return error == 0 && !loop_at_turn_end(turn_end, NULL) ? ENOSPC : error;
}

int main(int argc, char **argv)
{
    int error = mux_open(argc > 2 ? argv[2] : "");

    if (error != 0)
        log_error("cannot share anything out: %s", strerror(error));
    else
        log_info("shares a card out to %u clients", mux.port_count);
    return orphan_serve(error, loop_stop);
}
