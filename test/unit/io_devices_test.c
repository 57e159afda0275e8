/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices at the authority (server/io/bus.c, device.c): which registers are lent and mapped, and
 * what is refused, with the reason in the log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_bus_server.h>
#include <interface/io_device_server.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <server/io/io.h>
#include <server/io/line.h>
#include <server/io/msix.h>
#include <test/unit/cmocka.h>
#include <test/unit/io_kernel.h>

enum { TASK = 50, PAGER = 51, TABLE_AT = 0x2800, TABLE_ENTRIES = 8 };

struct resource_map io_memory_map, io_port_map;
bool io_interrupt_messages = true;

static const char *astray; /* the device of a line that does not come home; null: none */
static struct msix_entry table[TABLE_ENTRIES];
static uint64_t mapped; /* offset of what was mapped last */
static bool confined;   /* there is an IOMMU */
static unsigned revocations;

/* A lease is an index of these. */
static struct io_memory memories[2];

boolean_t io_bus_server(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return FALSE;
}

boolean_t io_device_server(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return FALSE;
}

void *port_context(mach_port_t port, const struct port_type *type)
{
    return kernel_port(port)->type == type ? kernel_port(port)->context : NULL;
}

bool io_line_is_astray(const char *name)
{
    return astray && strcmp(name, astray) == 0;
}

int io_line_take_message(struct io_line **line)
{
    *line = calloc(1, sizeof(**line));
    (*line)->message = true;
    return 0;
}

int io_line_take_shared(unsigned number, struct io_line **line)
{
    return EINVAL;
}

int io_line_take_fixed(unsigned pin, struct io_line **line)
{
    return EINVAL;
}

void io_line_release(struct io_line *line)
{
    free(line);
}

int io_line_lend(struct io_line *line, const char *holder, mach_port_t *right)
{
    return EBUSY;
}

void io_line_acknowledge(struct io_line *line, unsigned count, bool claimed)
{
}

void io_line_mask(const struct io_line *line)
{
}

void io_line_message(const struct io_line *line, uint64_t *address, uint32_t *data)
{
    *address = 0xfee00000;
    *data = 0x40;
}

int io_domain_create(io_requester requester, io_requester ancestor, const char *name,
                     struct io_domain **domain)
{
    static int domains;

    if (confined)
        *domain = (struct io_domain *)&domains;
    return confined ? 0 : ENOTSUP;
}

void io_domain_destroy(struct io_domain *domain)
{
}

int io_domain_map(struct io_domain *domain, const struct io_memory *memory, uint64_t *address)
{
    static uint64_t next = 0x10000000;

    *address = next += IO_PAGE;
    return 0;
}

void io_domain_unmap(struct io_domain *domain, uint64_t address, uint64_t size)
{
}

void io_domain_revoke(struct io_domain *domain, uint64_t address, uint64_t size)
{
    assert_int_equal(size, IO_PAGE);
    revocations++;
}

void io_domain_interrupt_set(struct io_domain *domain, unsigned index, uint64_t *address,
                             uint32_t *data)
{
}

void io_domain_interrupt_clear(struct io_domain *domain, unsigned index)
{
}

struct io_memory *io_memory_from_lease(mach_port_t lease)
{
    if (lease >= sizeof(memories) / sizeof(memories[0]))
        return NULL;
    memories[lease].references++;
    return &memories[lease];
}

void io_memory_release(struct io_memory *memory)
{
    assert_true(memory->references > 0);
    memory->references--;
}

mach_port_t io_task_lookup(mach_port_t limited)
{
    return limited == TASK ? TASK + 1 : MACH_PORT_NULL;
}

int io_acpi_table(const char *signature, void **found, size_t *size)
{
    return ENOENT;
}

/* Memory is below 1 GiB. */
int io_physical_object(uint64_t base, uint64_t size, mach_port_t *pager)
{
    *pager = PAGER;
    return base < UINT64_C(1) << 30 ? EPERM : 0;
}

int io_physical_map(uint64_t base, size_t size, bool writable, void **address)
{
    assert_int_equal(size, sizeof(table));
    *address = table;
    return 0;
}

void io_physical_unmap(void *address, size_t size)
{
}

kern_return_t vm_map(mach_port_t task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     boolean_t anywhere, mach_port_t object, vm_offset_t offset, boolean_t copy,
                     vm_prot_t protection, vm_prot_t most, vm_inherit_t inheritance)
{
    assert_int_equal(task, TASK + 1);
    mapped = offset;
    return KERN_SUCCESS;
}

