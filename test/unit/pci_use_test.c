/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Doing things to functions: addresses, decoding, interrupts, resets.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <server/pci/assign.h>
#include <server/pci/capability.h>
#include <server/pci/command.h>
#include <server/pci/filter.h>
#include <server/pci/message.h>
#include <server/pci/reset.h>
#include <server/pci/rom.h>
#include <server/pci/slot.h>
#include <server/pci/tree.h>
#include <test/unit/cmocka.h>
#include <test/unit/pci_model.h>

static struct pci_model model;
static struct pci_tree tree;

static int setup(void **state)
{
    (void)state;
    pci_model_init(&model, &tree);
    return 0;
}

static struct pci_function *found(unsigned bus, unsigned device)
{
    struct pci_function *function = pci_tree_find(&tree, pci_address(0, bus, device, 0));

    assert_non_null(function);
    return function;
}

/* What the authority would refuse. */
static struct pci_range refused;

static bool usable(void *context, const struct pci_function *function, bool ports, uint64_t base,
                   uint64_t size)
{
    (void)context;
    assert_non_null(function);
    return ports || base >= refused.base + refused.size || refused.base >= base + size;
}

static void scan_and_assign(void)
{
    static const struct pci_range ecam = {0xb0000000, 0x10000000};

    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    pci_assign(&tree, &(struct pci_assign_limits){&ecam, 1, usable, NULL});
}

/* A device whose 4 KiB at `base` and ports at `ports` the firmware switched on. */
static int evidence(unsigned device, uint32_t base, uint32_t ports)
{
    int index = pci_model_add(&model, PCI_MODEL_ROOT, device, 0, 0x8086, 0x020000);

    pci_model_bar(&model, index, 0, 0xfffff000, 0, base);
    if (ports != 0)
        pci_model_bar(&model, index, 1, 0xffe0, 1, ports);
    pci_model_poke(&model, index, PCI_COMMAND, 2, 3);
    return index;
}

static void gaps_on_the_root_bus_are_used(void **state)
{
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);
    int small = pci_model_add(&model, PCI_MODEL_ROOT, 10, 0, 0x1b36, 0x010802);

    (void)state;
    refused = (struct pci_range){0, 0};
    evidence(1, 0xfebf0000, 0xc040);
    evidence(2, 0xfebf8000, 0xc100);
    pci_model_bar(&model, empty, 0, ~UINT64_C(0x3fff), 0x4, 0);
    pci_model_bar(&model, empty, 4, 0xffffff80, 0x1, 0);
    pci_model_bar(&model, small, 0, 0xffffff00, 0x0, 0);
    pci_model_bar(&model, small, 1, 0xffffff00, 0x0, 0);
    scan_and_assign();

    assert_true(found(0, 9)->info.bar[0].base == 0xfebf4000);
    assert_true(found(0, 9)->info.bar[4].base == 0xc080);
    assert_int_equal(found(0, 9)->bars_without_base, 0);
    /* Small ones get a page each. */
    assert_true(found(0, 10)->info.bar[0].base == 0xfebf1000);
    assert_true(found(0, 10)->info.bar[1].base == 0xfebf2000);
    assert_int_equal(pci_model_peek(&model, empty, PCI_BAR, 4), 0xfebf4004);
    assert_int_equal(pci_model_peek(&model, small, PCI_BAR, 4), 0xfebf1000);
    assert_int_equal(pci_model_peek(&model, empty, PCI_COMMAND, 2), 0);
    assert_int_equal(pci_model_warnings(), 0);
}

static void what_the_authority_refuses_is_not_used(void **state)
{
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);

    (void)state;
    refused = (struct pci_range){0xfebf1000, 0x2800};
    evidence(1, 0xfebf0000, 0);
    pci_model_bar(&model, empty, 0, 0xfffff000, 0, 0);
    scan_and_assign();
    assert_true(found(0, 9)->info.bar[0].base == 0xfebf4000);

    /* As much as a ROM that was read, which stays where it was when its function is gone. */
    setup(NULL);
    refused = (struct pci_range){0xfeb01000, 0x80000};
    empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);
    evidence(1, 0xfeb00000, 0);
    pci_model_bar(&model, empty, 0, 0xfffff000, 0, 0);
    scan_and_assign();
    assert_in_range(found(0, 9)->info.bar[0].base, 0xfeb81000, 0xfebff000);

    setup(NULL);
    refused = (struct pci_range){0, UINT64_C(1) << 60};
    empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);
    evidence(1, 0xfebf0000, 0);
    pci_model_bar(&model, empty, 0, 0xfffff000, 0, 0);
    scan_and_assign();
    assert_int_equal(found(0, 9)->bars_without_base, 1);
    assert_int_equal(pci_model_peek(&model, empty, PCI_BAR, 4), 0);
    assert_int_equal(pci_model_warnings(), 1);
}

