/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding what is there: MCFG, buses, BARs, capabilities; and not believing all of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <server/pci/bar.h>
#include <server/pci/capability.h>
#include <server/pci/mcfg.h>
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

static const struct pci_function *found(unsigned bus, unsigned device, unsigned function)
{
    return pci_tree_find(&tree, pci_address(0, bus, device, function));
}

/* A table of two entries, in memory of exactly `size` bytes so that reading past it is seen. */
static uint8_t *mcfg_make(size_t size)
{
    uint8_t whole[76] = "MCFG";
    uint8_t *table = malloc(size ? size : 1);

    assert_non_null(table);
    whole[4] = sizeof(whole);
    memcpy(whole + 44, "\x00\x00\x00\xb0\x00\x00\x00\x00\x00\x00\x00\xff", 12);
    memcpy(whole + 60, "\x00\x00\x00\x00\x08\x00\x00\x00\x01\x00\x10\x1f", 12);
    memcpy(table, whole, size < sizeof(whole) ? size : sizeof(whole));
    return table;
}

static void mcfg_is_read(void **state)
{
    struct mcfg_region regions[4];
    size_t count;
    uint8_t *table = mcfg_make(76);

    (void)state;
    assert_int_equal(mcfg_parse(table, 76, regions, 4, &count), 0);
    assert_int_equal(count, 2);
    assert_true(regions[0].base == 0xb0000000 && regions[0].last_bus == 255);
    assert_true(regions[1].base == UINT64_C(0x800000000) && regions[1].segment == 1);
    assert_true(regions[1].first_bus == 0x10 && regions[1].last_bus == 0x1f);

    assert_int_equal(mcfg_parse(table, 76, regions, 1, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pci_model_warnings(), 1);
    free(table);
}

static void mcfg_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < 76; size++) {
        struct mcfg_region regions[4];
        size_t count;
        uint8_t *table = mcfg_make(size);

        assert_int_equal(mcfg_parse(table, size, regions, 4, &count), EBADMSG);
        assert_int_equal(count, 0);
        if (size >= 8) { /* its own idea of its length cut too: whole entries only */
            table[4] = (uint8_t)size;
            int error = mcfg_parse(table, size, regions, 4, &count);
            assert_int_equal(error, size < 44 ? EBADMSG : 0);
            assert_int_equal(count, size < 60 ? 0 : 1);
        }
        free(table);
    }
}

static void mcfg_nonsense_is_left_out(void **state)
{
    struct mcfg_region regions[4];
    size_t count;
    uint8_t *table = mcfg_make(76);

    (void)state;
    table[44 + 10] = 200, table[44 + 11] = 100; /* first bus above last */
    table[60 + 2] = 0x01;                       /* not a multiple of 1 MiB */
    assert_int_equal(mcfg_parse(table, 76, regions, 4, &count), 0);
    assert_int_equal(count, 0);
    free(table);

    table = mcfg_make(76);
    table[60 + 8] = 0; /* the same segment and buses again */
    assert_int_equal(mcfg_parse(table, 76, regions, 4, &count), 0);
    assert_int_equal(count, 1);
    memset(table + 44, 0xff, 8); /* its end would wrap */
    memset(table + 44, 0, 2);
    table[46] = 0xf0;
    assert_int_equal(mcfg_parse(table, 76, regions, 4, &count), 0);
    assert_int_equal(count, 1);
    assert_true(regions[0].base == UINT64_C(0x800000000));

    table[0] = 'X';
    assert_int_equal(mcfg_parse(table, 76, regions, 4, &count), EBADMSG);
    free(table);
}