kern_return_t i386_io_perm_create(mach_port_t master, io_port_t from, io_port_t to,
                                  mach_port_t *permission)
{
    return KERN_SUCCESS;
}

static mach_port_t bus;

static int setup(void **state)
{
    (void)state;
    if (bus == MACH_PORT_NULL) {
        kernel_begin();
        assert_int_equal(io_bus_port("pci", &bus), 0);
    }
    astray = NULL;
    confined = false;
    for (unsigned i = 0; i < sizeof(memories) / sizeof(memories[0]); i++)
        memories[i] = (struct io_memory){.physical = (i + 1) * IO_PAGE, .size = IO_PAGE};
    return 0;
}

/* 0 or the errno value in the answer. */
static int answer(kern_return_t code)
{
    return code == KERN_SUCCESS ? 0 : code & ~OUTBOARD_ERROR_MASK;
}

static mach_port_t device_make(const char *name)
{
    mach_port_t device;

    assert_int_equal(serve_io_bus_device_create(bus, name, 0x18, 0x18, &device), KERN_SUCCESS);
    return device;
}

static int window_add(mach_port_t device, unsigned index, uint64_t base, uint64_t size)
{
    return answer(serve_io_bus_device_add_window(bus, device, index, base, size));
}

/* Registers are lent by the page: what shares one with another's is not, and the log says why. */
static void windows_in_pages_of_their_own(void **state)
{
    mach_port_t first = device_make("first"), second = device_make("second");

    (void)state;
    assert_int_equal(window_add(first, 0, 0xfe000000, 0x100), 0);
    assert_int_equal(window_add(second, 0, 0xfe000800, 0x100), EPERM);
    assert_int_equal(kernel_logged("second: window 0 at fe000800 does not begin a page"), 1);
    assert_int_equal(window_add(second, 0, 0xfe000000, 0x100), EBUSY);
    assert_int_equal(window_add(second, 0, 0xfdfff000, 0x1100), EBUSY);
    assert_int_equal(kernel_logged("second: window fdfff000-fe000fff refused: overlaps "
                                   "fe000000-fe000fff of first"),
                     1);
    assert_int_equal(window_add(second, 0, 0x100000, 0x1000), EPERM); /* memory */
    assert_int_equal(window_add(second, 0, UINT64_MAX - 0xfff, 0x1000), EINVAL);
    assert_int_equal(window_add(second, 0, 0xfe001000, 0x1000), 0);
    assert_int_equal(window_add(second, 0, 0xfe003000, 0x1000), EEXIST);
    assert_int_equal(serve_io_bus_device_destroy(bus, first), KERN_SUCCESS);
    assert_int_equal(window_add(second, 1, 0xfe000000, 0x1000), 0);
    serve_io_bus_device_destroy(bus, second);
    assert_int_equal(io_device_count, 0);
}

/* Whole pages of the window, but none that the MSI-X table is on. */
static void windows_around_the_msix_table(void **state)
{
    static const struct {
        uint64_t offset, size;
        int error;
    } wanted[] = {
        {0, 0x2000, 0},
        {0x3000, 0x1000, 0},
        {0x2000, 0x1000, EPERM},
        {0x1000, 0x2000, EPERM},
        {0, 0x4000, EPERM},
        {0x2000, 0x2000, EPERM},
        {0x3000, 0x2000, EINVAL},
        {0x4000, 0x1000, EINVAL},
        {0x800, 0x1000, EINVAL},
        {0, 0, EINVAL},
        {UINT64_MAX - 0xfff, 0x1000, EINVAL},
        {0x1000, UINT64_MAX - 0xfff, EINVAL},
    };
    mach_port_t device = device_make("nvme0");
    unsigned granted;
    uint64_t address;

    (void)state;
    assert_int_equal(window_add(device, 0, 0xfe000000, 0x4000), 0);
    assert_int_equal(answer(serve_io_device_window(device, 0, 0x2000, 0x1000, TASK, &address)), 0);
    assert_int_equal(
        answer(serve_io_bus_device_add_msix(bus, device, 0, 0x3ff0, TABLE_ENTRIES, 2, &granted)),
        EINVAL);
    assert_int_equal(
        answer(serve_io_bus_device_add_msix(bus, device, 0, TABLE_AT, TABLE_ENTRIES, 2, &granted)),
        0);
    assert_int_equal(granted, 2);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        assert_int_equal(table[i].control, 1);
    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        int error = answer(
            serve_io_device_window(device, 0, wanted[i].offset, wanted[i].size, TASK, &address));
        assert_int_equal(error, wanted[i].error);
        assert_true(error != 0 || mapped == wanted[i].offset);
    }
    assert_int_equal(answer(serve_io_device_window(device, 0, 0, 0x1000, TASK + 2, &address)),
                     EPERM);
    serve_io_bus_device_destroy(bus, device);
}

