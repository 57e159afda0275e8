/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus server's core on a configuration space where every byte is the input's, and which of them
 * keep what is written to them too: enumeration, BARs, capabilities, addresses, resets.
 */
#include <server/pci/assign.h>
#include <server/pci/capability.h>
#include <server/pci/command.h>
#include <server/pci/filter.h>
#include <server/pci/message.h>
#include <server/pci/reset.h>
#include <test/fuzz/fuzz.h>
#include <test/unit/pci_model.h>

enum { FUNCTIONS = 16, POKES = 32 };

static struct pci_model model;
static struct pci_tree tree;
static const struct pci_range reserved = {0xb0000000, 0x10000000};
static uint8_t refusing;

/* The header whole, then single registers anywhere, each with a mask of what it keeps. */
static void function_make(struct fuzz_input *input)
{
    int parent = (int)(fuzz_take8(input) % (unsigned)(model.count + 1)) - 1;
    uint8_t place = fuzz_take8(input), mirror = fuzz_take8(input), pokes = fuzz_take8(input);
    int index = pci_model_add(&model, parent, place >> 3, place & 7, 0x1b36, 0x010802);
    struct pci_model_function *function = &model.functions[index];

    if (mirror & 0x80)
        function->mirror = mirror % (index + 1);
    if (mirror & 0x40) {
        fuzz_take(input, function->space, 64);
        fuzz_take(input, function->writable, 64);
    } else {
        function->space[PCI_HEADER_TYPE] = mirror & 1;
        function->space[PCI_BRIDGE_SECONDARY] = fuzz_take8(input);
        function->space[PCI_BRIDGE_SUBORDINATE] = fuzz_take8(input);
    }
    for (unsigned i = 0; i < pokes % POKES && input->size > 0; i++) {
        unsigned offset = fuzz_take16(input) % PCI_EXTENDED_SPACE_SIZE & ~3u;
        pci_model_poke(&model, index, offset, 4, fuzz_take32(input));
        pci_model_allow(&model, index, offset, 4, fuzz_take32(input));
    }
    /* Hardware that does not let go of decoding cannot be sized safely by anybody. */
    function->writable[PCI_COMMAND] |= 7;
}

static void bars_check(const struct pci_function *function)
{
    const struct pci_function_info *info = &function->info;

    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint64_t base = info->bar[i].base, size = info->bar[i].size;
        fuzz_require((size & (size - 1)) == 0 && (size != 0 || base == 0));
        fuzz_require(size == 0 || (base % size == 0 && size - 1 <= UINT64_MAX - base));
        if (size != 0 && base == 0)
            fuzz_require(function->bars_without_base & 1u << i);
    }
    if (info->msix_offset == 0)
        return;
    fuzz_require(function->msix_bar < PCI_BARS && info->msix_vectors > 0);
    uint64_t size = info->bar[function->msix_bar].size;
    fuzz_require(!(info->bar[function->msix_bar].flags & PCI_BAR_PORTS));
    fuzz_require(function->msix_table <= size);
    fuzz_require(16u * info->msix_vectors <= size - function->msix_table);
}

static void offset_check(uint16_t offset, uint16_t begin, uint16_t end)
{
    fuzz_require(offset == 0 || (offset >= begin && offset < end && offset % 4 == 0));
}

static void function_check(struct pci_function *function)
{
    const struct pci_function_info *info = &function->info;

    fuzz_require(pci_tree_find(&tree, pci_function_address(function)) == function);
    bars_check(function);
    offset_check(info->msi_offset, 0x40, PCI_SPACE_SIZE);
    offset_check(info->msix_offset, 0x40, PCI_SPACE_SIZE);
    offset_check(info->express_offset, 0x40, PCI_SPACE_SIZE);
    offset_check(function->power_offset, 0x40, PCI_SPACE_SIZE);
    offset_check(function->advanced_offset, 0x40, PCI_SPACE_SIZE);
    offset_check(function->ats_offset, PCI_SPACE_SIZE, PCI_EXTENDED_SPACE_SIZE);
    fuzz_require(info->parent_bus <= info->bus);
    if (info->secondary_bus == 0)
        return;
    fuzz_require(pci_function_is_bridge(function) && info->secondary_bus > info->bus);
    fuzz_require(function->subordinate_bus >= info->secondary_bus);
    fuzz_require(pci_tree_bridge(&tree, info->segment, info->secondary_bus) == function);
}