static void without_evidence_nothing_is_assigned(void **state)
{
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);
    int idle = evidence(1, 0xfebf0000, 0xc000);

    (void)state;
    refused = (struct pci_range){0, 0};
    pci_model_poke(&model, idle, PCI_COMMAND, 2, 0);
    pci_model_bar(&model, empty, 0, 0xfffff000, 0, 0);
    pci_model_bar(&model, empty, 1, 0xffffff80, 1, 0);
    scan_and_assign();
    assert_int_equal(found(0, 9)->bars_without_base, 3);
    assert_int_equal(pci_model_warnings(), 2);
}

static void below_the_firmwares_range_but_not_in_ecam(void **state)
{
    int big = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x030000);
    int bigger = pci_model_add(&model, PCI_MODEL_ROOT, 10, 0, 0x1b36, 0x030000);

    (void)state;
    refused = (struct pci_range){0, 0};
    evidence(1, 0xfebf0000, 0);
    pci_model_bar(&model, big, 0, 0xf8000000, 0, 0);
    pci_model_bar(&model, bigger, 0, 0xe0000000, 0, 0); /* 512 MiB: no room in that step */
    scan_and_assign();
    assert_true(found(0, 9)->info.bar[0].base == 0xf0000000);
    assert_int_equal(found(0, 10)->bars_without_base, 1);

    setup(NULL);
    evidence(1, 0xb8000000, 0); /* inside the reserved range */
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);
    pci_model_bar(&model, empty, 0, 0xfffff000, 0, 0);
    scan_and_assign();
    assert_true(found(0, 9)->info.bar[0].base == 0xc0000000);
}

static void windows_of_bridges_are_used(void **state)
{
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    int first = pci_model_add(&model, bridge, 0, 0, 0x1b36, 0x010802);
    int second = pci_model_add(&model, bridge, 1, 0, 0x1b36, 0x030000);

    (void)state;
    refused = (struct pci_range){0, 0};
    pci_model_poke(&model, bridge, PCI_BRIDGE_MEMORY_BASE, 4, 0xfe80fe80); /* 1 MiB */
    pci_model_poke(&model, bridge, PCI_BRIDGE_PREFETCH_BASE, 4, 0x00110001);
    pci_model_poke(&model, bridge, PCI_BRIDGE_PREFETCH_BASE_HIGH, 4, 0x38);
    pci_model_poke(&model, bridge, PCI_BRIDGE_PREFETCH_LIMIT_HIGH, 4, 0x38);
    pci_model_poke(&model, bridge, PCI_BRIDGE_IO_BASE, 2, 0xd0d0);
    pci_model_bar(&model, first, 0, ~UINT64_C(0x3fff), 0x4, 0);
    pci_model_bar(&model, first, 2, 0xffffff80, 0x1, 0);
    pci_model_bar(&model, second, 0, ~UINT64_C(0xfffff), 0xc, 0);
    pci_model_bar(&model, second, 2, 0xfffff000, 0x8, 0);
    pci_model_bar(&model, second, 3, 0xffe00000, 0x0, 0); /* 2 MiB: does not fit */
    scan_and_assign();

    assert_true(found(1, 0)->info.bar[0].base == 0xfe800000);
    assert_true(found(1, 0)->info.bar[2].base == 0xd000);
    assert_true(found(1, 1)->info.bar[0].base == UINT64_C(0x3800000000));
    /* 32 bits cannot reach that window, and may use the other. */
    assert_true(found(1, 1)->info.bar[2].base == 0xfe804000);
    assert_int_equal(found(1, 1)->bars_without_base, 1 << 3);
    assert_int_equal(pci_model_peek(&model, second, PCI_BAR + 4, 4), 0x38);
}

