/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the model's disks and optical drives do.
 */
#include "ahci_model.h"

#include <string.h>

#include <kit/clock.h>

enum { TRIM = 0x06, READ = 0x25, LOG = 0x2f, WRITE = 0x35, READ_QUEUED = 0x60 };
enum { WRITE_QUEUED = 0x61, PACKET = 0xa0, IDENTIFY_PACKET = 0xa1, STANDBY = 0xe0 };
enum { FLUSH = 0xea, IDENTIFY = 0xec };
enum { ABORT = 4, NOT_FOUND = 0x10 };
enum { FLAG_PACKET = 1 << 5, FLAG_WRITE = 1 << 6 };
enum { BLOCK_2048 = 2048 };

bool ahci_model_is_queued(const struct ahci_model_slot *slot)
{
    return slot->fis[2] == READ_QUEUED || slot->fis[2] == WRITE_QUEUED;
}

static uint64_t address_of(const uint8_t *fis)
{
    return fis[4] | (uint64_t)fis[5] << 8 | (uint64_t)fis[6] << 16 | (uint64_t)fis[8] << 24 |
           (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40;
}

static uint32_t count_of(const struct ahci_model_slot *slot)
{
    const uint8_t *fis = slot->fis;
    uint32_t count = ahci_model_is_queued(slot) ? fis[3] | fis[11] << 8 : fis[12] | fis[13] << 8;

    return count ? count : 65536;
}

/* 4.2.3.3: where the data is. */
static bool regions_read(uint64_t table, unsigned count, struct ahci_model_slot *slot)
{
    uint32_t region[4];

    slot->length = slot->region_count = 0;
    for (; slot->region_count < count && slot->region_count < AHCI_MODEL_REGIONS; table += 16) {
        if (!model_memory_read(table, region, sizeof(region)))
            return false;
        uint64_t address = region[0] | (uint64_t)region[1] << 32;
        uint32_t length = (region[3] & 0x3fffff) + 1;
        if (address % 2 || length % 2)
            model_violation("a region of %u bytes at %llx", length, (unsigned long long)address);
        slot->region[slot->region_count].address = address;
        slot->region[slot->region_count++].length = length;
        slot->length += length;
    }
    return true;
}

/* Move what is to be moved, or as much as there is room for. */
static bool data_move(const struct ahci_model_slot *slot, void *data, uint32_t size, bool to_host)
{
    uint8_t *at = data;

    for (unsigned i = 0; i < slot->region_count && size > 0; i++) {
        uint32_t length = slot->region[i].length < size ? slot->region[i].length : size;
        if (to_host ? !model_memory_write(slot->region[i].address, at, length)
                    : !model_memory_read(slot->region[i].address, at, length))
            return false;
        at += length;
        size -= length;
    }
    return true;
}

/* 4.2.2, 4.2.3: copy a command out of memory. */
static bool slot_read(struct ahci_model_port *port, unsigned number, struct ahci_model_slot *slot)
{
    uint32_t header[8];

    if (port->clb % 1024 || port->fb % 256)
        model_violation("a command list at %llx", (unsigned long long)port->clb);
    if (!model_memory_read(port->clb + number * 32, header, sizeof(header)))
        return false;
    uint64_t table = header[2] | (uint64_t)header[3] << 32;
    if ((header[0] & 31) != 5 || table % 128 || header[1] != 0 ||
        header[0] >> 16 > AHCI_MODEL_REGIONS)
        model_violation("a command header %08x %08x, table at %llx", header[0], header[1],
                        (unsigned long long)table);
    if (!model_memory_read(table, slot->fis, sizeof(slot->fis)) ||
        !model_memory_read(table + 0x40, slot->packet, sizeof(slot->packet)) ||
        !regions_read(table + 0x80, header[0] >> 16, slot))
        return false;
    slot->flags = header[0];
    if (slot->fis[0] != 0x27 || slot->fis[1] != 0x80)
        model_violation("a FIS %02x %02x, data of %u bytes", slot->fis[0], slot->fis[1],
                        slot->length);
    if (!(header[0] & FLAG_PACKET) != (slot->fis[2] != PACKET))
        model_violation("command %02x with flags %x", slot->fis[2], header[0]);
    return true;
}

/* 5.5.1, 5.6: queued and other commands do not mix. */
static void mixture_check(const struct ahci_model_port *port, unsigned number)
{
    const struct ahci_model_slot *slot = &port->slot[number];
    bool queued = ahci_model_is_queued(slot);
    unsigned in_flight = 0;

    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++) {
        const struct ahci_model_slot *other = &port->slot[i];
        if (i != number && other->accepted && ahci_model_is_queued(other) != queued)
            model_violation("command %02x while %02x is in flight", slot->fis[2], other->fis[2]);
        in_flight += other->accepted;
    }
    if (queued != (port->sact >> number & 1))
        model_violation("command %02x in slot %u with PxSACT %x", slot->fis[2], number, port->sact);
    if (queued && slot->fis[12] >> 3 != number)
        model_violation("tag %u in slot %u", slot->fis[12] >> 3, number);
    if (queued && in_flight > port->identity[75] + 1u)
        model_violation("%u queued commands", in_flight);
}

