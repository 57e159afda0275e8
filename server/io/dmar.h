/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The DMAR table: which remapping units there are and what they cover (Intel VT-d
 * specification 4.1, chapter 8). Parsed from a copy; nothing in it is believed without a bound.
 * Portable.
 */
#ifndef SERVER_IO_DMAR_H
#define SERVER_IO_DMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DMAR_UNITS_MAX = 8, DMAR_SCOPES_MAX = 32, DMAR_RESERVED_MAX = 16 };

/* 8.3.1: a device, or a bridge with everything below it. */
enum dmar_scope_type {
    DMAR_SCOPE_ENDPOINT = 1,
    DMAR_SCOPE_BRIDGE = 2,
    DMAR_SCOPE_IOAPIC = 3,
};

struct dmar_scope {
    uint8_t type;           /* enum dmar_scope_type; others are kept and never match */
    uint8_t enumeration_id; /* the IO-APIC's id */
    uint8_t bus, device, function;
    bool direct; /* the path has one step: `device` and `function` are on `bus` itself */
};

/* 8.3: a remapping unit. */
struct dmar_unit {
    uint64_t registers; /* physical address, whole pages */
    uint16_t segment;
    bool include_all; /* covers what no other unit of the segment names */
    unsigned scope_count;
    struct dmar_scope scope[DMAR_SCOPES_MAX];
};

/* 8.4: memory that firmware expects certain devices to reach for ever. */
struct dmar_reserved {
    uint16_t segment;
    unsigned scope_count;
    struct dmar_scope scope[4];
};

struct dmar {
    bool interrupt_remapping; /* the platform supports it */
    unsigned unit_count, reserved_count;
    struct dmar_unit unit[DMAR_UNITS_MAX];
    struct dmar_reserved reserved[DMAR_RESERVED_MAX];
};

/* EBADMSG: malformed; EOVERFLOW: more units, scopes or regions than there is room for here. */
int dmar_parse(const uint8_t *table, size_t size, struct dmar *dmar);

struct dmar_function {
    uint16_t segment;
    uint8_t bus, device, function;
};

/* The unit that translates for a function; null if none does. `ancestor` is the bridge on a root
 * bus that it is behind, or the function itself: a bridge in a unit's scope stands for all below
 * it. */
const struct dmar_unit *dmar_unit_lookup(const struct dmar *dmar, struct dmar_function function,
                                         struct dmar_function ancestor);

/* Whether firmware reserved memory for that function, or for all below its ancestor. */
bool dmar_is_reserved_for(const struct dmar *dmar, struct dmar_function function,
                          struct dmar_function ancestor);

#endif