static void bars_of_every_kind(void **state)
{
    int nvme = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);
    static uint8_t before[PCI_EXTENDED_SPACE_SIZE];

    (void)state;
    pci_model_bar(&model, nvme, 0, ~UINT64_C(0x3fff), 0x4, UINT64_C(0x38000fe000000));
    pci_model_bar(&model, nvme, 2, 0xffffffe0, 0x1, 0xc040);
    pci_model_bar(&model, nvme, 3, 0xff000000, 0x8, 0xfd000000);
    pci_model_bar(&model, nvme, 4, 0xfffffff0 & ~UINT64_C(0xfff), 0x0, 0);
    pci_model_bar(&model, nvme, 5, 0xff00, 0x1, 0xe000); /* decodes 16 bits */
    pci_model_poke(&model, nvme, PCI_COMMAND, 2, 0x7);
    memcpy(before, model.functions[nvme].space, sizeof(before));

    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    const struct pci_function *f = found(0, 3, 0);
    assert_non_null(f);
    assert_true(f->info.bar[0].base == UINT64_C(0x38000fe000000));
    assert_true(f->info.bar[0].size == 0x4000 && f->info.bar[0].flags == PCI_BAR_64);
    assert_true(f->info.bar[1].size == 0);
    assert_true(f->info.bar[2].base == 0xc040 && f->info.bar[2].size == 0x20);
    assert_int_equal(f->info.bar[2].flags, PCI_BAR_PORTS);
    assert_true(f->info.bar[3].base == 0xfd000000 && f->info.bar[3].size == 0x1000000);
    assert_int_equal(f->info.bar[3].flags, PCI_BAR_PREFETCHABLE);
    assert_true(f->info.bar[4].base == 0 && f->info.bar[4].size == 0x1000);
    assert_true(f->info.bar[5].base == 0xe000 && f->info.bar[5].size == 0x100);
    assert_int_equal(f->bars_without_base, 1 << 4);

    assert_int_equal(model.sized_while_decoding, 0);
    assert_memory_equal(before, model.functions[nvme].space, sizeof(before));
    assert_int_equal(pci_model_warnings(), 0);
}

static void roms_are_found_and_switched_off(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x8086, 0x020000);
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 0, 0);
    int empty = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x8086, 0x020000);

    (void)state;
    pci_model_allow(&model, f, PCI_ROM, 4, 0xffff0001);
    pci_model_poke(&model, f, PCI_ROM, 4, 0xfeb40001); /* as some firmware leaves it */
    pci_model_allow(&model, bridge, PCI_BRIDGE_ROM, 4, 0xfffff801);
    pci_model_allow(&model, empty, PCI_ROM, 4, 0xfffe0001);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_true(found(0, 1, 0)->info.rom_base == 0xfeb40000);
    assert_true(found(0, 1, 0)->info.rom_size == 0x10000);
    assert_int_equal(pci_model_peek(&model, f, PCI_ROM, 4), 0xfeb40000);
    assert_true(found(0, 2, 0)->info.rom_base == 0 && found(0, 2, 0)->info.rom_size == 0x800);
    assert_true(found(0, 3, 0)->info.rom_base == 0 && found(0, 3, 0)->info.rom_size == 0x20000);
    assert_int_equal(pci_model_warnings(), 0);
}

static void roms_that_make_no_sense(void **state)
{
    static const uint32_t masks[] = {0xff0f0000, 0x00ff0000, 0xfe000000};

    (void)state;
    for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        setup(NULL);
        int f = pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x8086, 0x020000);
        pci_model_allow(&model, f, PCI_ROM, 4, masks[i]);
        pci_tree_scan(&tree, 0, 0, 255);
        assert_true(found(0, 1, 0)->info.rom_size == 0);
        assert_int_equal(pci_model_warnings(), 1);
    }
}

static void bars_larger_than_4_gib(void **state)
{
    int gpu = pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x10de, 0x030000);

    (void)state;
    pci_model_bar(&model, gpu, 0, ~((UINT64_C(1) << 33) - 1), 0xc, UINT64_C(0x800000000));
    pci_tree_scan(&tree, 0, 0, 255);
    assert_true(found(0, 1, 0)->info.bar[0].size == UINT64_C(1) << 33);
    assert_true(found(0, 1, 0)->info.bar[0].base == UINT64_C(0x800000000));
}

static void bars_that_make_no_sense(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x1af4, 0x020000);

    (void)state;
    pci_model_bar(&model, f, 0, 0, 0xffffffff, 0);            /* all ones, whatever is written */
    pci_model_bar(&model, f, 1, 0xf0f0f000, 0x0, 0x10101000); /* holes */
    pci_model_bar(&model, f, 2, 0xfffff000, 0x6, 0x20000000); /* reserved type */
    pci_model_bar(&model, f, 3, 0, 0x0, 0);                   /* not there */
    pci_model_bar(&model, f, 4, 0, 0x1, 0);                   /* I/O of no size */
    pci_model_bar(&model, f, 5, 0xfffff000, 0x4, 0x30000000); /* 64 bits, and no next register */
    pci_tree_scan(&tree, 0, 0, 255);
    for (unsigned i = 0; i < PCI_BARS; i++)
        assert_true(found(0, 1, 0)->info.bar[i].size == 0);
    assert_int_equal(found(0, 1, 0)->bars_without_base, 0);
    assert_int_equal(pci_model_warnings(), 5);
}

