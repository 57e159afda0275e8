/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/io/dmar.h>

#include <errno.h>
#include <string.h>

#include <server/io/acpi_tables.h>

/* 8.1 */
struct dmar_table {
    struct acpi_header header;
    uint8_t host_address_width; /* bits, less one */
    uint8_t flags;              /* bit 0: interrupt remapping */
    uint8_t reserved[10];
} __attribute__((packed));
static_assert(sizeof(struct dmar_table) == 48, "8.1");

/* 8.2: what every remapping structure begins with. */
struct structure_header {
    uint16_t type, length;
} __attribute__((packed));

enum { STRUCTURE_UNIT = 0, STRUCTURE_RESERVED = 1 };

/* 8.3 */
struct unit_structure {
    struct structure_header header;
    uint8_t flags; /* bit 0: include all */
    uint8_t size;  /* bits 3:0: 2 to the power of this, in pages */
    uint16_t segment;
    uint64_t registers;
} __attribute__((packed));
static_assert(sizeof(struct unit_structure) == 16, "8.3");

/* 8.4 */
struct reserved_structure {
    struct structure_header header;
    uint16_t reserved, segment;
    uint64_t base, last;
} __attribute__((packed));
static_assert(sizeof(struct reserved_structure) == 24, "8.4");

/* 8.3.1; followed by two bytes, device and function, for each step of the path. */
struct scope_structure {
    uint8_t type, length;
    uint8_t flags, reserved;
    uint8_t enumeration_id, start_bus;
} __attribute__((packed));
static_assert(sizeof(struct scope_structure) == 6, "8.3.1");

static int scopes_parse(const uint8_t *data, size_t size, struct dmar_scope *scopes, unsigned limit,
                        unsigned *count)
{
    *count = 0;
    while (size > 0) {
        struct scope_structure raw;

        if (size < sizeof(raw) + 2)
            return EBADMSG;
        memcpy(&raw, data, sizeof(raw));
        if (raw.length < sizeof(raw) + 2 || raw.length > size || raw.length % 2 != 0)
            return EBADMSG;
        if (*count == limit)
            return EOVERFLOW;
        struct dmar_scope *scope = &scopes[(*count)++];
        const uint8_t *step = data + sizeof(raw);
        *scope = (struct dmar_scope){
            .type = raw.type,
            .enumeration_id = raw.enumeration_id,
            .bus = raw.start_bus,
            .device = step[0],
            .function = step[1],
            .direct = raw.length == sizeof(raw) + 2,
        };
        if (scope->device > 31 || scope->function > 7)
            return EBADMSG;
        data += raw.length;
        size -= raw.length;
    }
    return 0;
}

static int unit_parse(const uint8_t *data, size_t size, struct dmar *dmar)
{
    struct unit_structure raw;

    if (size < sizeof(raw))
        return EBADMSG;
    if (dmar->unit_count == DMAR_UNITS_MAX)
        return EOVERFLOW;
    memcpy(&raw, data, sizeof(raw));
    if (raw.registers == 0 || raw.registers % 4096 != 0)
        return EBADMSG;

    struct dmar_unit *unit = &dmar->unit[dmar->unit_count];
    unit->registers = raw.registers;
    unit->segment = raw.segment;
    unit->include_all = raw.flags & 1;
    int error = scopes_parse(data + sizeof(raw), size - sizeof(raw), unit->scope, DMAR_SCOPES_MAX,
                             &unit->scope_count);
    if (error == 0)
        dmar->unit_count++;
    return error;
}

static int reserved_parse(const uint8_t *data, size_t size, struct dmar *dmar)
{
    struct reserved_structure raw;

    if (size < sizeof(raw))
        return EBADMSG;
    if (dmar->reserved_count == DMAR_RESERVED_MAX)
        return EOVERFLOW;
    memcpy(&raw, data, sizeof(raw));
    if (raw.last < raw.base)
        return EBADMSG;

    struct dmar_reserved *reserved = &dmar->reserved[dmar->reserved_count];
    reserved->segment = raw.segment;
    int error =
        scopes_parse(data + sizeof(raw), size - sizeof(raw), reserved->scope,
                     sizeof(reserved->scope) / sizeof(reserved->scope[0]), &reserved->scope_count);
    if (error == 0)
        dmar->reserved_count++;
    return error;
}

int dmar_parse(const uint8_t *table, size_t size, struct dmar *dmar)
{
    struct dmar_table header;

    memset(dmar, 0, sizeof(*dmar));
    if (size < sizeof(header))
        return EBADMSG;
    memcpy(&header, table, sizeof(header));
    dmar->interrupt_remapping = header.flags & 1;

    const uint8_t *next = table + sizeof(header);
    size_t left = size - sizeof(header);
    while (left > 0) {
        struct structure_header structure;
        int error = 0;

        if (left < sizeof(structure))
            return EBADMSG;
        memcpy(&structure, next, sizeof(structure));
        if (structure.length < sizeof(structure) || structure.length > left)
            return EBADMSG;
        if (structure.type == STRUCTURE_UNIT)
            error = unit_parse(next, structure.length, dmar);
        else if (structure.type == STRUCTURE_RESERVED)
            error = reserved_parse(next, structure.length, dmar);
        if (error != 0)
            return error;
        next += structure.length;
        left -= structure.length;
    }
    return dmar->unit_count == 0 ? EBADMSG : 0;
}

static bool scope_names(const struct dmar_scope *scope, struct dmar_function function)
{
    return scope->bus == function.bus && scope->device == function.device &&
           scope->function == function.function;
}

/* A path of several steps starts at a bridge and names what is behind others; without the buses'
 * numbers here it matches nothing, and the function falls to the unit that includes all, or is
 * refused. */
static bool scope_covers(const struct dmar_scope *scope, struct dmar_function function,
                         struct dmar_function ancestor)
{
    bool names = scope_names(scope, function);

    return scope->direct &&
           ((scope->type == DMAR_SCOPE_ENDPOINT && names) ||
            (scope->type == DMAR_SCOPE_BRIDGE && (names || scope_names(scope, ancestor))));
}

const struct dmar_unit *dmar_unit_lookup(const struct dmar *dmar, struct dmar_function function,
                                         struct dmar_function ancestor)
{
    const struct dmar_unit *fallback = NULL;

    for (unsigned i = 0; i < dmar->unit_count; i++) {
        const struct dmar_unit *unit = &dmar->unit[i];
        if (unit->segment != function.segment)
            continue;
        for (unsigned j = 0; j < unit->scope_count; j++) {
            if (scope_covers(&unit->scope[j], function, ancestor))
                return unit;
        }
        if (unit->include_all)
            fallback = unit;
    }
    return fallback;
}

bool dmar_is_reserved_for(const struct dmar *dmar, struct dmar_function function,
                          struct dmar_function ancestor)
{
    for (unsigned i = 0; i < dmar->reserved_count; i++) {
        const struct dmar_reserved *reserved = &dmar->reserved[i];
        for (unsigned j = 0; reserved->segment == function.segment && j < reserved->scope_count;
             j++) {
            if (scope_covers(&reserved->scope[j], function, ancestor))
                return true;
        }
    }
    return false;
}