static void closed_windows_are_opened(void **state)
{
    int left = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 0, 0);
    int below = pci_model_bridge(&model, left, 0, 0, 0, 0);
    int nvme = pci_model_add(&model, below, 0, 0, 0x1b36, 0x010802);
    int other = pci_model_add(&model, left, 1, 0, 0x1b36, 0x010802);

    (void)state;
    refused = (struct pci_range){0, 0};
    evidence(1, 0xfe000000, 0xc040);
    pci_model_bar(&model, nvme, 0, ~UINT64_C(0x3fff), 0x4, 0);
    pci_model_bar(&model, nvme, 2, 0xffffff80, 0x1, 0);
    pci_model_bar(&model, other, 0, 0xffc00000, 0x0, 0); /* 4 MiB */
    scan_and_assign();

    const struct pci_function *bridge = found(0, 2);
    uint64_t base = found(2, 0)->info.bar[0].base;
    assert_int_equal(found(2, 0)->bars_without_base, 0);
    assert_int_equal(found(1, 1)->bars_without_base, 0);
    assert_true(bridge->window[PCI_WINDOW_MEMORY].size == 0x500000);
    assert_true(bridge->window[PCI_WINDOW_MEMORY].base % 0x400000 == 0);
    assert_true(bridge->window[PCI_WINDOW_IO].size == 0x1000);
    assert_true(bridge->window[PCI_WINDOW_IO].base == 0xd000);
    assert_true(found(1, 0)->window[PCI_WINDOW_MEMORY].size == 0x100000);
    assert_true(base - bridge->window[PCI_WINDOW_MEMORY].base <= 0x500000 - 0x4000);
    assert_true(found(2, 0)->info.bar[2].base == 0xd000);
    /* What is not used does not stay at 0, where a reset leaves it. */
    assert_int_equal(pci_model_peek(&model, left, PCI_BRIDGE_PREFETCH_BASE, 4), 0x0001fff1);
    assert_int_equal(pci_model_warnings(), 0);
}

static void registers_that_do_not_take_an_address(void **state)
{
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 9, 0, 0x1b36, 0x010802);

    (void)state;
    refused = (struct pci_range){0, 0};
    evidence(1, 0xf0000000, 0);
    pci_model_bar(&model, empty, 0, 0x00fff000, 0, 0); /* decodes 24 bits only */
    scan_and_assign();
    assert_int_equal(found(0, 9)->bars_without_base, 1);
    assert_int_equal(pci_model_peek(&model, empty, PCI_BAR, 4), 0);
    assert_non_null(strstr(pci_model_last_warning(), "has no address"));
}

static void decoding_and_mastering(void **state)
{
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    int f = pci_model_add(&model, bridge, 0, 0, 0x1b36, 0x010802);

    (void)state;
    pci_model_bar(&model, f, 0, 0xfffff000, 0, 0xfe000000);
    pci_model_bar(&model, f, 1, 0xffffff80, 1, 0);
    pci_model_bar(&model, f, 2, 0xfffff000, 0, 0xfe001000);
    pci_tree_scan(&tree, 0, 0, 255);

    pci_function_decode(&tree, found(1, 0), true);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
    pci_function_master(&tree, found(1, 0), true);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2),
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_COMMAND, 2),
                     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

    /* One memory BAR without address: none may answer. */
    pci_function_decode(&tree, found(1, 0), false);
    found(1, 0)->bars_without_base |= 1;
    pci_function_decode(&tree, found(1, 0), true);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
    pci_function_master(&tree, found(1, 0), false);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), 0);
}

/* A function with every interrupt kind, MSI with these control bits. */
static int messages_make(uint16_t control)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);

    pci_model_bar(&model, f, 0, ~UINT64_C(0x3fff), 0x4, 0xfeb00000);
    pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_MSIX, 0x50);
    pci_model_poke(&model, f, 0x42, 2, 7 | 1 << 14);
    pci_model_allow(&model, f, 0x42, 2, 0xc000);
    pci_model_poke(&model, f, 0x44, 4, 0x2000);
    pci_model_capability(&model, f, 0x50, PCI_CAPABILITY_MSI, 0x80);
    pci_model_poke(&model, f, 0x52, 2, control);
    pci_model_allow(&model, f, 0x52, 2, 0x0071);
    for (unsigned offset = 0x54; offset < 0x68; offset += 4)
        pci_model_allow(&model, f, offset, 4, UINT32_MAX);
    pci_model_capability(&model, f, 0x80, PCI_CAPABILITY_EXPRESS, 0);
    pci_model_poke(&model, f, 0x100, 4, 0x0001000f);
    pci_model_allow(&model, f, 0x106, 2, 0x801f);
    pci_tree_scan(&tree, 0, 0, 255);
    return f;
}

