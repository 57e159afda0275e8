/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is connected to a port: what it says of itself, and what is offered of it.
 */
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "ahci.h"

enum { TRANSFER_MOST = 1 << 20, PACKET_TRANSFER_MOST = 1 << 16 };

static_assert((int)BLOCK_PARTS <= (int)AHCI_REGIONS, "room in a command table");

/* Until its log is read the disk carries out nothing else. The page is believed only if it is whole
 * and names a command that was in flight with others; if it does not help, nobody is known to have
 * failed, and each of them is issued alone. */
static void log_heard(struct ahci_port *port, const void *answer)
{
    const uint8_t *page = answer;
    unsigned slot = page[ATA_QUEUE_ERROR_TAG] & ATA_QUEUE_ERROR_TAG_MASK;
    uint8_t sum = 0;

    for (unsigned i = 0; i < AHCI_SECTOR; i++)
        sum = (uint8_t)(sum + page[i]);
    if (sum == 0 && !(page[ATA_QUEUE_ERROR_TAG] & ATA_QUEUE_ERROR_NOT_QUEUED) &&
        port->together >> slot & 1) {
        ahci_io_fail(port, slot, page[ATA_QUEUE_ERROR_ERROR]);
        port->suspects = 0;
    }
}

static void identity_heard(struct ahci_port *port, const void *identity)
{
    memcpy(port->identity, identity, sizeof(port->identity));
}

/* Clients shall not take another for it, nor those that still wait for one that was withdrawn. */
static void medium_lost(struct ahci_port *port)
{
    if (port->blocks == 0)
        return;
    log_info("port %u: the optical drive's medium was changed or taken out", port->number);
    ahci_io_withdraw(port);
    port->mediums++;
    port->blocks = 0;
}

/* A drive that was reset, or has another medium, says so by failing, and why if it is asked. */
static void sense_heard(struct ahci_port *port, const void *answer)
{
    const uint8_t *sense = answer;
    unsigned key = sense[SCSI_SENSE_KEY] & 15, code = sense[SCSI_SENSE_CODE];

    if (code == SENSE_MEDIUM_CHANGED || code == SENSE_NO_MEDIUM)
        medium_lost(port);
    if (key == SENSE_NOT_READY)
        ahci_port_leave(port, "there is no medium in it that can be read");
}

/* There is a medium: if one is offered, the same? */
static void capacity_heard(struct ahci_port *port, const void *answer)
{
    const uint32_t *words = answer; /* the last block, and the blocks' size */
    uint64_t blocks = (uint64_t)__builtin_bswap32(words[0]) + 1;

    if (__builtin_bswap32(words[1]) != AHCI_PACKET_BLOCK) {
        ahci_port_leave(port, "the medium in it has blocks of a size that no disc has");
        return;
    }
    if (blocks != port->blocks)
        medium_lost(port);
    port->blocks = blocks;
}

/* Two characters in a word, the first above. */
static void string_copy(char *to, const uint16_t *words, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (char)(words[i / 2] >> (i % 2 ? 0 : 8));
}

