/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a DMAR table; what is accepted is asked about.
 */
#include <server/io/dmar.h>
#include <test/fuzz/fuzz.h>

static void scopes_check(const struct dmar *dmar, uint16_t segment, const struct dmar_scope *scopes,
                         unsigned count, bool reserved)
{
    for (unsigned i = 0; i < count; i++) {
        const struct dmar_scope *scope = &scopes[i];
        struct dmar_function function = {segment, scope->bus, scope->device, scope->function};

        fuzz_require(scope->device < 32 && scope->function < 8);
        if (!scope->direct ||
            (scope->type != DMAR_SCOPE_ENDPOINT && scope->type != DMAR_SCOPE_BRIDGE))
            continue;
        if (reserved)
            fuzz_require(dmar_is_reserved_for(dmar, function, function));
        else
            fuzz_require(dmar_unit_lookup(dmar, function, function) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dmar dmar;

    if (dmar_parse(data, size, &dmar) != 0)
        return 0;
    fuzz_require(dmar.unit_count > 0 && dmar.unit_count <= DMAR_UNITS_MAX);
    fuzz_require(dmar.reserved_count <= DMAR_RESERVED_MAX);
    for (unsigned i = 0; i < dmar.unit_count; i++) {
        const struct dmar_unit *unit = &dmar.unit[i];
        fuzz_require(unit->registers != 0 && unit->registers % 4096 == 0);
        fuzz_require(unit->scope_count <= DMAR_SCOPES_MAX);
        scopes_check(&dmar, unit->segment, unit->scope, unit->scope_count, false);
    }
    for (unsigned i = 0; i < dmar.reserved_count; i++) {
        const struct dmar_reserved *reserved = &dmar.reserved[i];
        fuzz_require(reserved->scope_count <= sizeof(reserved->scope) / sizeof(reserved->scope[0]));
        scopes_check(&dmar, reserved->segment, reserved->scope, reserved->scope_count, true);
    }
    return 0;
}
