/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts: attach once; the event loop waits and calls; the return value acknowledges or rejects
 * (after Omega0, Loeser and Hohmuth 2000).
 */
#ifndef KIT_IRQ_H
#define KIT_IRQ_H

#include <stdbool.h>

struct device;

/* Runs in the event loop after the device raised the interrupt. Return true if the device had
 * something to say, false if not ("not mine": the line is shared and another device raised it). The
 * kit acknowledges afterwards; until then a line stays masked. Now and then it runs without an
 * interrupt. */
typedef bool (*irq_handler)(void *context);

/* `vector` is below device_identity()->vectors. 0 or an errno value; EBUSY if it is attached. */
int irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context);

/* Keep the device from raising it, or let it again; what came up meanwhile is raised then. For the
 * time in which a driver polls. ENOTSUP: this device can be silenced by its own registers only. */
int irq_mask(struct device *device, unsigned vector, bool masked);

#endif
