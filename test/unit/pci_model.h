/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of configuration space: functions with 4096 bytes each, a mask of what can be written,
 * and bridges that route by their bus number registers as real ones do. Any of it can be made to
 * lie.
 *
 * It also is the kit's log and clock for the code under test.
 */
#ifndef TEST_UNIT_PCI_MODEL_H
#define TEST_UNIT_PCI_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <server/pci/tree.h>

enum { PCI_MODEL_FUNCTIONS = 300, PCI_MODEL_ROOT = -1 };

struct pci_model_function {
    int parent; /* the bridge that it is behind, or PCI_MODEL_ROOT */
    int mirror; /* a bridge: what is behind this one appears behind it too; itself if none */
    uint8_t device, function;
    uint8_t space[PCI_EXTENDED_SPACE_SIZE];
    uint8_t writable[PCI_EXTENDED_SPACE_SIZE];
    unsigned reset_register;    /* 16 bits, bit 15 resets (Express); 0: none */
    unsigned advanced_register; /* 8 bits, bit 0 resets (Advanced Features); 0: none */
    unsigned power_register;    /* 16 bits, leaving D3 resets; 0: none */
    bool dies_in_reset;
    unsigned resets;
};

struct pci_model {
    struct pci_model_function functions[PCI_MODEL_FUNCTIONS];
    int count;
    unsigned size; /* bytes of space that can be reached */
    struct pci_config config;
    unsigned accesses;
    unsigned sized_while_decoding; /* ones written to a BAR that was answering */
    unsigned writes_to_system;     /* to functions 06:00 and 08:00 */
};

/* Without functions, and the tree of what was found there, with nothing in it. */
void pci_model_init(struct pci_model *model, struct pci_tree *tree);

/* A function with header type 0 (class given as 0xCCSSII); returns its number. */
int pci_model_add(struct pci_model *model, int parent, unsigned device, unsigned function,
                  uint16_t vendor, uint32_t class_code);

/* A bridge with these numbers in its registers (0: the firmware left it). */
int pci_model_bridge(struct pci_model *model, int parent, unsigned device, uint8_t primary,
                     uint8_t secondary, uint8_t subordinate);

/* A BAR that keeps the bits of `mask`, with `flags` fixed in its low bits. Takes the next register
 * too if bits above 32 are kept. */
void pci_model_bar(struct pci_model *model, int index, unsigned bar, uint64_t mask, uint32_t flags,
                   uint64_t base);

/* A capability at `offset`, linked to `next`; says so in the status register. */
void pci_model_capability(struct pci_model *model, int index, unsigned offset, uint8_t id,
                          uint8_t next);

/* Bytes as they are, whatever can be written. */
void pci_model_poke(struct pci_model *model, int index, unsigned offset, unsigned width,
                    uint32_t value);
uint32_t pci_model_peek(const struct pci_model *model, int index, unsigned offset, unsigned width);
void pci_model_allow(struct pci_model *model, int index, unsigned offset, unsigned width,
                     uint32_t mask);

/* The log and the clock since the last pci_model_init. */
unsigned pci_model_warnings(void);
const char *pci_model_last_warning(void);
uint64_t pci_model_slept(void);

#endif
