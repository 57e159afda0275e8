/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver as it is, but for what it says: linked with nvme_io_submit wrapped. In each of
 * its lives every so many reads have the data of other blocks (setting "read"), and every so many
 * writes are said to be done and are not ("write"); or it always errs about one block ("block"); or
 * every so many reads, when they are done, are carried out once more, from other blocks ("late");
 * or every so many who want to write are told that the disk is another one ("other").
 */
#include <stdlib.h>

#include <driver/nvme/nvme.h>
#include <kit/core/block.h>
#include <kit/device.h>

enum { ELSEWHERE = 8 };

bool __real_nvme_io_submit(void *context, struct block_request *request);
bool __wrap_nvme_io_submit(void *context, struct block_request *request);
void __real_block_request_done(struct block_request *request, enum block_status status);
void __wrap_block_request_done(struct block_request *request, enum block_status status);

void __real_block_session_info(const struct block_session *session, struct block_info *info);
void __wrap_block_session_info(const struct block_session *session, struct block_info *info);

/* The read that is to be carried out again, and that then is. */
static struct block_request *chosen, again;
static enum { NONE, DUE, UNDER_WAY } late;

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

void __wrap_block_request_done(struct block_request *request, enum block_status status)
{
    if (request == &again) {
        late = NONE;
        return;
    }
    if (request == chosen) {
        again = *request;
        again.block += ELSEWHERE;
        late = DUE;
        chosen = NULL;
    }
    __real_block_request_done(request, status);
}

/* Of a part of the disk, as of all of it. */
void __wrap_block_session_info(const struct block_session *session, struct block_info *info)
{
    static unsigned sessions;

    __real_block_session_info(session, info);
    if (session->write && is_due(session->device->context, "other", &sessions))
        info->blocks--;
}

static void late_look(void *context, struct block_request *request)
{
    static unsigned reads;

    if (late == DUE && __real_nvme_io_submit(context, &again))
        late = UNDER_WAY;
    if (late == NONE && !chosen && request->operation == BLOCK_READ && !request->segments &&
        is_due(context, "late", &reads))
        chosen = request;
}

bool __wrap_nvme_io_submit(void *context, struct block_request *request)
{
    static unsigned reads, writes;

    late_look(context, request);
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