/* Whose line does not come home has no device until it does. */
static void no_device_while_a_line_is_astray(void **state)
{
    mach_port_t device;

    (void)state;
    astray = "nvme0";
    assert_int_equal(answer(serve_io_bus_device_create(bus, "nvme0", 0x18, 0x18, &device)), EBUSY);
    assert_int_equal(io_device_count, 0);
    serve_io_bus_device_destroy(bus, device_make("nvme1"));
    astray = NULL;
    serve_io_bus_device_destroy(bus, device_make("nvme0"));
    assert_int_equal(io_device_count, 0);
}

static uint64_t lease_map(mach_port_t device, mach_port_t lease)
{
    uint64_t address, size;

    assert_int_equal(answer(serve_io_device_dma_map(device, lease, &address, &size)), 0);
    assert_int_equal(size, IO_PAGE);
    return address;
}

/* What a command of a dead driver may still write to is nobody else's until the device has been
 * reset, whoever has that name for it next; what that one has is not concerned. */
static void memory_is_kept_until_the_reset(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        confined = i == 1;
        mach_port_t device = device_make("nvme0");
        lease_map(device, 0);
        uint64_t unmapped = lease_map(device, 1);
        assert_int_equal(answer(serve_io_device_dma_unmap(device, unmapped)), 0);
        assert_int_equal(memories[1].references, 0);
        serve_io_bus_device_destroy(bus, device);
        assert_int_equal(io_device_count, 0);
        assert_int_equal(memories[0].references, 1);

        device = device_make("nvme0");
        assert_int_equal(memories[0].references, 1);
        assert_int_equal(answer(serve_io_device_dma_unmap(device, 0)), ENOENT);
        uint64_t address = lease_map(device, 0);
        io_device_was_reset("nvme1");
        assert_int_equal(memories[0].references, 2);
        io_device_was_reset("nvme0");
        io_device_was_reset("nvme0");
        assert_int_equal(memories[0].references, 1);
        assert_int_equal(answer(serve_io_device_dma_unmap(device, address)), 0);
        assert_int_equal(memories[0].references, 0);
        serve_io_bus_device_destroy(bus, device);
    }
}

/* So much can be mapped and kept for a device, however many drivers it had. */
static void what_is_kept_is_bounded(void **state)
{
    mach_port_t device = device_make("nvme0");
    uint64_t address, size;

    (void)state;
    for (unsigned i = 0; i < IO_DMA_MAPPINGS - 1; i++)
        lease_map(device, 0);
    serve_io_bus_device_destroy(bus, device);
    device = device_make("nvme0");
    lease_map(device, 1);
    assert_int_equal(answer(serve_io_device_dma_map(device, 1, &address, &size)), ENOSPC);
    serve_io_bus_device_destroy(bus, device);
    assert_int_equal(memories[0].references, IO_DMA_MAPPINGS - 1);
    io_device_was_reset("nvme0");
    assert_int_equal(memories[0].references + memories[1].references, 0);
}

/* No device reaches it any more, but for what it has begun: the driver lets go of it, or the reset.
 */
static void memory_is_kept_when_it_is_revoked(void **state)
{
    boolean_t reaches;

    (void)state;
    confined = true;
    revocations = 0;
    mach_port_t device = device_make("nvme0");
    uint64_t address = lease_map(device, 0);
    lease_map(device, 0);
    io_device_revoke_all(&memories[0]);
    io_device_revoke_all(&memories[0]);
    assert_int_equal(revocations, 2);
    assert_int_equal(serve_io_device_dma_check(device, address, 1, &reaches), 0);
    assert_false(reaches);
    assert_int_equal(memories[0].references, 2);
    assert_int_equal(answer(serve_io_device_dma_unmap(device, address)), 0);
    assert_int_equal(memories[0].references, 1);
    serve_io_bus_device_destroy(bus, device);
    io_device_revoke_all(&memories[0]);
    assert_int_equal(revocations, 2);
    assert_int_equal(memories[0].references, 1);
    io_device_was_reset("nvme0");
    assert_int_equal(memories[0].references, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_is_kept_until_the_reset),    TEST(what_is_kept_is_bounded),
        TEST(memory_is_kept_when_it_is_revoked), TEST(windows_in_pages_of_their_own),
        TEST(windows_around_the_msix_table),     TEST(no_device_while_a_line_is_astray),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
