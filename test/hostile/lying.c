/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver as it is, but for what it says: linked with nvme_io_submit wrapped. In each of
 * its lives every so many reads have the data of other blocks (setting "read"), and every so many
 * writes are said to be done and are not ("write"); or it always errs about one block ("block").
 */
#include <stdlib.h>

#include <driver/nvme/nvme.h>
#include <kit/device.h>

enum { ELSEWHERE = 8 };

bool __real_nvme_io_submit(void *context, struct block_request *request);
bool __wrap_nvme_io_submit(void *context, struct block_request *request);

static bool is_due(const struct nvme_namespace *namespace, const char *name, unsigned *count)
{
    unsigned every = device_setting(namespace->nvme->device, name, 0);

    return every > 0 && ++*count % every == 0;
}

static bool is_about(const struct nvme_namespace *namespace, const struct block_request *request)
{
    unsigned block = device_setting(namespace->nvme->device, "block", 0);

    return block > 0 && block >= request->block && block - request->block < request->count;
}

bool __wrap_nvme_io_submit(void *context, struct block_request *request)
{
    static unsigned reads, writes;

    if (request->operation == BLOCK_WRITE && is_due(context, "write", &writes)) {
        block_request_done(request, BLOCK_STATUS_OK);
        return true;
    }
    if (request->operation != BLOCK_READ ||
        !(is_about(context, request) || is_due(context, "read", &reads)))
        return __real_nvme_io_submit(context, request);
    request->block += ELSEWHERE;
    bool taken = __real_nvme_io_submit(context, request);
    request->block -= ELSEWHERE;
    return taken;
}