static void messages_narrow_and_wide(void **state)
{
    int f = messages_make(0x0004 | 0x0030); /* 4 wanted, 8 enabled by somebody */

    (void)state;
    assert_int_equal(pci_msi_enable(&model.config, found(0, 3), 0xfee00000, 0x6f), 0);
    assert_int_equal(pci_model_peek(&model, f, 0x52, 2), 0x0005);
    assert_int_equal(pci_model_peek(&model, f, 0x54, 4), 0xfee00000);
    assert_int_equal(pci_model_peek(&model, f, 0x58, 2), 0x6f);
    assert_int_equal(pci_msi_enable(&model.config, found(0, 3), UINT64_C(1) << 32, 1), ENOTSUP);

    setup(NULL);
    f = messages_make(0x0180);
    assert_int_equal(pci_msi_enable(&model.config, found(0, 3), UINT64_C(0x5fee01000), 0x31), 0);
    assert_int_equal(pci_model_peek(&model, f, 0x52, 2), 0x0181);
    assert_int_equal(pci_model_peek(&model, f, 0x54, 4), 0xfee01000);
    assert_int_equal(pci_model_peek(&model, f, 0x58, 4), 5);
    assert_int_equal(pci_model_peek(&model, f, 0x5c, 2), 0x31);
    assert_int_equal(pci_model_peek(&model, f, 0x60, 4), 0xfffffffe);
    pci_msi_disable(&model.config, found(0, 3));
    assert_int_equal(pci_model_peek(&model, f, 0x52, 2), 0x0180);

    pci_msix_enable(&model.config, found(0, 3));
    assert_int_equal(pci_model_peek(&model, f, 0x42, 2), 0x8007);
    found(0, 3)->info.msi_offset = 0;
    assert_int_equal(pci_msi_enable(&model.config, found(0, 3), 0xfee00000, 1), ENOTSUP);
}

static void silence_is_complete(void **state)
{
    int f = messages_make(0x0181);

    (void)state;
    pci_model_poke(&model, f, PCI_COMMAND, 2, 7);
    pci_model_poke(&model, f, 0x42, 2, 0x8007);
    pci_model_poke(&model, f, 0x106, 2, 0x8003);
    pci_function_silence(&model.config, found(0, 3));
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), 0x0403);
    assert_int_equal(pci_model_peek(&model, f, 0x42, 2), 0xc007);
    assert_int_equal(pci_model_peek(&model, f, 0x52, 2), 0x0180);
    assert_int_equal(pci_model_peek(&model, f, 0x106, 2), 0x0003);

    pci_function_line(&model.config, found(0, 3), true);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), 0x0003);
    pci_msix_disable(&model.config, found(0, 3));
    assert_int_equal(pci_model_peek(&model, f, 0x42, 2), 0x4007);
}

static int resettable_make(void)
{
    int f = messages_make(0);

    pci_model_poke(&model, f, 0x84, 4, 1u << 28);
    pci_model_allow(&model, f, 0x88, 2, 0x7fff);
    pci_model_poke(&model, f, 0x88, 2, 0x2810);
    pci_model_poke(&model, f, PCI_INTERRUPT_LINE, 1, 11);
    pci_model_poke(&model, f, PCI_COMMAND, 2, 0x0407);
    model.functions[f].reset_register = 0x88;
    return f;
}

