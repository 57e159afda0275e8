/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "ahci.h"

/* 4.2.3.3: where the data is. How many regions that are. */
static unsigned regions_fill(struct ahci_table *table, const struct ahci_task *task)
{
    const struct block_segment whole = {task->address, task->length};
    const struct block_segment *segments = task->segments ? task->segments : &whole;
    unsigned count = task->segments ? task->segment_count : task->length > 0;

    for (unsigned i = 0; i < count; i++)
        table->region[i] = (struct ahci_region){
            .address = (uint32_t)segments[i].address,
            .address_high = (uint32_t)(segments[i].address >> 32),
            .last = (uint32_t)segments[i].length - 1,
        };
    return count;
}

/* 4.2.2, 4.2.3. The FIS has the task's fields as the command set counts them (ACS-3, 4.2). */
void ahci_command_fill(struct ahci_port *port, unsigned slot, const struct ahci_task *task)
{
    struct ahci_memory *memory = port->memory;
    struct ahci_table *table = &memory->table[slot];
    uint64_t address = port->address + offsetof(struct ahci_memory, table) + slot * sizeof(*table);

    __builtin_memcpy(table->packet, task->packet, sizeof(table->packet)); /* not a call */
    table->fis = (struct ahci_fis){
        .command = AHCI_FIS_COMMAND | (uint32_t)task->command << 16 | (uint32_t)task->feature << 24,
        .lba = (uint32_t)(task->lba & 0xffffff) | AHCI_FIS_DEVICE_LBA,
        .lba_high = (uint32_t)(task->lba >> 24) | (uint32_t)(task->feature >> 8) << 24,
        .count = task->count,
    };
    memory->list[slot] = (struct ahci_header){
        .flags = AHCI_HEADER_FIS_DWORDS | AHCI_HEADER_REGIONS(regions_fill(table, task)) |
                 (task->is_write ? AHCI_HEADER_WRITE : 0) |
                 (task->command == ATA_PACKET ? AHCI_HEADER_PACKET : 0),
        .table = (uint32_t)address,
        .table_high = (uint32_t)(address >> 32),
    };
}

/* ACS-3, DATA SET MANAGEMENT: ranges of 48 bits of address and 16 of length; those of length 0 are
 * passed over. */
static void discard_fill(struct ahci_port *port, unsigned slot, struct ahci_task *task)
{
    uint32_t left = port->request[slot]->count;

    for (unsigned i = 0; i < AHCI_RANGES; i++) {
        uint32_t count = left < ATA_RANGE_MAX ? left : ATA_RANGE_MAX;
        port->memory->ranges[slot][i] = count > 0 ? task->lba | (uint64_t)count << 48 : 0;
        task->lba += count;
        left -= count;
    }
    *task = (struct ahci_task){
        .command = ATA_DATA_SET_MANAGEMENT,
        .feature = ATA_TRIM,
        .count = 1,
        .is_write = true,
        .address = port->address + offsetof(struct ahci_memory, ranges) + slot * AHCI_SECTOR,
        .length = AHCI_SECTOR,
    };
}

/* MMC-6, READ (10). The drive has no more than 2^32 blocks. */
static void packet_fill(const struct block_request *request, struct ahci_task *task)
{
    uint32_t block = __builtin_bswap32((uint32_t)request->block);
    uint16_t count = __builtin_bswap16((uint16_t)request->count);

    task->command = ATA_PACKET;
    task->feature = ATA_PACKET_DMA;
    task->lba = 0;
    task->packet[0] = SCSI_READ_10;
    memcpy(task->packet + 2, &block, sizeof(block));
    memcpy(task->packet + 7, &count, sizeof(count));
}

void ahci_command_request_fill(struct ahci_port *port, unsigned slot)
{
    const struct block_request *request = port->request[slot];
    bool is_write = request->operation == BLOCK_WRITE;
    struct ahci_task task = {
        .is_write = is_write,
        .lba = request->block,
        .address = request->address,
        .length = (uint32_t)request->length,
        .segments = request->segments,
        .segment_count = request->segment_count,
    };

    if (request->operation == BLOCK_FLUSH) {
        task.command = ATA_FLUSH_CACHE_EXT;
    } else if (request->operation == BLOCK_DISCARD) {
        discard_fill(port, slot, &task);
    } else if (port->is_queued) { /* the count is where the features are, the tag where it was */
        task.command = is_write ? ATA_WRITE_FPDMA_QUEUED : ATA_READ_FPDMA_QUEUED;
        task.feature = (uint16_t)request->count;
        task.count = (uint16_t)(slot << 3);
    } else if (port->is_packet) {
        packet_fill(request, &task);
    } else {
        task.command = is_write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT;
        task.count = (uint16_t)request->count;
    }
    ahci_command_fill(port, slot, &task);
}