/* Who sees a page sees all registers on it. */
static void registers_on_one_page(void **state)
{
    int f[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        f[i] = pci_model_add(&model, PCI_MODEL_ROOT, 1 + i, 0, 0x1b36, 0x010802);
    pci_model_bar(&model, f[0], 0, 0xffffff00, 0x0, 0xfe001000);
    pci_model_bar(&model, f[0], 1, 0xfffff000, 0x0, 0xfe002000);
    pci_model_bar(&model, f[0], 2, 0xffffff00, 0x1, 0x3100);
    pci_model_bar(&model, f[1], 3, 0xffffff00, 0x0, 0xfe001f00);
    pci_model_bar(&model, f[2], 0, 0xffffff00, 0x0, 0xfe003000);
    pci_model_bar(&model, f[2], 1, 0xffffff00, 0x1, 0x3000);
    pci_model_bar(&model, f[3], 0, 0xffffff00, 0x0, 0); /* nowhere yet */
    pci_tree_scan(&tree, 0, 0, 255);
    assert_ptr_equal(pci_bar_neighbour(&tree, found(0, 1, 0), 0), found(0, 2, 0));
    assert_ptr_equal(pci_bar_neighbour(&tree, found(0, 2, 0), 3), found(0, 1, 0));
    assert_null(pci_bar_neighbour(&tree, found(0, 1, 0), 1));
    assert_null(pci_bar_neighbour(&tree, found(0, 3, 0), 0));
}

static void bars_beyond_the_processor_have_no_address(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x1af4, 0x020000);

    (void)state;
    pci_model_bar(&model, f, 0, ~UINT64_C(0xfff), 0x4, ~UINT64_C(0xfff));
    pci_tree_scan(&tree, 0, 0, 255);
    assert_true(found(0, 1, 0)->info.bar[0].base == 0);
    assert_int_equal(found(0, 1, 0)->bars_without_base, 1);
}

static void system_functions_are_not_touched(void **state)
{
    int host = pci_model_add(&model, PCI_MODEL_ROOT, 0, 0, 0x8086, 0x060000);
    int apic = pci_model_add(&model, PCI_MODEL_ROOT, 5, 0, 0x8086, 0x080020);

    (void)state;
    pci_model_bar(&model, host, 0, 0xff000000, 0, 0xe0000000);
    pci_model_bar(&model, apic, 0, 0xfffff000, 0, 0xfec00000);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(tree.count, 2);
    assert_int_equal(model.writes_to_system, 0);
}

static void capabilities_are_found(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);

    (void)state;
    pci_model_bar(&model, f, 0, ~UINT64_C(0x3fff), 0x4, 0xfeb00000);
    pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_MSIX, 0x80);
    pci_model_poke(&model, f, 0x42, 2, 64);         /* 65 entries */
    pci_model_poke(&model, f, 0x44, 4, 0x2000 | 0); /* BAR 0 */
    pci_model_capability(&model, f, 0x80, PCI_CAPABILITY_EXPRESS, 0x60);
    pci_model_capability(&model, f, 0x60, PCI_CAPABILITY_POWER, 0x50);
    pci_model_capability(&model, f, 0x50, PCI_CAPABILITY_MSI, 0);
    pci_model_poke(&model, f, 0x100, 4, 0x00010001 | 0x140u << 20);
    pci_model_poke(&model, f, 0x140, 4, 0x0001000f);

    pci_tree_scan(&tree, 0, 0, 255);
    const struct pci_function *function = found(0, 3, 0);
    assert_int_equal(function->info.msix_offset, 0x40);
    assert_int_equal(function->info.msix_vectors, 65);
    assert_int_equal(function->msix_table, 0x2000);
    assert_int_equal(function->info.express_offset, 0x80);
    assert_int_equal(function->power_offset, 0x60);
    assert_int_equal(function->info.msi_offset, 0x50);
    assert_int_equal(function->ats_offset, 0x140);

    /* By ports, extended space is out of reach, and its capabilities do not exist. */
    model.size = PCI_SPACE_SIZE;
    memset(&tree.functions, 0, sizeof(tree.functions));
    tree.count = 0;
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(found(0, 3, 0)->info.express_offset, 0x80);
    assert_int_equal(found(0, 3, 0)->ats_offset, 0);
}