static void function_level_reset(void **state)
{
    int f = resettable_make();

    (void)state;
    assert_int_equal(pci_function_reset(&tree, found(0, 3)), 0);
    assert_int_equal(model.functions[f].resets, 1);
    assert_true(pci_model_slept() == 100 * CLOCK_MILLISECOND);
    assert_int_equal(pci_model_peek(&model, f, PCI_BAR, 4), 0xfeb00004);
    assert_int_equal(pci_model_peek(&model, f, PCI_INTERRUPT_LINE, 1), 11);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), 0x0400);
    assert_int_equal(pci_model_peek(&model, f, 0x88, 2), 0x2810);

    setup(NULL);
    f = resettable_make();
    pci_model_poke(&model, f, 0x8a, 2, 1 << 5); /* a transaction that never ends */
    assert_int_equal(pci_function_reset(&tree, found(0, 3)), 0);
    assert_int_equal(model.functions[f].resets, 1);
    assert_int_equal(pci_model_warnings(), 1);

    setup(NULL);
    f = resettable_make();
    model.functions[f].dies_in_reset = true;
    assert_int_equal(pci_function_reset(&tree, found(0, 3)), EIO);
}

static void other_resets(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);

    (void)state;
    pci_model_bar(&model, f, 0, 0xfffff000, 0, 0xfeb00000);
    pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_ADVANCED, 0x50);
    pci_model_poke(&model, f, 0x43, 1, 3);
    model.functions[f].advanced_register = 0x44;
    pci_model_capability(&model, f, 0x50, PCI_CAPABILITY_POWER, 0);
    pci_model_allow(&model, f, 0x54, 2, 3);
    model.functions[f].power_register = 0x54;
    pci_tree_scan(&tree, 0, 0, 255);

    assert_int_equal(pci_function_reset(&tree, found(0, 3)), 0);
    assert_int_equal(model.functions[f].resets, 1);
    assert_int_equal(pci_model_peek(&model, f, PCI_BAR, 4), 0xfeb00000);

    pci_model_poke(&model, f, 0x43, 1, 0); /* no Advanced Features reset: through D3hot */
    assert_int_equal(pci_function_reset(&tree, found(0, 3)), 0);
    assert_int_equal(model.functions[f].resets, 2);
    assert_int_equal(pci_model_peek(&model, f, PCI_BAR, 4), 0xfeb00000);
    assert_int_equal(pci_model_peek(&model, f, 0x54, 2), 0);

    pci_model_poke(&model, f, 0x54, 2, 8); /* which does not reset this one */
    assert_int_equal(pci_function_reset(&tree, found(0, 3)), ENOTSUP);
    assert_int_equal(model.functions[f].resets, 2);

    pci_model_poke(&model, f, 0x54, 2, 3);
    pci_function_wake(&model.config, found(0, 3));
    assert_int_equal(pci_model_peek(&model, f, 0x54, 2), 0);
    assert_int_equal(pci_model_peek(&model, f, PCI_BAR, 4), 0xfeb00000);
}

static void bus_reset_where_it_is_alone(void **state)
{
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 1, 1);
    int f = pci_model_add(&model, bridge, 0, 0, 0x1b36, 0x010802);

    (void)state;
    pci_model_bar(&model, f, 0, 0xfffff000, 0, 0xfeb00000);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_function_reset(&tree, found(1, 0)), 0);
    assert_int_equal(model.functions[f].resets, 1);
    assert_int_equal(pci_model_peek(&model, f, PCI_BAR, 4), 0xfeb00000);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_BRIDGE_CONTROL, 2) & 0x40, 0);

    setup(NULL);
    bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 1, 1);
    f = pci_model_add(&model, bridge, 0, 0, 0x1b36, 0x010802);
    int neighbour = pci_model_add(&model, bridge, 1, 0, 0x1b36, 0x010802);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_function_reset(&tree, found(1, 0)), ENOTSUP);
    assert_int_equal(model.functions[f].resets, 0);
    assert_int_equal(model.functions[neighbour].resets, 0);
}

static bool allows(unsigned offset, unsigned width)
{
    return pci_filter_allows(&model.config, found(0, 3), offset, width);
}

static void what_a_driver_may_write(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);

    (void)state;
    pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_VENDOR, 0x60);
    pci_model_poke(&model, f, 0x42, 1, 0x10);
    pci_model_capability(&model, f, 0x60, PCI_CAPABILITY_MSI, 0);
    pci_tree_scan(&tree, 0, 0, 255);

    unsigned allowed = 0;
    for (unsigned offset = 0; offset < 256; offset++)
        allowed += allows(offset, 1);
    assert_int_equal(allowed, 2 + 0x10 - 3);
    assert_true(allows(PCI_CACHE_LINE, 2));
    assert_true(allows(0x44, 4));
    assert_true(allows(0x4c, 4));
    assert_false(allows(0x4e, 4));
    assert_false(allows(0x40, 4));
    assert_false(allows(PCI_COMMAND, 2));
    assert_false(allows(PCI_CACHE_LINE, 4));
    /* It says that it reaches over its neighbour. */
    pci_model_poke(&model, f, 0x42, 1, 0x30);
    assert_false(allows(0x44, 4));
    assert_false(allows(0x62, 2));
}

