/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driver manifests: what a driver drives and what it offers. INI text:
 *
 *     [driver]
 *     program = nvme              the executable in the boot archive, and the stem of device names
 *     class = block               what its devices speak
 *     vectors = 1                 how many interrupts it can use (1 if not said)
 *     resets = yes                attach resets the device by its own registers before it calls
 *                                 device_enable: a restart needs no reset by the bus, which is slow
 *     [match]
 *     bus = pci
 *     ids = 8086:5845 1b36:0010   vendor and device, hexadecimal, any number of them
 *     class = 01:08:02            class, subclass and interface; "*" for any of the last two
 *
 * A device matches if one of the ids or the class does. Portable.
 */
#ifndef SERVER_SUPERVISOR_MANIFEST_H
#define SERVER_SUPERVISOR_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/types.h>

enum { MANIFEST_IDS_MAX = 32 };

struct manifest {
    char program[32];
    char class[32];
    unsigned vectors;
    bool resets;
    bool has_bus;
    unsigned id_count;
    struct {
        uint16_t vendor, device;
    } id[MANIFEST_IDS_MAX];
    bool has_class, any_subclass, any_interface;
    uint8_t class_code, subclass, interface;
};

/* 0, or an errno value with one line in `problem` that names what is wrong, and where: EBADMSG,
 * ENOMEM. */
int manifest_parse(const char *text, size_t size, struct manifest *manifest, char *problem,
                   size_t problem_size);

/* How well a function matches: 0 not at all, 1 by class, 2 by id. */
int manifest_match(const struct manifest *manifest, const struct pci_function_info *function);

/* The best manifest for a function: by id before by class, then the first. -1 if none matches. */
int manifest_choose(const struct manifest *manifests, unsigned count,
                    const struct pci_function_info *function);

#endif
