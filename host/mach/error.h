/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One kind of error above this layer: errno values.
 */
#ifndef HOST_MACH_ERROR_H
#define HOST_MACH_ERROR_H

#include <mach/kern_return.h>

/* The errno value for what an RPC returned: the server's own (interface/types.h), or the nearest
 * for the kernel's and MIG's codes. A dead server is ENODEV. 0 for KERN_SUCCESS. */
int error_from_kernel(kern_return_t code);

#endif