/* What is found in the identity; or why the disk cannot be offered. */
static const char *disk_describe(struct ahci_port *port, struct block_device_limits *limits)
{
    const uint16_t *identity = port->identity;
    unsigned shape = identity[ATA_SECTOR_SHAPE], commands = identity[ATA_COMMANDS2];
    uint32_t words = identity[ATA_SECTOR_WORDS] | (uint32_t)identity[ATA_SECTOR_WORDS + 1] << 16;

    limits->block_size = AHCI_SECTOR;
    if (ATA_IS_VALID(shape) && shape & ATA_SHAPE_LONG_LOGICAL)
        limits->block_size = words <= 65536 / 2 ? 2 * words : 0;
    memcpy(&limits->blocks, identity + ATA_SECTORS, ATA_SECTORS_SIZE);
    limits->max_transfer = TRANSFER_MOST;
    limits->flags = BLOCK_INFO_SCATTER;
    if (identity[ATA_ENABLED1] & ATA_ENABLED1_WRITE_CACHE)
        limits->flags |= BLOCK_INFO_VOLATILE_CACHE;
    /* The ranges fit one sector of 512 bytes, and a device takes at least one. Discarded blocks are
     * not promised to be zeroes, and there is no other command for those. */
    if (identity[ATA_DATA_SET] & ATA_DATA_SET_TRIM) {
        limits->flags |= BLOCK_INFO_DISCARD;
        limits->max_blocks = AHCI_RANGES * ATA_RANGE_MAX;
    }
    if (identity[ATA_GENERAL] & ATA_GENERAL_INCOMPLETE)
        return "it does not tell all of itself before it is spun up by a command";
    if (identity[ATA_SECURITY] & ATA_SECURITY_LOCKED)
        return "it is locked by a password; unlock it first";
    if (~identity[ATA_CAPABILITIES] & ATA_CAPABILITIES_DMA_LBA || !ATA_IS_VALID(commands) ||
        !(commands & ATA_COMMANDS2_48_BIT))
        return "it has no DMA with addresses of 48 bits";
    return NULL;
}

/* Interrupts are not gathered: what the controllers have for that (11) is for all ports together,
 * and seldom there. */
static bool publish(struct ahci_port *port)
{
    /* Of a medium. */
    struct block_device_limits limits = {
        .blocks = port->blocks,
        .block_size = AHCI_PACKET_BLOCK,
        .max_transfer = PACKET_TRANSFER_MOST,
        .flags = BLOCK_INFO_READ_ONLY,
    };
    const char *problem = NULL;
    unsigned depth = (port->identity[ATA_QUEUE_DEPTH] & 31) + 1u,
             slots = AHCI_CAP_SLOTS(ahci_hba.cap), sata = port->identity[ATA_SATA];
    char suffix[8];

    static_assert(sizeof(limits.serial) > ATA_SERIAL_SIZE && sizeof(limits.model) > ATA_MODEL_SIZE,
                  "room for the NUL");
    string_copy(limits.serial, port->identity + ATA_SERIAL, ATA_SERIAL_SIZE);
    string_copy(limits.model, port->identity + ATA_MODEL, ATA_MODEL_SIZE);
    snprintf(suffix, sizeof(suffix), "p%u", port->number);
    port->depth = depth < slots ? depth : slots;
    port->is_queued = !port->is_packet && sata & ATA_SATA_QUEUED && sata != UINT16_MAX &&
                      ahci_hba.cap & AHCI_CAP_QUEUED;
    /* The medium's number is behind the serial number: clients shall not take one for another. */
    size_t length = strlen(limits.serial);
    if (!port->is_packet)
        problem = disk_describe(port, &limits);
    else if (port->mediums > 0)
        snprintf(limits.serial + length, sizeof(limits.serial) - length, " %u", port->mediums);
    if (!problem &&
        block_device_publish(ahci_hba.device, suffix, &limits, &ahci_io_ops, port, &port->block))
        problem = "it cannot be published";
    if (problem)
        ahci_port_leave(port, problem);
    else if (port->is_queued)
        log_info("%s%s: %u commands queued", device_name(ahci_hba.device), suffix, port->depth);
    return !problem;
}

