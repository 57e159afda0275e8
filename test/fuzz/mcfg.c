/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as an MCFG table.
 */
#include <server/pci/mcfg.h>
#include <test/fuzz/fuzz.h>

enum { MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mcfg_region region[MAX];
    size_t count = 99;
    int error = mcfg_parse(data, size, region, MAX, &count);

    fuzz_require(count <= MAX && (error == 0 || count == 0));
    for (size_t i = 0; i < count; i++) {
        uint64_t end = ((uint64_t)region[i].last_bus + 1) << 20;
        fuzz_require(region[i].base != 0 && region[i].base % (1u << 20) == 0);
        fuzz_require(region[i].first_bus <= region[i].last_bus);
        fuzz_require(region[i].base <= UINT64_MAX - end);
        for (size_t j = 0; j < i; j++)
            fuzz_require(region[i].segment != region[j].segment ||
                         region[i].first_bus > region[j].last_bus ||
                         region[j].first_bus > region[i].last_bus);
    }
    return 0;
}