/* A virtio device's vendor-specific capability reads and writes its memory, which is not the
 * driver's altogether. */
static void what_a_virtio_driver_may_write(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1af4, 0x010000);

    (void)state;
    pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_VENDOR, 0);
    pci_model_poke(&model, f, 0x42, 1, 0x14);
    pci_tree_scan(&tree, 0, 0, 255);

    unsigned allowed = 0;
    for (unsigned offset = 0; offset < 256; offset++)
        allowed += allows(offset, 1);
    assert_int_equal(allowed, 2);
    assert_true(allows(PCI_CACHE_LINE, 2));
}

static uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Functions and bridges made of noise. Nothing is right or wrong here but that it ends, stays
 * inside its arrays (the sanitizers look), and keeps what it says about BARs consistent. */
static void noise(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= 300; round++) {
        uint32_t seed = round * 2654435761u;

        setup(NULL);
        refused = (struct pci_range){0, 0};
        for (unsigned i = 0; i < 24; i++) {
            int parent = (int)(random_next(&seed) % (i + 1)) - 1;
            int f = pci_model_add(&model, parent, random_next(&seed) % 4, 0, 0x8086, 0);
            for (unsigned offset = PCI_COMMAND; offset < 0x200; offset++) {
                model.functions[f].space[offset] = (uint8_t)random_next(&seed);
                model.functions[f].writable[offset] = (uint8_t)random_next(&seed);
            }
            model.functions[f].space[PCI_HEADER_TYPE] &= 0x81;
            /* The noise should reach beyond the first bus. */
            if (random_next(&seed) % 2)
                memset(model.functions[f].space + PCI_BRIDGE_PRIMARY, 0, 3);
            memset(model.functions[f].writable + PCI_BRIDGE_PRIMARY, 0xff, 3);
        }
        scan_and_assign();
        assert_in_range(model.accesses, 1, 2000000);
        for (size_t i = 0; i < tree.count; i++) {
            struct pci_function *function = &tree.functions[i];
            for (unsigned bar = 0; bar < PCI_BARS; bar++) {
                uint64_t base = function->info.bar[bar].base, size = function->info.bar[bar].size;
                assert_true(size == 0 || ((size & (size - 1)) == 0 && base % size == 0));
                assert_int_equal(size != 0 && base == 0,
                                 (function->bars_without_base >> bar & 1) != 0);
            }
            pci_function_decode(&tree, function, true);
            pci_function_silence(tree.config, function);
            pci_function_wake(tree.config, function);
            pci_function_reset(&tree, function);
        }
    }
}

enum { SLOT_EXPRESS = 0x40, SLOT_STATUS = SLOT_EXPRESS + 0x1a, SLOT_CONTROL = SLOT_EXPRESS + 0x18 };

static enum pci_slot_change status_look(int port, unsigned status)
{
    pci_model_poke(&model, port, SLOT_STATUS, 2, status);
    return pci_slot_look(&model.config, found(0, 1));
}