void ahci_model_fetch(struct ahci_model *model, struct ahci_model_port *port)
{
    unsigned in_flight = 0;

    for (unsigned number = 0; number < AHCI_MODEL_SLOTS; number++) {
        struct ahci_model_slot *slot = &port->slot[number];
        if (!(port->ci >> number & 1) || slot->accepted)
            continue;
        if (!slot_read(port, number, slot)) {
            port->ci = 0;
            return;
        }
        slot->accepted = true;
        slot->lost = port->lose > 0;
        port->lose -= slot->lost;
        slot->lost |= slot->fis[2] == LOG && port->log == AHCI_MODEL_LOG_SILENT;
        slot->due = model_time() + model->command_time + port->slow;
        mixture_check(port, number);
        if (ahci_model_is_queued(slot))
            port->ci &= ~(UINT32_C(1) << number);
    }
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++)
        in_flight += port->slot[i].accepted;
    if (in_flight > port->most_in_flight)
        port->most_in_flight = in_flight;
}

static unsigned give(const struct ahci_model_port *port, const struct ahci_model_slot *slot,
                     void *data, uint32_t size, uint32_t *moved)
{
    if (port->moves_less && size >= AHCI_MODEL_SECTOR)
        size -= AHCI_MODEL_SECTOR;
    if (size > slot->length)
        size = slot->length;
    *moved = size;
    return data_move(slot, data, size, true) ? 0 : ABORT;
}

static bool is_bad(const struct ahci_model_port *port, uint64_t first, uint64_t count)
{
    return port->bad_count > 0 && first < port->bad_first + port->bad_count &&
           port->bad_first < first + count;
}

static unsigned transfer(struct ahci_model_port *port, const struct ahci_model_slot *slot,
                         bool is_write, uint32_t *moved)
{
    uint64_t lba = address_of(slot->fis), count = count_of(slot);
    uint32_t size = port->identity[106] & 1 << 12 ? 2u * port->identity[117] : AHCI_MODEL_SECTOR;
    uint64_t blocks = port->sectors * AHCI_MODEL_SECTOR / size;

    if (slot->length != count * size || !(slot->flags & FLAG_WRITE) != !is_write ||
        slot->fis[7] != 0x40)
        model_violation("command %02x for %llu sectors has %u bytes, flags %x", slot->fis[2],
                        (unsigned long long)count, slot->length, slot->flags);
    if (slot->length > port->longest_transfer)
        port->longest_transfer = slot->length;
    if (lba > blocks || count > blocks - lba)
        return NOT_FOUND;
    if (is_bad(port, lba, count))
        return port->bad_error;
    *(is_write ? &port->writes : &port->reads) += 1;
    port->unflushed += is_write;
    if (!is_write)
        return give(port, slot, port->disk + lba * size, slot->length, moved);
    *moved = slot->length;
    return data_move(slot, port->disk + lba * size, slot->length, false) ? 0 : ABORT;
}

static unsigned trim(struct ahci_model_port *port, const struct ahci_model_slot *slot)
{
    uint64_t ranges[AHCI_MODEL_SECTOR / 8];

    if (!port->identity[169] || slot->fis[3] != 1)
        return ABORT;
    if (slot->length != sizeof(ranges) || count_of(slot) != 1 || !(slot->flags & FLAG_WRITE))
        model_violation("a trim with %u bytes", slot->length);
    if (!data_move(slot, ranges, sizeof(ranges), false))
        return ABORT;
    for (unsigned i = 0; i < AHCI_MODEL_SECTOR / 8; i++) {
        uint64_t first = ranges[i] & 0xffffffffffff, count = ranges[i] >> 48;
        if (first > port->sectors || count > port->sectors - first)
            return NOT_FOUND;
        if (is_bad(port, first, count))
            return ABORT;
        /* As ones, so that nobody takes them for zeroes. */
        memset(port->disk + first * AHCI_MODEL_SECTOR, 0xff, count * AHCI_MODEL_SECTOR);
        port->trimmed += count;
    }
    port->trims++;
    return 0;
}

