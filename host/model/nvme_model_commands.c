/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The controller's commands. Offsets into identify data are numbers from the specification.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_model.h"

enum {
    SUCCESS = 0x000,
    INVALID_OPCODE = 0x001,
    INVALID_FIELD = 0x002,
    TRANSFER_ERROR = 0x004,
    INVALID_NAMESPACE = 0x00b,
    WRITE_PROTECTED = 0x020,
    LBA_RANGE = 0x080,
    INVALID_COMPLETION_QUEUE = 0x100,
    INVALID_QUEUE = 0x101,
    INVALID_QUEUE_SIZE = 0x102,
    INVALID_DELETION = 0x10c,
};

static uint64_t quad(const uint32_t *dword, unsigned index)
{
    return dword[index] | (uint64_t)dword[index + 1] << 32;
}

static bool move(uint64_t address, uint8_t *data, size_t size, bool to_host)
{
    return to_host ? model_memory_write(address, data, size)
                   : model_memory_read(address, data, size);
}

/* 4.3: the data's pages after the first, from a list that may go on in further pages. */
static bool list_move(uint64_t list, uint8_t *data, size_t size, bool to_host)
{
    if (list % 8 != 0) {
        model_violation("a PRP list at %llx", (unsigned long long)list);
        return false;
    }
    while (size > 0) {
        uint64_t entry;
        bool is_last_of_page = list % NVME_MODEL_PAGE == NVME_MODEL_PAGE - sizeof(entry);
        if (!model_memory_read(list, &entry, sizeof(entry)))
            return false;
        if (entry % NVME_MODEL_PAGE != 0) {
            model_violation("PRP list entry %llx", (unsigned long long)entry);
            return false;
        }
        if (is_last_of_page && size > NVME_MODEL_PAGE) {
            list = entry;
            continue;
        }
        size_t part = size < NVME_MODEL_PAGE ? size : NVME_MODEL_PAGE;
        if (!move(entry, data, part, to_host))
            return false;
        data += part;
        size -= part;
        list += sizeof(entry);
    }
    return true;
}

/* 4.4: the command's one descriptor is of a last segment, whose descriptors are of data. */
static bool sgl_move(struct nvme_model *model, const uint32_t *dword, uint8_t *data, size_t size,
                     bool to_host)
{
    uint64_t list = quad(dword, 6);
    uint32_t length = dword[8], descriptor[4];

    model->sgl_commands++;
    if (model->sgls == 0 || dword[9] != 0x30000000 || list % 8 || length == 0 || length % 16) {
        model_violation("an SGL of %u bytes at %llx, %08x", length, (unsigned long long)list,
                        dword[9]);
        return false;
    }
    for (; length > 0; length -= 16, list += 16) {
        if (!model_memory_read(list, descriptor, sizeof(descriptor)))
            return false;
        if (descriptor[3] != 0 || descriptor[2] > size || descriptor[2] % 4 || descriptor[0] % 4) {
            model_violation("an SGL descriptor %08x: %u bytes of %zu", descriptor[3], descriptor[2],
                            size);
            return false;
        }
        if (!move(quad(descriptor, 0), data, descriptor[2], to_host))
            return false;
        data += descriptor[2];
        size -= descriptor[2];
    }
    if (size > 0)
        model_violation("an SGL that is %zu bytes short", size);
    return size == 0;
}

bool nvme_model_move(struct nvme_model *model, const uint32_t *dword, void *data, size_t size,
                     bool to_host)
{
    uint64_t prp1 = quad(dword, 6), prp2 = quad(dword, 8);
    size_t first = NVME_MODEL_PAGE - prp1 % NVME_MODEL_PAGE;

    if ((dword[0] & 0xff00) == 0x4000)
        return sgl_move(model, dword, data, size, to_host);
    if (prp1 % 4 != 0) {
        model_violation("PRP 1 is %llx", (unsigned long long)prp1);
        return false;
    }
    if (first > size)
        first = size;
    if (!move(prp1, data, first, to_host))
        return false;
    if (size - first > NVME_MODEL_PAGE)
        return list_move(prp2, (uint8_t *)data + first, size - first, to_host);
    if (size == first)
        return true;
    if (prp2 % NVME_MODEL_PAGE != 0) {
        model_violation("PRP 2 is %llx", (unsigned long long)prp2);
        return false;
    }
    return move(prp2, (uint8_t *)data + first, size - first, to_host);
}

static void put(uint8_t *page, unsigned offset, uint64_t value, unsigned width)
{
    memcpy(page + offset, &value, width);
}

static void identify_controller(const struct nvme_model *model, uint8_t *page)
{
    put(page, 0, model->device.identity.vendor, 2);
    memcpy(page + 4, "MODEL-0001          ", 20);
    memcpy(page + 24, "Outboard model NVMe controller          ", 40);
    page[77] = model->mdts;
    put(page, 80, model->version, 4);
    put(page, 88, model->rtd3e, 4);
    put(page, 92, model->tells_of_namespaces ? 1u << 8 : 0, 4);
    put(page, 256, model->offers_shadow ? 1u << 8 : 0, 2);
    page[512] = 0x66;
    page[513] = 0x44;
    put(page, 516, model->namespace_count, 4);
    put(page, 536, model->sgls, 4);
    page[520] = 1u << 2 | 1u << 3; /* ONCS: dataset management, write zeroes */
    page[525] = model->volatile_cache;
}

