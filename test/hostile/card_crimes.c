/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that has an 82574L send frames from addresses that nobody lent, and receive them there.
 * The card is looped back (10.2.5.1), so that what it sends from one address it receives at
 * another: it copies. Without an IOMMU that succeeds; the card's own MSI-X table is written too,
 * but its entries stay masked.
 */
#include <errno.h>
#include <string.h>

#include <driver/e1000e/ring.h>
#include <kit/clock.h>
#include <kit/driver.h>

#include "hostile.h"

enum { PAGE = DMA_PAGE_SIZE, FRAME = 60 };
enum { LOOPBACK = 1u << 6, MSIX_BAR = 0x1c };
enum { WAIT_MS = 50 };

static struct e1000e_mac mac;
static struct e1000e_rings rings;
static struct dma_buffer own; /* a page for what is sent, one for what comes */
static unsigned received;
static const char mark[FRAME] = "a hostile card was here, and left a frame";

void net_request_done(struct net_request *request, enum net_completion_status status,
                      uint32_t length, uint8_t flags)
{
    (void)length, (void)flags;
    received += request->operation == NET_RECEIVE && status == NET_STATUS_OK;
}

static char *sent_memory(void)
{
    return own.memory;
}

static char *received_memory(void)
{
    return (char *)own.memory + PAGE;
}

static void await_frame(void)
{
    unsigned before = received;

    for (unsigned i = 0; i < WAIT_MS && received == before; i++) {
        clock_sleep(CLOCK_MILLISECOND);
        e1000e_ring_sent(&rings.send);
        e1000e_ring_received(&rings.receive);
    }
}

/* The card's rings as they are after a reset, whatever it was left with. */
static int card_start(void)
{
    static const struct net_filter all = {.flags = NET_FILTER_PROMISCUOUS};
    int error;

    e1000e_mac_reset_begin(&mac);
    while ((error = e1000e_mac_reset_step(&mac)) == EAGAIN)
        clock_sleep(CLOCK_MILLISECOND);
    if (error != 0)
        return error;
    e1000e_ring_abandon(&rings.send);
    e1000e_ring_abandon(&rings.receive);
    e1000e_rings_begin(&rings);
    e1000e_mac_run(&mac);
    e1000e_write(&mac, E1000E_IMC, UINT32_MAX); /* it is looked at */
    e1000e_mac_filter(&mac, &all);
    e1000e_write(&mac, E1000E_RCTL, e1000e_read(&mac, E1000E_RCTL) | LOOPBACK);
    return 0;
}

/* One frame's bytes. */
static void card_copy(uint64_t from, uint64_t to)
{
    struct net_request buffer = {.operation = NET_RECEIVE, .address = to, .length = E1000E_BUFFER};
    struct net_request frame = {.operation = NET_SEND, .address = from, .length = FRAME};

    if (card_start() != 0 || !e1000e_ring_receive(&rings.receive, &buffer) ||
        !e1000e_ring_send(&rings.send, &frame))
        return;
    e1000e_ring_kick(&rings.receive);
    e1000e_ring_kick(&rings.send);
    await_frame();
    e1000e_ring_abandon(&rings.send);
    e1000e_ring_abandon(&rings.receive);
}

static bool is_anything_received(char but)
{
    for (unsigned i = 0; i < FRAME; i++) {
        if (received_memory()[i] != but && received_memory()[i] != 0)
            return true;
    }
    return false;
}

static bool card_can_read(uint64_t address)
{
    memset(received_memory(), 'x', FRAME);
    card_copy(address, own.address + PAGE);
    return is_anything_received('x');
}

static bool card_can_write(uint64_t address, const char data[FRAME])
{
    memcpy(sent_memory(), data, FRAME);
    card_copy(own.address, address);
    memset(received_memory(), 'x', FRAME);
    card_copy(address, own.address + PAGE);
    return memcmp(received_memory(), data, FRAME) == 0;
}

static enum outcome own_memory(void)
{
    struct dma_buffer other;

    if (dma_buffer_create(hostile_device, PAGE, &other) != 0)
        return REFUSED;
    bool writes = card_can_write(other.address, mark) && memcmp(other.memory, mark, FRAME) == 0;
    dma_buffer_destroy(hostile_device, &other);
    return writes ? SUCCEEDED : CONTAINED;
}

static enum outcome read_kernel(void)
{
    return card_can_read(KERNEL_TEXT) ? SUCCEEDED : CONTAINED;
}

static enum outcome write_elsewhere(void)
{
    return card_can_write(VGA_TEXT, mark) ? SUCCEEDED : CONTAINED;
}

static enum outcome after_release(void)
{
    return crime_after_release(card_can_read);
}

/* Descriptors in memory that is not ours: would the card do what they say? */
static enum outcome ring_elsewhere(void)
{
    struct e1000e_send_descriptor descriptor = {
        .address = own.address,
        .length = FRAME,
        .command = E1000E_SEND_END | E1000E_SEND_CHECK_SEQUENCE | E1000E_SEND_REPORT,
    };
    struct net_request buffer = {
        .operation = NET_RECEIVE, .address = own.address + PAGE, .length = E1000E_BUFFER};

    memset(sent_memory(), 0, FRAME);
    memcpy(sent_memory(), &descriptor, sizeof(descriptor));
    card_copy(own.address, VGA_TEXT);
    memcpy(sent_memory(), mark, FRAME);
    memset(received_memory(), 'x', FRAME);
    if (card_start() != 0 || !e1000e_ring_receive(&rings.receive, &buffer))
        return REFUSED;
    e1000e_ring_kick(&rings.receive);
    e1000e_write(&mac, E1000E_SEND_RING + offsetof(struct e1000e_ring_registers, address_low),
                 VGA_TEXT);
    e1000e_write(&mac, E1000E_SEND_RING + offsetof(struct e1000e_ring_registers, tail), 1);
    await_frame();
    e1000e_ring_abandon(&rings.receive);
    return memcmp(received_memory(), mark, FRAME) == 0 ? SUCCEEDED : CONTAINED;
}

/* Its own MSI-X table, over the bus, as it cannot be mapped. */
static enum outcome msix_by_dma(void)
{
    char masked[FRAME];
    uint32_t table = 0;

    memset(masked, '\3', FRAME);
    device_config_read(hostile_device, MSIX_BAR, 4, &table);
    return card_can_write(table & ~15u, masked) ? SUCCEEDED : CONTAINED;
}

static const struct crime crimes[] = {
    {"card-own-memory (no crime)", own_memory},
    {"card-read-kernel", read_kernel},
    {"card-write-elsewhere", write_elsewhere},
    {"card-after-release", after_release},
    {"card-ring-elsewhere", ring_elsewhere},
    {"card-msix-by-dma", msix_by_dma},
    {0},
};

static int attach(struct device *device)
{
    static const struct crime *const tables[] = {crimes, NULL};

    hostile_device = device;
    int error = e1000e_mac_open(device, &mac);
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = e1000e_rings_open(&mac, &rings);
    if (error == 0)
        error = dma_buffer_create(device, (size_t)2 * PAGE, &own);
    if (error == 0)
        crimes_begin(tables);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "hostile-card", .attach = attach, .detach = detach};