static unsigned log_read(struct ahci_model_port *port, const struct ahci_model_slot *slot,
                         uint32_t *moved)
{
    uint8_t page[AHCI_MODEL_SECTOR] = {port->failed_tag, 0, 0x41, port->failed_error};
    uint8_t sum = 0;

    port->logs++;
    if (address_of(slot->fis) != 0x10 || count_of(slot) != 1 || port->log == AHCI_MODEL_LOG_NONE)
        return ABORT;
    if (port->log == AHCI_MODEL_LOG_NOT_QUEUED)
        page[0] |= 0x80;
    if (port->log == AHCI_MODEL_LOG_OTHER || port->log == AHCI_MODEL_LOG_WAITING)
        page[0] = 31;
    if (port->log == AHCI_MODEL_LOG_WAITING && port->failed_alone)
        page[0] = port->failed_tag ^ 1;
    for (unsigned i = 0; i < sizeof(page) - 1; i++)
        sum = (uint8_t)(sum + page[i]);
    page[511] = (uint8_t)-sum;
    page[511] += port->log == AHCI_MODEL_LOG_DAMAGED;
    port->wants_log = false;
    return give(port, slot, page, sizeof(page), moved);
}

static void put_big(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static unsigned packet(struct ahci_model_port *port, const struct ahci_model_slot *slot,
                       uint32_t *moved)
{
    enum { NOT_READY = 2 << 4, MEDIUM = 3 << 4, ATTENTION = 6 << 4 };
    uint32_t blocks = (uint32_t)(port->sectors / 4);
    const uint8_t *bytes = slot->packet;
    uint8_t answer[18] = {0};

    if ((slot->length > 0) != (slot->fis[3] & 1) ||
        (port->identity[62] & 1 << 15 && slot->length > 0 && !(slot->fis[3] & 4)))
        model_violation("a packet with feature %x and %u bytes", slot->fis[3], slot->length);
    if (bytes[0] == 0x03) {
        answer[0] = 0x70;
        answer[2] = port->no_medium ? 2 : 6;
        answer[12] = port->no_medium ? 0x3a : port->medium_changed ? 0x28 : 0x29;
        port->attention = port->medium_changed = false;
        return give(port, slot, answer, sizeof(answer), moved);
    }
    if (port->attention || port->medium_changed)
        return ATTENTION | ABORT;
    if (port->no_medium)
        return NOT_READY | ABORT;
    if (bytes[0] == 0x00)
        return 0;
    if (bytes[0] == 0x25) {
        put_big(answer, blocks - 1);
        put_big(answer + 4, BLOCK_2048);
        return give(port, slot, answer, 8, moved);
    }
    uint32_t first = (uint32_t)bytes[2] << 24 | bytes[3] << 16 | bytes[4] << 8 | bytes[5];
    uint32_t count = (uint32_t)bytes[7] << 8 | bytes[8];
    if (bytes[0] != 0x28)
        return ABORT;
    if (slot->length != count * BLOCK_2048)
        model_violation("%u bytes for %u blocks", slot->length, count);
    if (first > blocks || count > blocks - first)
        return 5 << 4 | ABORT;
    if (is_bad(port, first, count))
        return MEDIUM;
    port->reads++;
    if (slot->length > port->longest_transfer)
        port->longest_transfer = slot->length;
    return give(port, slot, port->disk + (size_t)first * BLOCK_2048, slot->length, moved);
}

unsigned ahci_model_execute(struct ahci_model *model, struct ahci_model_port *port, unsigned number,
                            uint32_t *moved)
{
    const struct ahci_model_slot *slot = &port->slot[number];
    bool is_packet = port->kind == AHCI_MODEL_PACKET;
    unsigned command = slot->fis[2];

    (void)model;
    if (is_packet && command != PACKET && command != IDENTIFY_PACKET) {
        model_violation("command %02x for an optical drive", command);
        return ABORT;
    }
    /* ACS-3: after an error of a queued command, all but the log is refused. */
    if (port->wants_log && command != LOG)
        return ABORT;
    switch (command) {
    case IDENTIFY:
    case IDENTIFY_PACKET:
        port->identifies++;
        return is_packet == (command == IDENTIFY_PACKET)
                   ? give(port, slot, port->identity, sizeof(port->identity), moved)
                   : ABORT;
    case READ:
    case READ_QUEUED:
        return transfer(port, slot, false, moved);
    case WRITE:
    case WRITE_QUEUED:
        return transfer(port, slot, true, moved);
    case FLUSH:
        if (port->bad_count == UINT64_MAX)
            return ABORT;
        port->flushes++;
        port->unflushed = 0;
        return 0;
    case TRIM:
        return trim(port, slot);
    case LOG:
        return log_read(port, slot, moved);
    case STANDBY:
        port->standbys++;
        return 0;
    case PACKET:
        return packet(port, slot, moved);
    default:
        model_violation("command %02x", command);
        return ABORT;
    }
}