static void slots(void **state)
{
    int port = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    int plain = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 2, 2);
    int card = pci_model_add(&model, port, 0, 0, 0x1111, 0x010802);

    (void)state, (void)plain;
    pci_model_capability(&model, port, SLOT_EXPRESS, 0x10, 0);
    pci_model_poke(&model, port, SLOT_EXPRESS + 2, 2, 0x0142);                /* a slot */
    pci_model_poke(&model, port, SLOT_EXPRESS + 0x14, 4, 1u << 6 | 1u << 18); /* hot-plug */
    pci_model_allow(&model, port, SLOT_CONTROL, 2, 0xffff);
    scan_and_assign();
    assert_true(pci_slot_exists(&model.config, found(0, 1)));
    assert_false(pci_slot_exists(&model.config, found(0, 2)));
    assert_false(pci_slot_exists(&model.config, found(1, 0)));

    assert_int_equal(status_look(port, 0x40), PCI_SLOT_NOTHING);
    assert_int_equal(status_look(port, 0x41), PCI_SLOT_PRESSED);
    assert_int_equal(status_look(port, 0x48), PCI_SLOT_OCCUPIED);
    assert_int_equal(status_look(port, 0x49), PCI_SLOT_OCCUPIED);
    assert_int_equal(status_look(port, 0x08), PCI_SLOT_EMPTIED);
    assert_int_equal(status_look(port, 0x01), PCI_SLOT_NOTHING);
    assert_int_equal(status_look(port, 0xffff), PCI_SLOT_NOTHING); /* the port is gone itself */
    pci_slot_power(&model.config, found(0, 1), false);
    assert_int_equal(pci_model_peek(&model, port, SLOT_CONTROL, 2), 0x700);
    assert_int_equal(status_look(port, 0x41), PCI_SLOT_OCCUPIED); /* it was off */

    /* What is gone has no address; what comes takes its place, and fewer functions may come. */
    size_t count = tree.count;
    model.functions[card].parent = 99;
    pci_slot_forget(&tree, found(0, 1));
    assert_null(pci_tree_find(&tree, pci_address(0, 1, 0, 0)));
    assert_int_equal(pci_slot_scan(&tree, found(0, 1)), 0);
    assert_null(pci_tree_find(&tree, pci_address(0, 1, 0, 0)));
    int other = pci_model_add(&model, port, 0, 0, 0x2222, 0x010000);
    pci_model_bar(&model, other, 0, 0xfffff000, 0, 0);
    uint64_t before = pci_model_slept();
    pci_slot_power(&model.config, found(0, 1), true);
    assert_int_equal(pci_model_peek(&model, port, SLOT_CONTROL, 2), 0x100);
    assert_true(pci_model_slept() - before >= 100 * CLOCK_MILLISECOND);
    assert_int_equal(pci_slot_scan(&tree, found(0, 1)), 0);
    assert_int_equal(tree.count, count);
    assert_int_equal(found(1, 0)->info.vendor, 0x2222);
    assert_int_equal(found(1, 0)->info.parent_bus, 0);

    /* A port that never says that it is done is waited for no longer than a second. */
    pci_model_poke(&model, port, SLOT_EXPRESS + 0x14, 4, 1u << 6);
    before = pci_model_slept();
    pci_slot_power(&model.config, found(0, 1), false);
    assert_in_range(pci_model_slept() - before, CLOCK_SECOND, 2 * CLOCK_SECOND);
}

static int rom_add(unsigned device, uint32_t base)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, device, 0, 0x8086, 0x020000);

    pci_model_allow(&model, f, PCI_ROM, 4, 0xffff0001);
    pci_model_poke(&model, f, PCI_ROM, 4, base);
    return f;
}

