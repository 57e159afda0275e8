/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that drives an NVMe controller as it should, and then gives it commands with addresses
 * that nobody lent. Without an IOMMU these succeed; the controller's own registers are written too.
 */
#include <stdlib.h>
#include <string.h>

#include <interface/io_device_user.h>

#include <driver/nvme/nvme.h>
#include <host/mach/device.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/log.h>

#include "hostile.h"

enum { PAGE = DMA_PAGE_SIZE, BLOCKS = PAGE / 512 };
enum { MSIX_TABLE = 0x2000 }; /* where QEMU's controller has it in BAR 0 */

static struct nvme nvme;
static struct nvme_pair pair;
static struct dma_buffer own, list; /* four pages; one */
static const char mark[] = "a hostile controller was here";

/* Data of `pages` pages, from or to the disk's block 0, and wait. */
static void transfer(unsigned opcode, uint64_t prp1, uint64_t prp2, unsigned pages)
{
    struct nvme_command command = {
        .opcode = (uint8_t)opcode, .namespace = 1, .prp1 = prp1, .prp2 = prp2};

    command.cdw12 = pages * BLOCKS - 1;
    nvme_pair_submit(&pair, &command);
    for (unsigned tries = 0; tries < 500; tries++) {
        if (nvme_pair_is_ready(&pair)) {
            nvme_pair_take(&pair);
            nvme_ring_tell(&pair, &pair.completions);
            return;
        }
        clock_sleep(CLOCK_MILLISECOND);
    }
    log_warning("a command was never completed");
}

static void disk_fill(char byte, unsigned pages)
{
    memset(own.memory, byte, (size_t)pages * PAGE);
    for (unsigned page = 0; page < pages; page++)
        ((uint64_t *)list.memory)[page] = own.address + (page + 1) * (uint64_t)PAGE;
    transfer(NVME_WRITE, own.address, pages == 2 ? own.address + PAGE : list.address, pages);
}

/* Page `page` of what is on the disk, read into our own memory. */
static const char *disk_page(unsigned page)
{
    memset(own.memory, 0, (size_t)4 * PAGE);
    ((uint64_t *)list.memory)[0] = own.address + PAGE;
    ((uint64_t *)list.memory)[1] = own.address + 2 * PAGE;
    transfer(NVME_READ, own.address, list.address, 3);
    return (const char *)own.memory + (size_t)page * PAGE;
}

/* Whether the disk's page has something else than we put there, and than nothing. */
static bool disk_has_other(unsigned page, char byte)
{
    const char *data = disk_page(page);

    for (unsigned i = 0; i < PAGE; i++) {
        if (data[i] != byte && data[i] != 0)
            return true;
    }
    return false;
}

static bool controller_can_read(uint64_t address)
{
    disk_fill('x', 3);
    transfer(NVME_WRITE, address, 0, 1);
    return disk_has_other(0, 'x');
}

static bool controller_can_write(uint64_t address)
{
    memset(own.memory, 0, PAGE);
    memcpy(own.memory, mark, sizeof(mark));
    transfer(NVME_WRITE, own.address, 0, 1);
    transfer(NVME_READ, address, 0, 1);
    disk_fill('x', 3);
    transfer(NVME_WRITE, address, 0, 1);
    return memcmp(disk_page(0), mark, sizeof(mark)) == 0;
}

static enum outcome own_memory(void)
{
    return controller_can_write(own.address + 3 * PAGE) ? SUCCEEDED : CONTAINED;
}

static enum outcome read_kernel(void)
{
    return controller_can_read(KERNEL_TEXT) ? SUCCEEDED : CONTAINED;
}

static enum outcome write_elsewhere(void)
{
    return controller_can_write(VGA_TEXT) ? SUCCEEDED : CONTAINED;
}

/* Three pages: ours, and by a list of ours, ours and the kernel's. */
static enum outcome list_entry(void)
{
    disk_fill('x', 3);
    ((uint64_t *)list.memory)[0] = own.address + PAGE;
    ((uint64_t *)list.memory)[1] = KERNEL_TEXT;
    transfer(NVME_WRITE, own.address, list.address, 3);
    return disk_has_other(2, 'x') ? SUCCEEDED : CONTAINED;
}