static void capability_lists_that_loop_end(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);
    const struct pci_config *config = &model.config;
    uint32_t address = pci_address(0, 0, 3, 0);

    (void)state;
    pci_model_capability(&model, f, 0x40, 0x09, 0x50);
    pci_model_capability(&model, f, 0x50, 0x09, 0x40);
    assert_int_equal(pci_capability_find(config, address, PCI_CAPABILITY_MSI), 0);
    pci_model_capability(&model, f, 0x50, 0x09, 0x50);
    assert_int_equal(pci_capability_find(config, address, PCI_CAPABILITY_MSI), 0);
    pci_model_capability(&model, f, 0x50, 0x09, 0x10); /* into the header */
    assert_int_equal(pci_capability_find(config, address, 0), 0);
    pci_model_capability(&model, f, 0x50, 0x09, 0xfd); /* the low bits are reserved */
    pci_model_capability(&model, f, 0xfc, PCI_CAPABILITY_MSI, 0xff);
    assert_int_equal(pci_capability_find(config, address, PCI_CAPABILITY_MSI), 0xfc);

    pci_model_poke(&model, f, 0x100, 4, 0x00010001 | 0x100u << 20);
    assert_int_equal(pci_extended_find(config, address, PCI_EXTENDED_ATS), 0);
    pci_model_poke(&model, f, 0x100, 4, 0x00010001 | 0xffcu << 20);
    assert_int_equal(pci_extended_find(config, address, PCI_EXTENDED_ATS), 0);
    pci_model_poke(&model, f, 0xffc, 4, 0x0001000f | 0x0f0u << 20);
    assert_int_equal(pci_extended_find(config, address, PCI_EXTENDED_ATS), 0xffc);
    assert_in_range(model.accesses, 1, 2000);
}

static void msix_tables_outside_their_bar_are_not_used(void **state)
{
    static const uint32_t tables[] = {0x3ff0, 0x4000, 0xfffffff8, 0x7, 0x6, 0x1, 0x2};

    (void)state;
    for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        setup(NULL);
        int f = pci_model_add(&model, PCI_MODEL_ROOT, 3, 0, 0x1b36, 0x010802);
        pci_model_bar(&model, f, 0, ~UINT64_C(0x3fff), 0x4, 0xfeb00000);
        pci_model_bar(&model, f, 2, 0xffffff00, 0x1, 0xc000); /* ports */
        pci_model_capability(&model, f, 0x40, PCI_CAPABILITY_MSIX, 0);
        pci_model_poke(&model, f, 0x42, 2, 1);
        pci_model_poke(&model, f, 0x44, 4, tables[i]);
        pci_tree_scan(&tree, 0, 0, 255);
        assert_int_equal(found(0, 3, 0)->info.msix_offset, 0);
        assert_int_equal(found(0, 3, 0)->info.msix_vectors, 0);
        assert_non_null(strstr(pci_model_last_warning(), "MSI-X"));
    }
}

static void functions_that_exist_are_found(void **state)
{
    int f = pci_model_add(&model, PCI_MODEL_ROOT, 0x1f, 0, 0x8086, 0x060100);

    (void)state;
    pci_model_poke(&model, f, PCI_HEADER_TYPE, 1, PCI_HEADER_MULTIFUNCTION);
    pci_model_add(&model, PCI_MODEL_ROOT, 0x1f, 7, 0x8086, 0x010601);
    pci_model_add(&model, PCI_MODEL_ROOT, 0x1f, 3, 0x0000, 0x010601);
    pci_model_add(&model, PCI_MODEL_ROOT, 0x1f, 4, 0xffff, 0x010601);
    pci_model_add(&model, PCI_MODEL_ROOT, 4, 0, 0x1af4, 0x020000);
    pci_model_add(&model, PCI_MODEL_ROOT, 4, 1, 0x1af4, 0x020000); /* function 0 denies it */
    pci_model_add(&model, PCI_MODEL_ROOT, 6, 1, 0x1af4, 0x020000); /* no function 0 */
    int odd = pci_model_add(&model, PCI_MODEL_ROOT, 8, 0, 0x1af4, 0x020000);
    pci_model_poke(&model, odd, PCI_HEADER_TYPE, 1, 0x55);
    pci_model_bar(&model, odd, 0, 0xfffff000, 0, 0x1000);

    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    assert_int_equal(tree.count, 4);
    assert_non_null(found(0, 0x1f, 0));
    assert_non_null(found(0, 0x1f, 7));
    assert_non_null(found(0, 4, 0));
    assert_true(found(0, 8, 0)->info.bar[0].size == 0);
    assert_int_equal(found(0, 0x1f, 7)->info.class_code, 1);
    assert_int_equal(found(0, 0x1f, 7)->info.subclass, 6);
    assert_int_equal(found(0, 0x1f, 7)->info.interface, 1);
}

