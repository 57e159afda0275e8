/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a MADT.
 */
#include <server/io/madt.h>
#include <test/fuzz/fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct madt madt;
    int error = madt_parse(data, size, &madt);

    fuzz_require(madt.ioapic_count <= MADT_IOAPICS_MAX);
    /* 12 bytes each, behind 44 of header. */
    fuzz_require(error != 0 || madt.ioapic_count * 12u + 44 <= size);
    return 0;
}
