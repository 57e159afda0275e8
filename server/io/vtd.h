/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One Intel VT-d remapping unit.
 */
#ifndef SERVER_IO_VTD_H
#define SERVER_IO_VTD_H

#include <stdbool.h>
#include <stdint.h>

#include <server/io/translation.h>

struct vtd_unit;

struct vtd_fault {
    uint16_t source; /* requester id: bus << 8 | device << 3 | function */
    uint8_t reason;  /* 7.1.3 and 5.1.4.1; 0x20 and above: an interrupt request */
    bool read;
    uint64_t address;
};

/* Take a unit over with every device blocked and translation on. 0 or an errno value, with a line
 * in the log. `remap`: interrupts too, if the unit can. */
int vtd_unit_start(uint64_t registers, bool remap, struct vtd_unit **unit);

bool vtd_unit_remaps(const struct vtd_unit *unit);

/* Page tables of the shape that the unit takes. */
int vtd_unit_translation(const struct vtd_unit *unit, struct translation **translation);

/* How many domains the unit tells apart; ids run from 1. */
unsigned vtd_unit_domains(const struct vtd_unit *unit);

/* From now on the requester's addresses mean what the table says, or nothing. ENOMEM. */
int vtd_unit_attach(struct vtd_unit *unit, uint16_t source, unsigned domain,
                    const struct translation *translation);
void vtd_unit_detach(struct vtd_unit *unit, uint16_t source);

/* Whether the requester's faults are recorded: a storm of them is cut off here. */
void vtd_unit_silence(struct vtd_unit *unit, uint16_t source, bool silent);

/* Entries were removed (or, `added`, put where there were none). On return no device of the domain
 * uses what was there, and no write of theirs is under way. */
void vtd_unit_invalidate(struct vtd_unit *unit, unsigned domain, bool added);

/* An interrupt remapping entry: index `index` raises `vector` at `destination`, for this source
 * alone. Index below VTD_REMAP_ENTRIES. */
enum { VTD_REMAP_ENTRIES = 256 };
void vtd_unit_remap_set(struct vtd_unit *unit, unsigned index, uint8_t vector, bool level,
                        uint8_t destination, uint16_t source);
void vtd_unit_remap_clear(struct vtd_unit *unit, unsigned index);

/* The next fault record, cleared; false if there is none. */
bool vtd_unit_fault_next(struct vtd_unit *unit, struct vtd_fault *fault);

/* Have the unit raise its fault interrupt by this message, or not at all. */
void vtd_unit_fault_message(struct vtd_unit *unit, uint64_t address, uint32_t data);

#endif