static void buses_with_the_firmwares_numbers(void **state)
{
    int port = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 3);
    int down = pci_model_bridge(&model, port, 0, 1, 2, 3);

    (void)state;
    pci_model_add(&model, down, 5, 0, 0x1b36, 0x010802);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    assert_int_equal(tree.count, 3);
    assert_int_equal(found(2, 5, 0)->info.parent_bus, 1);
    assert_int_equal(found(0, 1, 0)->info.secondary_bus, 1);
    assert_int_equal(found(0, 1, 0)->info.parent_bus, 0);
    assert_int_equal(pci_model_peek(&model, port, PCI_BRIDGE_SUBORDINATE, 1), 3);
}

static void buses_without_numbers_get_some(void **state)
{
    int numbered = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 4);
    int left = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 0, 0);
    int below = pci_model_bridge(&model, left, 0, 0, 0, 0);
    int inside = pci_model_bridge(&model, numbered, 9, 0, 0, 0);
    int last = pci_model_bridge(&model, PCI_MODEL_ROOT, 3, 0, 0, 0);

    (void)state;
    pci_model_add(&model, below, 0, 0, 0x1b36, 0x010802);
    pci_model_add(&model, inside, 0, 0, 0x1b37, 0x010802);
    pci_model_add(&model, last, 0, 0, 0x1b38, 0x010802);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 20), 0);
    assert_int_equal(tree.count, 8);

    assert_int_equal(found(0, 2, 0)->info.secondary_bus, 5);
    assert_int_equal(pci_model_peek(&model, left, PCI_BRIDGE_PRIMARY, 3), 0x060500);
    assert_int_equal(pci_model_peek(&model, below, PCI_BRIDGE_PRIMARY, 3), 0x060605);
    assert_int_equal(pci_model_peek(&model, inside, PCI_BRIDGE_PRIMARY, 3), 0x020201);
    assert_int_equal(pci_model_peek(&model, last, PCI_BRIDGE_PRIMARY, 3), 0x070700);
    assert_int_equal(found(6, 0, 0)->info.vendor, 0x1b36);
    assert_int_equal(found(2, 0, 0)->info.vendor, 0x1b37);
    assert_int_equal(found(7, 0, 0)->info.vendor, 0x1b38);
}

static void bridges_that_cannot_be_numbered_are_reported(void **state)
{
    int fixed = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 0, 0);

    (void)state;
    pci_model_allow(&model, fixed, PCI_BRIDGE_PRIMARY, 3, 0);
    pci_model_add(&model, fixed, 0, 0, 0x1b36, 0x010802);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(found(0, 1, 0)->info.secondary_bus, 0);
    assert_non_null(strstr(pci_model_last_warning(), "does not take"));

    setup(NULL);
    pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 3);
    pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 0, 0);
    pci_tree_scan(&tree, 0, 0, 3);
    assert_int_equal(found(0, 2, 0)->info.secondary_bus, 0);
    assert_non_null(strstr(pci_model_last_warning(), "no bus number"));
}

static void bridges_that_lie_are_not_followed(void **state)
{
    (void)state;
    pci_model_bridge(&model, PCI_MODEL_ROOT, 0, 0, 2, 4);
    pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 2, 4);   /* the same buses again */
    pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 9, 8);   /* upside down */
    pci_model_bridge(&model, PCI_MODEL_ROOT, 3, 0, 30, 60); /* beyond the segment's last */
    pci_tree_scan(&tree, 0, 0, 40);
    assert_int_equal(tree.count, 4);
    assert_int_equal(pci_model_warnings(), 3);
    assert_int_equal(found(0, 0, 0)->info.secondary_bus, 2);
    assert_int_equal(found(0, 1, 0)->info.secondary_bus, 0);

    /* A bridge that leads to its own bus or back up. */
    setup(NULL);
    int down = pci_model_bridge(&model, PCI_MODEL_ROOT, 0, 0, 1, 5);
    pci_model_bridge(&model, down, 0, 1, 1, 5);
    pci_model_add(&model, down, 1, 0, 0x1af4, 0x020000);
    pci_tree_scan(&tree, 0, 0, 255);
    assert_int_equal(tree.count, 3);
    assert_non_null(strstr(pci_model_last_warning(), "does not lead down"));
}

