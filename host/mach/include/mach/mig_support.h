/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the stubs that MIG generates call (defined in mig.c).
 */
#ifndef MACH_MIG_SUPPORT_H
#define MACH_MIG_SUPPORT_H

#include <stddef.h>
#include <string.h>

#include <mach/mach_types.h>
#include <mach/message.h>

mach_port_t mig_get_reply_port(void);
void mig_dealloc_reply_port(mach_port_t port);
void mig_put_reply_port(mach_port_t port);
void mig_allocate(vm_address_t *address, vm_size_t size);
void mig_deallocate(vm_address_t address, vm_size_t size);
size_t mig_strncpy(char *destination, const char *source, size_t size);

#endif