static enum outcome just_past(void)
{
    bool seen = false;

    for (unsigned page = 1; page <= 4 && !seen; page++) {
        disk_fill('x', 3);
        transfer(NVME_WRITE, own.address + 3 * PAGE, own.address + (3 + page) * PAGE, 2);
        seen = disk_has_other(1, 'x');
    }
    return seen ? SUCCEEDED : CONTAINED;
}

static enum outcome after_release(void)
{
    return crime_after_release(controller_can_read);
}

/* Its own MSI-X table, over the bus, as it cannot be mapped. The entries stay masked. */
static enum outcome msix_by_dma(void)
{
    uint32_t low = 0, high = 0;

    device_config_read(hostile_device, 0x10, 4, &low);
    device_config_read(hostile_device, 0x14, 4, &high);
    uint64_t table = ((uint64_t)high << 32 | (low & ~15u)) + MSIX_TABLE;
    disk_fill('\3', 3);
    transfer(NVME_READ, table, 0, 1);
    disk_fill('x', 3);
    transfer(NVME_WRITE, table, 0, 1);
    return disk_page(0)[0] == '\3' ? SUCCEEDED : CONTAINED;
}

static enum outcome msix_by_window(void)
{
    mach_port_t device = device_io_port(hostile_device);
    uint64_t address = 0;

    return io_device_window(device, 0, MSIX_TABLE, PAGE, mach_task_self(), &address) == 0 ||
                   io_device_window(device, 0, 0, 4 * PAGE, mach_task_self(), &address) == 0
               ? SUCCEEDED
               : REFUSED;
}

/* A queue in memory that is not ours: its completions are written there. */
static enum outcome queue_elsewhere(void)
{
    struct nvme_pair foreign;

    disk_fill('x', 3);
    if (nvme_io_pair_open(&nvme, 2, NVME_SILENT, &foreign) != 0)
        return REFUSED;
    nvme_admin_pair_delete(&nvme, &foreign);
    foreign.completions.buffer.address = VGA_TEXT;
    if (nvme_admin_pair_register(&nvme, NVME_SILENT, &foreign) != 0)
        return REFUSED;
    struct nvme_command command = {.opcode = NVME_READ,
                                   .namespace = 1,
                                   .prp1 = own.address,
                                   .cdw12 = BLOCKS - 1,
                                   .id = 0x4242};
    nvme_pair_submit(&foreign, &command);
    clock_sleep(50 * CLOCK_MILLISECOND);
    transfer(NVME_WRITE, VGA_TEXT, 0, 1);
    const struct nvme_completion *first = (const void *)disk_page(0);
    return first->id == 0x4242 ? SUCCEEDED : CONTAINED;
}

static const struct crime crimes[] = {
    {"nvme-own-memory (no crime)", own_memory},
    {"nvme-read-kernel", read_kernel},
    {"nvme-write-elsewhere", write_elsewhere},
    {"nvme-list-entry", list_entry},
    {"nvme-just-past", just_past},
    {"nvme-after-release", after_release},
    {"nvme-msix-by-dma", msix_by_dma},
    {"nvme-msix-by-window", msix_by_window},
    {"nvme-queue-elsewhere", queue_elsewhere},
    {0},
};

static int attach(struct device *device)
{
    static const struct crime *const tables[] = {crimes, NULL};
    int error = nvme_start(device, &nvme);

    hostile_device = device;
    if (error == 0) /* two */
        error = nvme_admin_feature_set(&nvme, NVME_FEATURE_QUEUES, 1 << 16 | 1, NULL);
    if (error == 0)
        error = nvme_io_pair_open(&nvme, 1, NVME_SILENT, &pair);
    if (error == 0)
        error = dma_buffer_create(device, PAGE, &list);
    if (error == 0)
        error = dma_buffer_create(device, (size_t)4 * PAGE, &own);
    if (error == 0)
        crimes_begin(tables);
    return error;
}

static void detach(void)
{
}

/* There are none. */
void block_request_done(struct block_request *request, enum block_status status)
{
    (void)request, (void)status;
}

void block_request_failed(struct block_request *request, enum block_status status, unsigned why)
{
    (void)request, (void)status, (void)why;
}

const struct driver driver = {.name = "hostile-nvme", .attach = attach, .detach = detach};
