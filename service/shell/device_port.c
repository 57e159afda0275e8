/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device_port.h"

#include <errno.h>
#include <string.h>

#include <kernel/device_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>

#include "console.h"
#include "shell.h"

const char *device_code_name(kern_return_t code)
{
    static const char *const names[] = {
        "D_IO_ERROR",    "D_WOULD_BLOCK",       "D_NO_SUCH_DEVICE", "D_ALREADY_OPEN",
        "D_DEVICE_DOWN", "D_INVALID_OPERATION", "D_INVALID_RECNUM", "D_INVALID_SIZE",
        "D_NO_MEMORY",   "D_READ_ONLY",
    };

    if (code == D_SUCCESS)
        return "D_SUCCESS";
    if (code >= D_IO_ERROR && code <= D_READ_ONLY)
        return names[code - D_IO_ERROR];
    return strerror(error_from_kernel(code));
}

mach_port_t device_port(const char *command, const char *name, dev_mode_t mode)
{
    mach_port_t master = MACH_PORT_NULL, device = MACH_PORT_NULL;
    dev_name_t padded = "";
    int error =
        strlen(name) < sizeof(padded) ? startup_capability("device-master", &master) : ENAMETOOLONG;

    if (error != 0) {
        shell_complain(command, name, error);
        return MACH_PORT_NULL;
    }
    strcpy(padded, name); /* the interface sends all of it */
    kern_return_t code = device_open(master, mode, padded, &device);
    port_release(master);
    if (code != KERN_SUCCESS)
        console_print("%s: %s: %s\n", command, name, device_code_name(code));
    return code == KERN_SUCCESS ? device : MACH_PORT_NULL;
}
