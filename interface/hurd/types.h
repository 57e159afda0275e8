/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * C types for the Hurd's interfaces, and what they pass as bytes.
 */
#ifndef INTERFACE_HURD_TYPES_H
#define INTERFACE_HURD_TYPES_H

#include <assert.h>
#include <stdint.h>

#include <mach/std_types.h>

/* MIG lays the string out inside its messages, and passes const_X to who may only read. */
typedef char hurd_string_t[1024];
typedef const char *const_hurd_string_t;
typedef char *hurd_data_t;
typedef const char *const_hurd_data_t;
typedef int *hurd_numbers_t;
typedef const int *const_hurd_numbers_t;
typedef mach_port_t *hurd_ports_t;
typedef const mach_port_t *const_hurd_ports_t;

/* How a name is looked up further: only this one is used here, with an empty name: it is done. */
#define HURD_RETRY_NORMAL 1

/* fsys_getroot and dir_lookup have errno values of the Hurd's own: in Mach's "Unix" subsystem. */
#define HURD_ERROR(number) (0x40000000 | (number))
#define HURD_EPERM         HURD_ERROR(1)
#define HURD_ENOENT        HURD_ERROR(2)
#define HURD_EIO           HURD_ERROR(5)
#define HURD_ENXIO         HURD_ERROR(6)
#define HURD_EBUSY         HURD_ERROR(16)
#define HURD_ENOTDIR       HURD_ERROR(20)
#define HURD_EINVAL        HURD_ERROR(22)
#define HURD_EOPNOTSUPP    HURD_ERROR(45)

/* pci_get_dev_regions gives six of them, pci_get_dev_rom the first two words of one. */
struct hurd_pci_region {
    uint64_t base;
    uint64_t size;
    uint32_t flags; /* enum hurd_pci_region_flags */
    uint32_t reserved;
};
static_assert(sizeof(struct hurd_pci_region) == 24, "wire layout");

enum hurd_pci_region_flags {
    HURD_PCI_PORTS = 1u << 0,
    HURD_PCI_PREFETCHABLE = 1u << 1,
    HURD_PCI_64 = 1u << 2,
};

struct hurd_pci_rom {
    uint64_t base;
    uint64_t size;
};
static_assert(sizeof(struct hurd_pci_rom) == 16, "wire layout");

#endif
