/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a DSDT.
 */
#include <server/root/soft_off.h>
#include <test/fuzz/fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned type = 99;

    if (soft_off_type(data, size, &type) == 0)
        fuzz_require(type <= 7); /* three bits in the register (ACPI 6.5, 4.8.4.2.1) */
    else
        fuzz_require(type == 99);
    return 0;
}
