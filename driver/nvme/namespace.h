/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Namespaces: each active one that this driver can use is offered as a block device.
 */
#ifndef DRIVER_NVME_NAMESPACE_H
#define DRIVER_NVME_NAMESPACE_H

#include "io.h"

struct nvme_namespaces {
    struct nvme_io *io;
    unsigned count;
    struct nvme_namespace list[NVME_ACTIVE_MAX];
};

/* Look what is there: offer what is new, withdraw what is gone or another one, and say so if one
 * has another size. One that cannot be used is left out with a line in the log. 0, or an errno
 * value if the controller does not answer. */
int nvme_namespaces_look(struct nvme_namespaces *namespaces);

#endif
