/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver as it is, but for what it says: linked with nvme_io_submit wrapped. In each of
 * its lives every so many reads have the data of other blocks (setting "read"), and every so many
 * writes are said to be done and are not ("write"); or it always errs about one block ("block").
 */
#include <stdlib.h>

#include <driver/nvme/io.h>
#include <kit/device.h>

enum { ELSEWHERE = 8 };

bool __real_nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request);
bool __wrap_nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request);

static bool is_due(const struct nvme_io *io, const char *name, unsigned *count)
{
    unsigned every = device_setting(io->controller->device, name, 0);

    return every > 0 && ++*count % every == 0;
}

static bool is_about(const struct nvme_io *io, const struct block_request *request)
{
    unsigned block = device_setting(io->controller->device, "block", 0);

    return block > 0 && block >= request->block && block - request->block < request->count;
}

bool __wrap_nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request)
{
    static unsigned reads, writes;

    if (request->operation == BLOCK_WRITE && is_due(io, "write", &writes)) {
        block_request_done(request, BLOCK_STATUS_OK);
        return true;
    }
    if (request->operation != BLOCK_READ || !(is_about(io, request) || is_due(io, "read", &reads)))
        return __real_nvme_io_submit(io, namespace, request);
    request->block += ELSEWHERE;
    bool taken = __real_nvme_io_submit(io, namespace, request);
    request->block -= ELSEWHERE;
    return taken;
}