static void identify_namespace(const struct nvme_model_namespace *namespace, uint8_t *page)
{
    if (!namespace->active)
        return;
    for (unsigned offset = 0; offset <= 16; offset += 8)
        put(page, offset, namespace->blocks, 8);
    page[25] = 1; /* two formats, the second in use */
    page[26] = 1;
    page[99] = namespace->write_protected;
    page[130] = 9;
    page[134] = (uint8_t) namespace->shift;
}

static void identify_active(const struct nvme_model *model, uint32_t after, uint8_t *page)
{
    unsigned count = 0;

    for (uint32_t id = after + 1; id <= model->namespace_count && count < 1024; id++) {
        if (model->namespaces[id - 1].active)
            put(page, 4 * count++, id, 4);
    }
}

static unsigned identify(struct nvme_model *model, const uint32_t *dword)
{
    uint8_t page[NVME_MODEL_PAGE] = {0};
    unsigned cns = dword[10] & 0xff;
    uint32_t id = dword[1];

    switch (cns) {
    case 0:
        if (id == 0 || id > model->namespace_count)
            return INVALID_NAMESPACE;
        identify_namespace(&model->namespaces[id - 1], page);
        break;
    case 1:
        identify_controller(model, page);
        break;
    case 2:
        if (model->version < 0x00010100 || id >= 0xfffffffe)
            return INVALID_FIELD;
        identify_active(model, id, page);
        break;
    default:
        return INVALID_FIELD;
    }
    if (model->identify)
        model->identify(model, cns, id, page);
    return nvme_model_move(model, dword, page, sizeof(page), true) ? SUCCESS : TRANSFER_ERROR;
}

static unsigned log_page(struct nvme_model *model, const uint32_t *dword)
{
    uint8_t page[512] = {0};
    size_t size = ((size_t)(dword[10] >> 16 & 0xfff) + 1) * 4;

    model->logs++;
    if (((dword[10] & 0xff) != 2 && (dword[10] & 0xff) != 4) || size > sizeof(page))
        return INVALID_FIELD;
    page[0] = model->media_read_only ? 1 << 3 : 0;
    return nvme_model_move(model, dword, page, size, true) ? SUCCESS : TRANSFER_ERROR;
}

/* 5.3, 5.4 */
static unsigned queue_create(struct nvme_model *model, const uint32_t *dword, bool completions)
{
    unsigned id = dword[10] & 0xffff, entries = (dword[10] >> 16) + 1;
    struct nvme_model_queue *queues = completions ? model->completion : model->submission;
    unsigned other = dword[11] >> 16; /* the vector, or the completion queue */

    if (id == 0 || id >= NVME_MODEL_QUEUES || queues[id].exists)
        return INVALID_QUEUE;
    if (entries < 2 || entries > (model->cap & 0xffff) + 1)
        return INVALID_QUEUE_SIZE;
    if (!(dword[11] & 1) || quad(dword, 6) % NVME_MODEL_PAGE != 0)
        return INVALID_FIELD;
    if (completions && other >= model->device.identity.vectors)
        return 0x108;
    if (!completions && (other >= NVME_MODEL_QUEUES || !model->completion[other].exists))
        return INVALID_COMPLETION_QUEUE;
    queues[id] = (struct nvme_model_queue){
        .exists = true,
        .address = quad(dword, 6),
        .entries = entries,
        .phase = 1,
        .vector = completions ? other : 0,
        .interrupts = completions && (dword[11] & 2),
        .completions = completions ? 0 : other,
    };
    return SUCCESS;
}

/* 5.5, 5.6 */
static unsigned queue_delete(struct nvme_model *model, const uint32_t *dword, bool completions)
{
    unsigned id = dword[10] & 0xffff;
    struct nvme_model_queue *queues = completions ? model->completion : model->submission;

    if (id == 0 || id >= NVME_MODEL_QUEUES || !queues[id].exists)
        return INVALID_QUEUE;
    for (unsigned i = 1; completions && i < NVME_MODEL_QUEUES; i++) {
        if (model->submission[i].exists && model->submission[i].completions == id)
            return INVALID_DELETION;
    }
    queues[id].exists = false;
    return SUCCESS;
}

/* 5.7 */
static unsigned doorbell_buffer(struct nvme_model *model, const uint32_t *dword)
{
    uint64_t shadow = quad(dword, 6), event_indexes = quad(dword, 8);

    if (!model->offers_shadow)
        return INVALID_OPCODE;
    if (shadow == 0 || event_indexes == 0 || shadow % NVME_MODEL_PAGE != 0 ||
        event_indexes % NVME_MODEL_PAGE != 0 || shadow == event_indexes)
        return INVALID_FIELD;
    model->shadow = shadow;
    model->event_indexes = event_indexes;
    return SUCCESS;
}

