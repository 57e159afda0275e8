/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ring.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

#define REGISTER(name) offsetof(struct e1000e_ring_registers, name)
enum { MASK = E1000E_ENTRIES - 1, DESCRIPTOR = 16 };

static_assert(sizeof(struct e1000e_receive_descriptor) == DESCRIPTOR &&
                  sizeof(struct e1000e_send_descriptor) == DESCRIPTOR,
              "rings of one size");
static_assert(E1000E_ENTRIES * DESCRIPTOR % 128 == 0, "10.2.5.7");

static int ring_open(const struct e1000e_mac *mac, size_t registers, struct e1000e_ring *ring)
{
    *ring = (struct e1000e_ring){.mac = mac, .registers = registers};
    int error = dma_buffer_create(mac->device, E1000E_ENTRIES * DESCRIPTOR, &ring->memory);

    if (error != 0)
        log_error("no memory for a ring of descriptors: %s", strerror(error));
    return error;
}

int e1000e_rings_open(const struct e1000e_mac *mac, struct e1000e_rings *rings)
{
    int error = ring_open(mac, E1000E_RECEIVE_RING, &rings->receive);

    return error == 0 ? ring_open(mac, E1000E_SEND_RING, &rings->send) : error;
}

static void ring_begin(struct e1000e_ring *ring)
{
    const struct e1000e_mac *mac = ring->mac;

    memset(ring->memory.memory, 0, ring->memory.size);
    ring->put = ring->taken = ring->told = 0;
    ring->skipping = false;
    e1000e_write(mac, ring->registers + REGISTER(address_low), (uint32_t)ring->memory.address);
    e1000e_write(mac, ring->registers + REGISTER(address_high),
                 (uint32_t)(ring->memory.address >> 32));
    e1000e_write(mac, ring->registers + REGISTER(length), E1000E_ENTRIES * DESCRIPTOR);
    e1000e_write(mac, ring->registers + REGISTER(head), 0);
    e1000e_write(mac, ring->registers + REGISTER(tail), 0);
}

void e1000e_rings_begin(struct e1000e_rings *rings)
{
    ring_begin(&rings->receive);
    ring_begin(&rings->send);
}

static bool is_full(const struct e1000e_ring *ring)
{
    return e1000e_ring_in_flight(ring) == E1000E_ENTRIES - 1;
}

static void *descriptor_at(const struct e1000e_ring *ring, unsigned number)
{
    return (unsigned char *)ring->memory.memory + (number & MASK) * DESCRIPTOR;
}

bool e1000e_ring_receive(struct e1000e_ring *ring, struct net_request *request)
{
    struct e1000e_receive_descriptor *descriptor = descriptor_at(ring, ring->put);

    if (is_full(ring))
        return false;
    *descriptor = (struct e1000e_receive_descriptor){.address = request->address};
    ring->request[ring->put++ & MASK] = request;
    return true;
}

bool e1000e_ring_send(struct e1000e_ring *ring, struct net_request *request)
{
    struct e1000e_send_descriptor *descriptor = descriptor_at(ring, ring->put);

    if (is_full(ring))
        return false;
    *descriptor = (struct e1000e_send_descriptor){
        .address = request->address,
        .length = (uint16_t)request->length,
        .command = E1000E_SEND_END | E1000E_SEND_CHECK_SEQUENCE | E1000E_SEND_REPORT,
    };
    ring->request[ring->put++ & MASK] = request;
    return true;
}

/* 10.2.5.8, 10.2.5.9: the device has those from head to the one before tail. */
void e1000e_ring_kick(struct e1000e_ring *ring)
{
    if (ring->told == ring->put)
        return;
    ring->told = ring->put;
    e1000e_write(ring->mac, ring->registers + REGISTER(tail), ring->put & MASK);
}

/* What the device says of the next descriptor, copied once; false: it is not done. A device cannot
 * be done with what it was not told of. */
static bool status_get(const struct e1000e_ring *ring, size_t offset, uint8_t done, uint8_t *status)
{
    if (ring->taken == ring->told)
        return false;
    *status = __atomic_load_n((const uint8_t *)descriptor_at(ring, ring->taken) + offset,
                              __ATOMIC_ACQUIRE);
    return *status & done;
}

static struct net_request *request_take(struct e1000e_ring *ring)
{
    return ring->request[ring->taken++ & MASK];
}

bool e1000e_ring_sent(struct e1000e_ring *ring)
{
    bool any = false;
    uint8_t status;

    while (status_get(ring, offsetof(struct e1000e_send_descriptor, status), E1000E_SEND_DONE,
                      &status)) {
        struct net_request *request = request_take(ring);
        net_request_done(request, NET_STATUS_OK, request->length, 0);
        any = true;
    }
    return any;
}

/* A frame that has more than one descriptor is longer than we let it be: none of it counts. */
static bool frame_is_good(struct e1000e_ring *ring, uint8_t status, uint8_t errors, uint32_t length)
{
    bool is_part = ring->skipping || !(status & E1000E_RECEIVE_END);

    ring->skipping = !(status & E1000E_RECEIVE_END);
    if (!is_part && !(errors & E1000E_RECEIVE_ERRORS) && length >= NET_FRAME_LEAST)
        return true;
    ring->errors++;
    if (log_is_worth(ring->errors))
        log_warning("a frame was not taken: status %02x, errors %02x, %u bytes (%u so far)", status,
                    errors, length, ring->errors);
    return false;
}

bool e1000e_ring_received(struct e1000e_ring *ring)
{
    bool any = false;
    uint8_t status;

    while (status_get(ring, offsetof(struct e1000e_receive_descriptor, status), E1000E_RECEIVE_DONE,
                      &status)) {
        const volatile struct e1000e_receive_descriptor *descriptor =
            descriptor_at(ring, ring->taken);
        uint16_t length = descriptor->length;
        uint8_t errors = descriptor->errors;
        bool good = frame_is_good(ring, status, errors, length);
        bool summed = (status & E1000E_RECEIVE_SUMMED) && !(errors & E1000E_RECEIVE_SUMS);
        net_request_done(request_take(ring), good ? NET_STATUS_OK : NET_STATUS_DROPPED, length,
                         good && summed ? NET_CHECKSUM_GOOD : 0);
        any = true;
    }
    return any;
}

void e1000e_ring_abandon(struct e1000e_ring *ring)
{
    while (ring->taken != ring->put)
        net_request_done(request_take(ring), NET_STATUS_DROPPED, 0, 0);
}
