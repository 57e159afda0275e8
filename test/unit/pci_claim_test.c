/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What becomes of a function when its driver is gone.
 */
#include <errno.h>

#include <interface/io_bus_user.h>

#include <host/mach/port.h>
#include <server/pci/claim.h>
#include <test/unit/cmocka.h>
#include <test/unit/pci_model.h>

static struct pci_model model;
static struct pci_tree tree;
static unsigned devices;

void port_release(mach_port_t right)
{
    (void)right;
}

kern_return_t io_bus_device_create(mach_port_t bus, const_name_t name, unsigned requester,
                                   unsigned ancestor, mach_port_t *device)
{
    (void)bus, (void)name, (void)requester, (void)ancestor;
    *device = 7;
    devices++;
    return 0;
}

kern_return_t io_bus_device_destroy(mach_port_t bus, mach_port_t device)
{
    (void)bus;
    assert_int_equal(device, 7);
    devices--;
    return 0;
}

kern_return_t io_bus_device_add_window(mach_port_t bus, mach_port_t device, unsigned index,
                                       uint64_t base, uint64_t size)
{
    (void)bus, (void)device, (void)index, (void)base, (void)size;
    return 0;
}

kern_return_t io_bus_device_add_ports(mach_port_t bus, mach_port_t device, unsigned index,
                                      unsigned first, unsigned last)
{
    (void)bus, (void)device, (void)index, (void)first, (void)last;
    return 0;
}

kern_return_t io_bus_device_add_line(mach_port_t bus, mach_port_t device, unsigned number)
{
    (void)bus, (void)device, (void)number;
    return 0;
}

kern_return_t io_bus_device_add_msix(mach_port_t bus, mach_port_t device, unsigned index,
                                     uint64_t offset, unsigned entries, unsigned wanted,
                                     unsigned *granted)
{
    (void)bus, (void)device, (void)index, (void)offset, (void)entries;
    *granted = wanted;
    return 0;
}

kern_return_t io_bus_device_add_msi(mach_port_t bus, mach_port_t device, uint64_t *address,
                                    unsigned *data)
{
    (void)bus, (void)device;
    *address = *data = 0;
    return 0;
}

/* A driver's function, a bridge, and what is the machine's. */
static int setup(void **state)
{
    (void)state;
    devices = 0;
    pci_model_init(&model, &tree);
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x8086, 0x020000);
    pci_model_capability(&model, f, 0x80, 0x10, 0);
    pci_model_poke(&model, f, 0x84, 4, 1u << 28); /* it has a function level reset */
    model.functions[f].reset_register = 0x88;
    pci_model_poke(&model, f, PCI_COMMAND, 2, 0x0407);
    pci_model_bridge(&model, PCI_MODEL_ROOT, 4, 0, 1, 1);
    pci_model_add(&model, PCI_MODEL_ROOT, 5, 0, 0x8086, 0x060000);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    return 0;
}

static struct pci_function *found(unsigned device)
{
    return pci_tree_find(&tree, pci_address(0, 0, device, 0));
}

static void what_is_released_is_reset(void **state)
{
    struct pci_claim claim = {0};

    (void)state;
    assert_int_equal(pci_claim_make(&claim, &tree, found(3), 1, "nic0", 1), 0);
    pci_model_poke(&model, 0, PCI_COMMAND, 2, 0x0407);
    assert_int_equal(pci_claim_release(&claim, true), 0);
    assert_int_equal(model.functions[0].resets, 1);
    assert_int_equal(pci_model_peek(&model, 0, PCI_COMMAND, 2) & 4, 0);
    assert_int_equal(devices, 0);
}

/* The bus was started again, and its driver dies then. */
static void what_was_forgotten_is_reset(void **state)
{
    (void)state;
    assert_int_equal(pci_claim_forgotten(&tree, found(3), false), ENODEV);
    assert_int_equal(model.functions[0].resets, 0);
    assert_int_equal(pci_model_peek(&model, 0, PCI_COMMAND, 2) & 4, 0);
    assert_int_equal(pci_claim_forgotten(&tree, found(3), true), 0);
    assert_int_equal(model.functions[0].resets, 1);
    for (unsigned device = 4; device <= 5; device++) {
        unsigned accesses = model.accesses;
        assert_int_equal(pci_claim_forgotten(&tree, found(device), true), ENODEV);
        assert_int_equal(model.accesses, accesses);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_released_is_reset, setup),
        cmocka_unit_test_setup(what_was_forgotten_is_reset, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
