/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/error.h>

#include <errno.h>

#include <mach/message.h>
#include <mach/mig_errors.h>

#include <interface/types.h>

int error_from_kernel(kern_return_t code)
{
    if (((unsigned)code & OUTBOARD_ERROR_MASK) == OUTBOARD_ERROR_MARK)
        return code & ~OUTBOARD_ERROR_MASK;

    switch (code) {
    case KERN_SUCCESS:
        return 0;
    case KERN_NO_SPACE:
    case KERN_RESOURCE_SHORTAGE:
        return ENOMEM;
    case KERN_PROTECTION_FAILURE:
    case KERN_NO_ACCESS:
        return EPERM;
    case KERN_INVALID_ADDRESS:
        return EFAULT;
    case MIG_SERVER_DIED:
    case MACH_SEND_INVALID_DEST:
    case MACH_RCV_PORT_DIED:
        return ENODEV;
    case MACH_SEND_TIMED_OUT:
    case MACH_RCV_TIMED_OUT:
        return ETIMEDOUT;
    case MIG_BAD_ID:
        return EOPNOTSUPP;
    default:
        return EINVAL;
    }
}
