/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any text as pci.names, and any id to look for.
 */
#include <server/pci/names.h>
#include <test/fuzz/fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint16_t vendor = fuzz_take16(&input), device = fuzz_take16(&input);
    uint8_t class_code = fuzz_take8(&input), subclass = fuzz_take8(&input);
    uint8_t interface = fuzz_take8(&input);
    size_t room = fuzz_take8(&input) + (size_t)1;
    char *names = malloc(input.size ? input.size : 1), *out = malloc(room);

    size_t length = input.size;
    fuzz_take(&input, names, length); /* a copy, so that its end is guarded */
    pci_names_find(names, length, vendor, device, out, room);
    fuzz_require(strnlen(out, room) < room);
    pci_names_class(names, length, class_code, subclass, interface, out, room);
    fuzz_require(strnlen(out, room) < room);
    free(out);
    free(names);
    return 0;
}
