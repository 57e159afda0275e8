/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driver manifests: what a driver drives and what it offers. INI text:
 *
 *     [driver]
 *     program = nvme              the executable in the boot archive, and the stem of device names
 *     class = block               what its devices speak: it can offer nothing else
 *     vectors = 1                 how many interrupts it can use (1 if not said)
 *     resets = yes                attach resets the device by its own registers before it calls
 *                                 device_enable: a restart needs no reset by the bus, which is slow
 *     whole-task = yes            it has the kernel's own port for its task: for measurements, as
 *                                 its registers are not all that it reaches then
 *     [match]
 *     bus = pci                   or isa
 *     ids = 8086:5845 1b36:0010   vendor and device, hexadecimal, any number of them
 *     class = 01:08:02            class, subclass and interface; "*" for any of the last two
 *
 * A PCI function matches if one of the ids or the class does. For the ISA bus there is instead a
 * line for each place where a device can be:
 *
 *     device = ports 60-60 64-64 probe 64 lines 1 12
 *
 * Ports are hexadecimal; reading the port behind `probe` does no harm, and gives ff if nothing is
 * there; `lines` are its interrupts, in the order of the driver's vectors. Portable.
 */
#ifndef SERVER_SUPERVISOR_MANIFEST_H
#define SERVER_SUPERVISOR_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/bus.h>
#include <interface/types.h>

enum { MANIFEST_IDS_MAX = 32, MANIFEST_FIXED_MAX = 8 };

enum manifest_bus { MANIFEST_NO_BUS, MANIFEST_PCI, MANIFEST_ISA };

struct manifest {
    char program[32];
    char class[32];
    unsigned vectors;
    bool resets, whole_task;
    enum manifest_bus bus;
    unsigned id_count;
    struct {
        uint16_t vendor, device;
    } id[MANIFEST_IDS_MAX];
    bool has_class, any_subclass, any_interface;
    uint8_t class_code, subclass, interface;
    unsigned fixed_count;
    struct isa_resources fixed[MANIFEST_FIXED_MAX];
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