static void a_rom_answers_while_it_is_shown(void **state)
{
    struct pci_range pages;
    uint16_t command;
    int f = rom_add(3, 0xfeb40000);

    (void)state;
    pci_model_bar(&model, f, 0, 0xffffff00, 0x1, 0xc000);
    pci_model_poke(&model, f, PCI_COMMAND, 2, PCI_COMMAND_NO_INTX);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_rom_place(&tree, found(0, 3), &pages), 0);
    assert_true(pages.base == 0xfeb40000 && pages.size == 0x10000);
    assert_int_equal(pci_rom_show(&tree, found(0, 3), &command), 0);
    assert_int_equal(pci_model_peek(&model, f, PCI_ROM, 4), 0xfeb40001);
    assert_true(pci_model_peek(&model, f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
    assert_false(pci_model_peek(&model, f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
    pci_rom_hide(tree.config, found(0, 3), command);
    assert_int_equal(pci_model_peek(&model, f, PCI_ROM, 4), 0xfeb40000);
    assert_int_equal(pci_model_peek(&model, f, PCI_COMMAND, 2), PCI_COMMAND_NO_INTX);

    pci_model_poke(&model, f, PCI_ROM, 4, 0); /* as after a reset */
    assert_int_equal(pci_rom_show(&tree, found(0, 3), &command), EIO);
    assert_int_equal(pci_model_peek(&model, f, PCI_ROM, 4), 0);
}

/* What has no address would answer at 0, and what has another's takes its place. */
static void a_rom_that_is_in_the_way_is_not_shown(void **state)
{
    struct pci_range pages;
    int other = pci_model_add(&model, PCI_MODEL_ROOT, 4, 0, 0x1b36, 0x010802);
    int lacking = rom_add(7, 0xfeb60000);

    (void)state;
    rom_add(3, 0xfeb40000);
    rom_add(5, 0);
    pci_model_bar(&model, other, 0, 0xfffff000, 0, 0xfeb4f000);
    pci_model_bar(&model, lacking, 0, 0xfffff000, 0, 0);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_rom_place(&tree, found(0, 3), &pages), EBUSY);
    assert_int_equal(pci_rom_place(&tree, found(0, 4), &pages), ENXIO);
    assert_int_equal(pci_rom_place(&tree, found(0, 5), &pages), ENXIO);
    assert_int_equal(pci_rom_place(&tree, found(0, 7), &pages), ENXIO);
}

static void a_rom_that_no_bridge_passes_down_is_not_shown(void **state)
{
    struct pci_range pages;
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    int f = pci_model_add(&model, bridge, 0, 0, 0x8086, 0x020000);

    (void)state;
    pci_model_allow(&model, f, PCI_ROM, 4, 0xffff0001);
    pci_model_poke(&model, f, PCI_ROM, 4, 0xfe9f0000);
    pci_model_poke(&model, bridge, PCI_BRIDGE_MEMORY_BASE, 4, 0xfe90fe90);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_rom_place(&tree, found(1, 0), &pages), 0);
    found(0, 1)->window[PCI_WINDOW_MEMORY].size = 0xf0000;
    assert_int_equal(pci_rom_place(&tree, found(1, 0), &pages), ENXIO);
}

/* What is behind a bridge is used while the bridge's own ROM is read; and a bridge passes down what
 * has no registers in memory, too. */
static void a_rom_takes_nothing_from_others(void **state)
{
    enum { USED = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER };
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 1);
    int f = pci_model_add(&model, bridge, 0, 0, 0x8086, 0x020000);
    uint16_t command;

    (void)state;
    pci_model_allow(&model, bridge, PCI_BRIDGE_ROM, 4, 0xffff0001);
    pci_model_poke(&model, bridge, PCI_BRIDGE_ROM, 4, 0xfeb40000);
    pci_model_poke(&model, bridge, PCI_COMMAND, 2, USED);
    pci_model_allow(&model, f, PCI_ROM, 4, 0xffff0001);
    pci_model_poke(&model, f, PCI_ROM, 4, 0xfe900000);
    pci_model_bar(&model, f, 0, 0xffffff00, 0x1, 0xc000);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(pci_rom_show(&tree, found(0, 1), &command), 0);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_COMMAND, 2), USED);
    pci_rom_hide(tree.config, found(0, 1), command);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_COMMAND, 2), USED);

    pci_model_poke(&model, bridge, PCI_COMMAND, 2, 0);
    assert_int_equal(pci_rom_show(&tree, found(1, 0), &command), 0);
    assert_int_equal(pci_model_peek(&model, bridge, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
    pci_rom_hide(tree.config, found(1, 0), command);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gaps_on_the_root_bus_are_used),
        TEST(what_the_authority_refuses_is_not_used),
        TEST(without_evidence_nothing_is_assigned),
        TEST(below_the_firmwares_range_but_not_in_ecam),
        TEST(windows_of_bridges_are_used),
        TEST(closed_windows_are_opened),
        TEST(registers_that_do_not_take_an_address),
        TEST(decoding_and_mastering),
        TEST(messages_narrow_and_wide),
        TEST(silence_is_complete),
        TEST(function_level_reset),
        TEST(other_resets),
        TEST(bus_reset_where_it_is_alone),
        TEST(slots),
        TEST(what_a_driver_may_write),
        TEST(what_a_virtio_driver_may_write),
        TEST(a_rom_answers_while_it_is_shown),
        TEST(a_rom_that_is_in_the_way_is_not_shown),
        TEST(a_rom_that_no_bridge_passes_down_is_not_shown),
        TEST(a_rom_takes_nothing_from_others),
        TEST(noise),
    };

    return cmocka_run_group_tests_name("pci use", tests, NULL, NULL);
}