/* What a device is asked, in this order. */
enum { LOG, IDENTITY, PACKET_IDENTITY, SENSE, CAPACITY, FLUSH, STANDBY };
static const struct {
    struct ahci_task task;
    void (*heard)(struct ahci_port *port, const void *answer);
} questions[] = {
    [LOG] = {{ATA_READ_LOG_EXT, AHCI_SECTOR, .count = 1, .lba = ATA_LOG_QUEUE_ERROR}, log_heard},
    [IDENTITY] = {{ATA_IDENTIFY_DEVICE, AHCI_SECTOR}, identity_heard},
    [PACKET_IDENTITY] = {{ATA_IDENTIFY_PACKET_DEVICE, AHCI_SECTOR}, identity_heard},
    [SENSE] = {{ATA_PACKET, 18, ATA_PACKET_DMA, .packet = {SCSI_REQUEST_SENSE, [4] = 18}},
               sense_heard},
    [CAPACITY] = {{ATA_PACKET, 8, ATA_PACKET_DMA, .packet = {SCSI_READ_CAPACITY}}, capacity_heard},
    [FLUSH] = {{ATA_FLUSH_CACHE_EXT}, NULL},
    [STANDBY] = {{ATA_STANDBY_IMMEDIATE}, NULL},
};

/* The next question, with nothing in flight; or all is known. The answer is a sector, or what is
 * there of it with zeroes behind. From FLUSH on they are for the end, which may have come since the
 * first. */
static void ask(struct ahci_port *port)
{
    if (port->questions & (ahci_hba.is_closing ? UINT32_MAX : (1u << FLUSH) - 1)) {
        struct ahci_task task = questions[__builtin_ctz(port->questions)].task;
        task.address = port->address + offsetof(struct ahci_memory, answer);
        memset(port->memory->answer, 0, AHCI_SECTOR);
        ahci_command_fill(port, 0, &task);
        AHCI_WRITE(port, ci, 1);
        ahci_port_stage_set(port, AHCI_ASK);
    } else if (ahci_hba.is_closing) {
        ahci_port_stage_set(port, AHCI_CLOSED);
    } else if (port->block || publish(port)) {
        ahci_io_resume(port);
    }
}

/* If a question fails the port begins again. A flush may take its time. */
void ahci_device_hear(struct ahci_port *port, bool is_late)
{
    const volatile uint32_t *moved = &port->memory->list[0].moved;
    uint32_t answer[AHCI_SECTOR / 4];

    do {
        unsigned which = (unsigned)__builtin_ctz(port->questions);
        const struct ahci_task *task = &questions[which].task;
        bool is_issued = AHCI_READ(port, ci) & 1;
        /* After the other, for there are controllers that take back what failed. */
        uint32_t errors = AHCI_READ(port, is) & AHCI_IS_ERRORS;
        if (is_issued && !errors && (!is_late || which >= FLUSH))
            return;
        /* A device that gives less than was asked for has not carried it out. */
        bool is_short = task->command != ATA_PACKET && *moved < task->length;
        memcpy(answer, port->memory->answer, AHCI_SECTOR);
        if (is_issued || errors || is_short) {
            port->is_asked_why = which == CAPACITY;
            ahci_port_restart(port, errors ? errors & AHCI_IS_SEVERE : is_issued);
            return;
        }
        if (questions[which].heard)
            questions[which].heard(port, answer);
        port->questions &= port->questions - 1;
        if (port->stage == AHCI_ASK)
            ask(port);
        is_late = false;
    } while (port->stage == AHCI_ASK);
}

/* Also what is offered is asked what it is: QEMU's disks tell of an error until they have carried
 * out a command that is not queued. */
void ahci_device_look(struct ahci_port *port)
{
    uint32_t signature = AHCI_READ(port, sig);
    unsigned why = port->is_asked_why;

    port->is_asked_why = false;
    port->is_packet = signature == AHCI_SIG_PACKET;
    if (port->is_packet)
        port->questions = 1 << PACKET_IDENTITY | why << SENSE | 1 << CAPACITY;
    else
        port->questions = (port->block && port->is_queued ? why << LOG : 0) | 1 << IDENTITY |
                          1 << FLUSH | 1 << STANDBY;
    if (port->is_packet || signature == AHCI_SIG_DISK)
        ask(port);
    else
        ahci_port_leave(port, "it is neither disk nor optical drive; port multipliers are not "
                              "supported: connect the disks directly");
}