static bool usable(void *context, const struct pci_function *function, bool ports, uint64_t base,
                   uint64_t size)
{
    (void)context, (void)ports;
    fuzz_require(function && size != 0 && base != 0 && size - 1 <= UINT64_MAX - base);
    return refusing == 0 || base >> 12 & refusing;
}

static bool overlap(uint64_t base, uint64_t size, uint64_t other, uint64_t other_size)
{
    if (size == 0 || other_size == 0)
        return false;
    return base >= other ? base - other < other_size : other - base < size;
}

/* A BAR that was given its address here shares it with nobody. */
static void assigned_check(const struct pci_function *function, unsigned index)
{
    uint64_t base = function->info.bar[index].base, size = function->info.bar[index].size;
    bool ports = function->info.bar[index].flags & PCI_BAR_PORTS;

    fuzz_require(base != 0 && base % size == 0);
    if (!ports)
        fuzz_require(!overlap(base, size, reserved.base, reserved.size));
    for (size_t i = 0; i < tree.count; i++) {
        const struct pci_function *other = &tree.functions[i];
        for (unsigned j = 0; j < PCI_BARS; j++) {
            if ((other == function && j == index) || (other->bars_without_base & 1u << j) ||
                ports != (bool)(other->info.bar[j].flags & PCI_BAR_PORTS))
                continue;
            fuzz_require(!overlap(base, size, other->info.bar[j].base, other->info.bar[j].size));
        }
    }
}

static void assign_check(void)
{
    static uint8_t without[PCI_FUNCTIONS_MAX];

    for (size_t i = 0; i < tree.count; i++)
        without[i] = tree.functions[i].bars_without_base;
    pci_assign(&tree, &(struct pci_assign_limits){&reserved, 1, usable, NULL});
    for (size_t i = 0; i < tree.count; i++) {
        const struct pci_function *function = &tree.functions[i];
        uint8_t assigned = without[i] & (uint8_t)~function->bars_without_base;
        fuzz_require((function->bars_without_base & ~without[i]) == 0);
        for (unsigned index = 0; index < PCI_BARS; index++) {
            if (assigned & 1u << index)
                assigned_check(function, index);
        }
    }
}

/* As the server lends a function to a driver and takes it back. */
static void function_use(struct pci_function *function)
{
    uint32_t address = pci_function_address(function);

    pci_tree_requester(&tree, function);
    pci_tree_ancestor(&tree, function);
    if ((function->info.header_type & PCI_HEADER_LAYOUT) != PCI_HEADER_NORMAL ||
        pci_function_is_system(function))
        return;
    pci_function_silence(&model.config, function);
    pci_function_wake(&model.config, function);
    pci_function_decode(&tree, function, true);
    if (function->info.msix_offset != 0)
        pci_msix_enable(&model.config, function);
    else
        pci_msi_enable(&model.config, function, 0xfee00000, 0x51);
    pci_function_master(&tree, function, true);
    for (unsigned offset = 0; offset < model.size; offset++)
        fuzz_require(!pci_filter_allows(&model.config, function, offset, 4) || offset >= 0x40);
    pci_function_silence(&model.config, function);
    uint16_t command = pci_read16(&model.config, address, PCI_COMMAND);
    fuzz_require(command == UINT16_MAX || !(command & PCI_COMMAND_MASTER));
    pci_function_reset(&tree, function);
    pci_function_decode(&tree, function, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    pci_model_init(&model, &tree);
    refusing = fuzz_take8(&input);
    if (refusing & 0x80)
        model.size = PCI_SPACE_SIZE;
    while (model.count < FUNCTIONS && input.size > 0)
        function_make(&input);

    pci_tree_scan(&tree, 0, 0, 255);
    fuzz_require(tree.count <= PCI_FUNCTIONS_MAX);
    fuzz_require(model.sized_while_decoding == 0);
    for (size_t i = 0; i < tree.count; i++)
        function_check(&tree.functions[i]);
    assign_check();
    for (size_t i = 0; i < tree.count; i++)
        function_use(&tree.functions[i]);
    return 0;
}