/* What is behind the bridge is the bus that it is on: every bus shows the same bridge again. */
static void wiring_that_loops_ends(void **state)
{
    int bridge = pci_model_bridge(&model, PCI_MODEL_ROOT, 0, 0, 0, 0);

    (void)state;
    model.functions[bridge].mirror = PCI_MODEL_ROOT;
    pci_model_add(&model, PCI_MODEL_ROOT, 1, 0, 0x1af4, 0x020000);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    assert_in_range(tree.count, 2, 4);
    assert_in_range(model.accesses, 1, 5000);
}

static void too_deep_and_too_many_end(void **state)
{
    int parent = PCI_MODEL_ROOT;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        parent = pci_model_bridge(&model, parent, 0, (uint8_t)i, (uint8_t)(i + 1), 255);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    assert_int_equal(tree.count, 33);
    assert_non_null(strstr(pci_model_last_warning(), "too deep"));

    setup(NULL);
    for (unsigned device = 0; device < 32; device++) {
        for (unsigned function = 0; function < 8; function++) {
            int f = pci_model_add(&model, PCI_MODEL_ROOT, device, function, 0x8086, 0x020000);
            pci_model_poke(&model, f, PCI_HEADER_TYPE, 1, PCI_HEADER_MULTIFUNCTION);
        }
    }
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), 0);
    assert_int_equal(tree.count, PCI_FUNCTIONS_MAX);
    assert_int_equal(pci_tree_scan(&tree, 0, 0, 255), ENOSPC);
    assert_int_equal(tree.count, PCI_FUNCTIONS_MAX);
}

static void requesters_behind_conventional_bridges(void **state)
{
    int port = pci_model_bridge(&model, PCI_MODEL_ROOT, 1, 0, 1, 3);
    int to_pci = pci_model_bridge(&model, port, 0, 1, 2, 3);
    int pci = pci_model_bridge(&model, PCI_MODEL_ROOT, 2, 0, 4, 4);

    (void)state;
    pci_model_capability(&model, port, 0x40, PCI_CAPABILITY_EXPRESS, 0);
    pci_model_poke(&model, port, 0x42, 2, 4 << 4);
    pci_model_capability(&model, to_pci, 0x40, PCI_CAPABILITY_EXPRESS, 0);
    pci_model_poke(&model, to_pci, 0x42, 2, 7 << 4);
    pci_model_add(&model, port, 1, 0, 0x1b36, 0x010802);
    pci_model_add(&model, to_pci, 5, 0, 0x1b36, 0x010802);
    pci_model_add(&model, pci, 6, 0, 0x1b36, 0x010802);
    pci_tree_scan(&tree, 0, 0, 255);

    assert_int_equal(pci_tree_requester(&tree, found(1, 1, 0)), pci_address(0, 1, 1, 0));
    assert_int_equal(pci_tree_requester(&tree, found(2, 5, 0)), pci_address(0, 2, 0, 0));
    assert_int_equal(pci_tree_requester(&tree, found(4, 6, 0)), pci_address(0, 0, 2, 0));
    assert_int_equal(pci_tree_requester(&tree, found(0, 1, 0)), pci_address(0, 0, 1, 0));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mcfg_is_read),
        TEST(mcfg_cut_short_is_refused),
        TEST(mcfg_nonsense_is_left_out),
        TEST(bars_of_every_kind),
        TEST(roms_are_found_and_switched_off),
        TEST(roms_that_make_no_sense),
        TEST(bars_larger_than_4_gib),
        TEST(bars_that_make_no_sense),
        TEST(registers_on_one_page),
        TEST(bars_beyond_the_processor_have_no_address),
        TEST(system_functions_are_not_touched),
        TEST(capabilities_are_found),
        TEST(capability_lists_that_loop_end),
        TEST(msix_tables_outside_their_bar_are_not_used),
        TEST(functions_that_exist_are_found),
        TEST(buses_with_the_firmwares_numbers),
        TEST(buses_without_numbers_get_some),
        TEST(bridges_that_cannot_be_numbered_are_reported),
        TEST(bridges_that_lie_are_not_followed),
        TEST(wiring_that_loops_ends),
        TEST(too_deep_and_too_many_end),
        TEST(requesters_behind_conventional_bridges),
    };

    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
