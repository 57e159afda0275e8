/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The registers of an AHCI host bus adapter (Serial ATA AHCI 1.3.1, section 3), as far as they are
 * used.
 */
#ifndef DRIVER_AHCI_REGISTERS_H
#define DRIVER_AHCI_REGISTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { AHCI_WINDOW = 5, AHCI_PORTS = 32, AHCI_SLOTS = 32 }; /* 2.1.11: ABAR */

/* 3.1 */
struct ahci_registers {
    uint32_t cap; /* 3.1.1 capabilities */
    uint32_t ghc; /* 3.1.2 global control */
    uint32_t is;  /* 3.1.3 interrupt status, a bit for each port */
    uint32_t pi;  /* 3.1.4 ports implemented */
    uint32_t reserved[5];
    uint32_t cap2; /* 3.1.10 */
    uint32_t bohc; /* 3.1.11 BIOS/OS handoff */
};
static_assert(offsetof(struct ahci_registers, bohc) == 0x28, "3.1.11");

/* 3.3 */
struct ahci_port_registers {
    uint32_t clb, clbu; /* 3.3.1 command list */
    uint32_t fb, fbu;   /* 3.3.3 received FISes */
    uint32_t is;        /* 3.3.5 interrupt status */
    uint32_t ie;        /* 3.3.6 interrupt enable */
    uint32_t cmd;       /* 3.3.7 */
    uint32_t reserved0;
    uint32_t tfd;  /* 3.3.8 task file: status and error */
    uint32_t sig;  /* 3.3.9 signature */
    uint32_t ssts; /* 3.3.10 SStatus */
    uint32_t sctl; /* 3.3.11 SControl */
    uint32_t serr; /* 3.3.12 SError */
    uint32_t sact; /* 3.3.13 SActive: queued commands that are not completed */
    uint32_t ci;   /* 3.3.14 commands issued */
    uint32_t reserved1[17];
};
static_assert(offsetof(struct ahci_port_registers, ci) == 0x38, "3.3.14");
static_assert(sizeof(struct ahci_port_registers) == 0x80, "3");

#define AHCI_REGISTER(name)  offsetof(struct ahci_registers, name)
#define AHCI_PORT_BASE(port) (0x100 + (size_t)(port) * sizeof(struct ahci_port_registers))
#define AHCI_PORT_REGISTER(port, name)                                                             \
    (AHCI_PORT_BASE(port) + offsetof(struct ahci_port_registers, name))

/* 3.1.1 */
#define AHCI_CAP_SLOTS(cap) (((cap) >> 8 & 31) + 1)
#define AHCI_CAP_STAGGERED  (1u << 27)
#define AHCI_CAP_QUEUED     (1u << 30)
#define AHCI_CAP_64         (1u << 31)

/* 3.1.2 */
#define AHCI_GHC_RESET      (1u << 0)
#define AHCI_GHC_INTERRUPTS (1u << 1)
#define AHCI_GHC_AHCI       (1u << 31)

/* 3.1.10 and 3.1.11 */
#define AHCI_CAP2_HANDOFF (1u << 0)
#define AHCI_BOHC_BIOS    (1u << 0)
#define AHCI_BOHC_OS      (1u << 1)

/* 3.3.5: PxIS and PxIE. What takes more than a clean restart of the port are the link's and the
 * bus's errors (6.1): of overflow, the interface, the bus. */
#define AHCI_IS_DONE   (1u << 0 | 1u << 3)  /* DHRS, SDBS: a command is completed */
#define AHCI_IS_PLUG   (1u << 6 | 1u << 22) /* PCS, PRCS: the link came or went */
#define AHCI_IS_SEVERE (AHCI_IS_PLUG | 1u << 24 | 7u << 27)
#define AHCI_IS_ERRORS (AHCI_IS_SEVERE | 1u << 30) /* TFES, too: the device failed a command */

/* 3.3.7 */
#define AHCI_CMD_START    (1u << 0)
#define AHCI_CMD_SPIN_UP  (1u << 1)
#define AHCI_CMD_POWER_ON (1u << 2)
#define AHCI_CMD_RECEIVE  (1u << 4)
#define AHCI_CMD_RUNNING  (1u << 15)

/* 3.3.8 */
#define AHCI_TFD_BUSY       (1u << 7 | 1u << 3) /* BSY, DRQ */
#define AHCI_TFD_ERROR(tfd) ((uint8_t)((tfd) >> 8))

/* 3.3.9 */
#define AHCI_SIG_DISK   0x00000101u
#define AHCI_SIG_PACKET 0xeb140101u

/* 3.3.10 and 3.3.11 */
#define AHCI_SSTS_DET(ssts) ((ssts)&15)
#define AHCI_DET_UP         3 /* device there and communication established */
#define AHCI_SCTL_RESET     1u
#define AHCI_SCTL_AWAKE     (3u << 8) /* IPM: no transitions to partial and slumber */

#endif
