/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/root/soft_off.h>

#include <errno.h>
#include <string.h>

int soft_off_type(const uint8_t *dsdt, size_t size, unsigned *type)
{
    /* Name (\_S5, Package { type a, ... }) in AML (ACPI 6.5, 20.2): the name, PackageOp, a package
     * length of one to four bytes, the number of elements, and the first as ByteConst, ZeroOp,
     * OneOp. Running the DSDT would take an interpreter; this constant does not. */
    static const uint8_t name[] = {'_', 'S', '5', '_', 0x12};

    for (size_t i = 0; i + sizeof(name) + 8 <= size; i++) {
        if (memcmp(dsdt + i, name, sizeof(name)) != 0)
            continue;
        const uint8_t *element = dsdt + i + sizeof(name);
        element += 1 + (*element >> 6); /* 20.2.4: how many length bytes follow the first */
        element++;                      /* the number of elements */
        if (*element == 0x0a)
            element++;
        if (*element > 7)
            return EBADMSG;
        *type = *element;
        return 0;
    }
    return ENOENT;
}