unsigned nvme_model_admin(struct nvme_model *model, const uint32_t *dword, uint32_t *result)
{
    switch (dword[0] & 0xff) {
    case 0x00:
        return queue_delete(model, dword, false);
    case 0x01:
        return queue_create(model, dword, false);
    case 0x02:
        return log_page(model, dword);
    case 0x04:
        return queue_delete(model, dword, true);
    case 0x05:
        return queue_create(model, dword, true);
    case 0x06:
        return identify(model, dword);
    case 0x09:
        if ((dword[10] & 0xff) == 8 && model->can_gather) {
            model->gathering = dword[11] & 0xffff;
            return SUCCESS;
        }
        if ((dword[10] & 0xff) == 11) {
            if (dword[11] & ~(0x1fu | (model->tells_of_namespaces ? 1u << 8 : 0)))
                model_violation("events %x are asked for", dword[11]);
            model->events = dword[11];
            return SUCCESS;
        }
        if ((dword[10] & 0xff) != 7)
            return INVALID_FIELD;
        *result = (NVME_MODEL_QUEUES - 2) << 16 | (NVME_MODEL_QUEUES - 2);
        return SUCCESS;
    case 0x7c:
        return doorbell_buffer(model, dword);
    default:
        return INVALID_OPCODE;
    }
}

/* 6.9, 6.15 */
static unsigned transfer(struct nvme_model *model, struct nvme_model_namespace *namespace,
                         const uint32_t *dword, bool is_write)
{
    uint64_t block = quad(dword, 10), count = (dword[12] & 0xffff) + 1;
    size_t size = (size_t)count << namespace->shift;

    if (model->mdts != 0 && size > (uint64_t)NVME_MODEL_PAGE << model->mdts) {
        model_violation("a transfer of %zu bytes, longer than MDTS allows", size);
        return INVALID_FIELD;
    }
    if (size > model->longest_transfer)
        model->longest_transfer = (unsigned)size;
    if (block > namespace->blocks || count > namespace->blocks - block)
        return LBA_RANGE;
    if (is_write && (namespace->write_protected || model->media_read_only))
        return WRITE_PROTECTED;
    if (model->io_status)
        return model->io_status;

    uint8_t *data = namespace->disk ? namespace->disk + (block << namespace->shift) : NULL;
    uint8_t *scratch = data ? NULL : calloc(1, size);
    bool moved = nvme_model_move(model, dword, data ? data : scratch, size, !is_write);
    free(scratch);
    namespace->reads += !is_write;
    namespace->writes += is_write;
    namespace->unflushed += is_write;
    return moved ? SUCCESS : TRANSFER_ERROR;
}

/* 6.16, and 6.7 for the one range that the driver names; discarded blocks read as zeroes here. */
static unsigned zero(struct nvme_model *model, struct nvme_model_namespace *namespace,
                     uint64_t block, uint64_t count)
{
    if (block > namespace->blocks || count > namespace->blocks - block)
        return LBA_RANGE;
    if (namespace->write_protected || model->media_read_only)
        return WRITE_PROTECTED;
    if (namespace->disk)
        memset(namespace->disk + (block << namespace->shift), 0, (size_t)count << namespace->shift);
    namespace->unflushed++;
    return SUCCESS;
}

static unsigned dataset(struct nvme_model *model, struct nvme_model_namespace *namespace,
                        const uint32_t *dword)
{
    uint32_t range[4];

    if (dword[10] != 0 || dword[11] != 4)
        model_violation("a dataset command with %u ranges and attributes %x", dword[10] + 1,
                        dword[11]);
    if (!nvme_model_move(model, dword, range, sizeof(range), false))
        return TRANSFER_ERROR;
    return zero(model, namespace, quad(range, 2), range[1]);
}

unsigned nvme_model_io(struct nvme_model *model, const uint32_t *dword)
{
    uint32_t id = dword[1];

    if (id == 0 || id > model->namespace_count || !model->namespaces[id - 1].active) {
        model_violation("an I/O command for namespace %u", id);
        return INVALID_NAMESPACE;
    }
    bool moves = (dword[0] & 0xff) == 1 || (dword[0] & 0xff) == 2;
    if ((dword[0] & 0xff00 && !(moves && (dword[0] & 0xff00) == 0x4000)) || dword[2] || dword[3] ||
        dword[13] || dword[14] || dword[15] || dword[12] & 0xffff0000)
        model_violation("an I/O command with fields set that we do not use");

    struct nvme_model_namespace *namespace = &model->namespaces[id - 1];
    switch (dword[0] & 0xff) {
    case 0x00:
        namespace
        ->flushes++;
        namespace->unflushed = 0;
        return SUCCESS;
    case 0x01:
        return transfer(model, namespace, dword, true);
    case 0x02:
        return transfer(model, namespace, dword, false);
    case 0x08:
        return zero(model, namespace, quad(dword, 10), (uint64_t)dword[12] + 1);
    case 0x09:
        return dataset(model, namespace, dword);
    default:
        return INVALID_OPCODE;
    }
}
