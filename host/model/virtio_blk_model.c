/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio_blk_model.h"

#include <stdlib.h>
#include <string.h>

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2 };
enum { HEADER_SIZE = 16, SECTOR = 512, ID_SIZE = 20, CONFIG_BLK_SIZE = 20 };

static uint32_t field(const struct virtio_blk_model *model, unsigned feature, unsigned offset)
{
    uint32_t value;

    memcpy(&value, model->config + offset, sizeof(value));
    return virtio_model_has(&model->virtio, feature) ? value : 0;
}

/* 5.2.6.1: what the device bounds. */
static void shape_check(const struct virtio_blk_model *model,
                        const struct virtio_model_chain *chain)
{
    uint32_t size_max = field(model, VIRTIO_BLK_MODEL_SIZE_MAX, 8);
    uint32_t seg_max = field(model, VIRTIO_BLK_MODEL_SEG_MAX, 12);
    unsigned count = chain->out + chain->in;

    if (seg_max > 0 && count - 2 > seg_max)
        model_violation("%u segments, %u are too many", count - 2, seg_max);
    for (unsigned i = 1; size_max > 0 && i + 1 < count; i++) {
        if (chain->segment[i].length > size_max)
            model_violation("a segment of %u bytes", chain->segment[i].length);
    }
}

static unsigned transfer(struct virtio_blk_model *model, const struct virtio_model_chain *chain,
                         uint64_t sector, bool is_write)
{
    uint64_t size =
        is_write ? virtio_model_readable(chain) - HEADER_SIZE : virtio_model_writable(chain) - 1;
    uint32_t block = field(model, VIRTIO_BLK_MODEL_BLK_SIZE, CONFIG_BLK_SIZE);

    shape_check(model, chain);
    if (size == 0 || size % (block ? block : SECTOR) || sector % (block ? block / SECTOR : 1))
        model_violation("a transfer of %llu bytes at sector %llu", (unsigned long long)size,
                        (unsigned long long)sector);
    if (size > model->longest_transfer)
        model->longest_transfer = (unsigned)size;
    if (sector > model->sectors || size / SECTOR > model->sectors - sector)
        return IOERR;
    if (is_write && virtio_model_has(&model->virtio, VIRTIO_BLK_MODEL_RO))
        return IOERR;
    if (model->io_status)
        return model->io_status;
    uint8_t *data = model->disk + sector * SECTOR;
    bool moved = is_write ? virtio_model_get(chain, HEADER_SIZE, data, size)
                          : virtio_model_put(chain, 0, data, size);
    *(is_write ? &model->writes : &model->reads) += 1;
    model->queue_reads[chain->queue] += !is_write;
    model->unflushed += is_write;
    return moved ? OK : IOERR;
}

/* 5.2.6, one range. Discarded sectors read as ones here, so that nobody takes them for zeroes. */
static unsigned zero(struct virtio_blk_model *model, const struct virtio_model_chain *chain,
                     bool is_discard)
{
    uint32_t most = is_discard ? field(model, VIRTIO_BLK_MODEL_DISCARD, 36)
                               : field(model, VIRTIO_BLK_MODEL_WRITE_ZEROES, 48);
    uint32_t block = field(model, VIRTIO_BLK_MODEL_BLK_SIZE, CONFIG_BLK_SIZE);
    uint32_t range[4] = {0};
    uint64_t sector;

    if (virtio_model_readable(chain) != HEADER_SIZE + sizeof(range) ||
        virtio_model_writable(chain) != 1)
        model_violation("a range of another size");
    virtio_model_get(chain, HEADER_SIZE, range, sizeof(range));
    memcpy(&sector, range, sizeof(sector));
    if (range[2] == 0 || range[2] > most || range[3] != 0)
        model_violation("%u sectors, flags %x: %u may be", range[2], range[3], most);
    if (block && (sector % (block / SECTOR) || range[2] % (block / SECTOR)))
        model_violation("a range that is not of whole blocks");
    if (sector > model->sectors || range[2] > model->sectors - sector)
        return IOERR;
    if (model->io_status)
        return model->io_status;
    memset(model->disk + sector * SECTOR, is_discard ? 0xff : 0, (size_t)range[2] * SECTOR);
    *(is_discard ? &model->discards : &model->zeroings) += 1;
    model->unflushed++;
    return OK;
}

static unsigned identify(const struct virtio_blk_model *model,
                         const struct virtio_model_chain *chain)
{
    char identity[ID_SIZE] = {0};

    if (!model->serial)
        return UNSUPP;
    memcpy(identity, model->serial, strnlen(model->serial, sizeof(identity)));
    return virtio_model_put(chain, 0, identity, sizeof(identity)) ? OK : IOERR;
}

static unsigned request(struct virtio_blk_model *model, const struct virtio_model_chain *chain,
                        const uint8_t *header)
{
    uint32_t type, reserved;
    uint64_t sector;

    memcpy(&type, header, sizeof(type));
    memcpy(&reserved, header + 4, sizeof(reserved));
    memcpy(&sector, header + 8, sizeof(sector));
    if (reserved != 0 || (sector != 0 && type != IN && type != OUT))
        model_violation("a request with fields set that we do not use");
    switch (type) {
    case IN:
    case OUT:
        return transfer(model, chain, sector, type == OUT);
    case FLUSH:
        if (!virtio_model_has(&model->virtio, VIRTIO_BLK_MODEL_FLUSH))
            model_violation("a flush that was not agreed upon");
        if (model->io_status)
            return model->io_status;
        model->flushes++;
        model->unflushed = 0;
        return OK;
    case DISCARD:
    case WRITE_ZEROES:
        return zero(model, chain, type == DISCARD);
    case GET_ID:
        return identify(model, chain);
    default:
        return UNSUPP;
    }
}

static uint32_t execute(struct virtio_model *virtio, const struct virtio_model_chain *chain)
{
    struct virtio_blk_model *model = (struct virtio_blk_model *)virtio;
    uint8_t header[HEADER_SIZE], status;
    uint64_t writable = virtio_model_writable(chain);

    if (writable == 0 || !virtio_model_get(chain, 0, header, sizeof(header))) {
        model_violation("a request without a header or a status");
        return 0;
    }
    status = (uint8_t)request(model, chain, header);
    if (!model->no_status)
        virtio_model_put(chain, writable - 1, &status, sizeof(status));
    return (uint32_t)writable;
}

void virtio_blk_model_field(struct virtio_blk_model *model, unsigned feature, unsigned offset,
                            unsigned width, uint64_t value)
{
    memcpy(model->config + offset, &value, width);
    model->virtio.offered |= UINT64_C(1) << feature;
}

void virtio_blk_model_init(struct virtio_blk_model *model, uint64_t sectors)
{
    *model = (struct virtio_blk_model){.sectors = sectors, .serial = "MODEL-0002"};
    virtio_model_init(&model->virtio, 0x1042, UINT64_C(1) << VIRTIO_BLK_MODEL_FLUSH, model->config,
                      sizeof(model->config));
    model->virtio.execute = execute;
    memcpy(model->config, &sectors, sizeof(sectors));
    model->disk = calloc(sectors, SECTOR);
    if (!model->disk)
        abort();
}

void virtio_blk_model_destroy(struct virtio_blk_model *model)
{
    free(model->disk);
    model->disk = NULL;
}
