/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nvme.h"

static int ring_create(struct nvme *nvme, size_t size, size_t doorbell, struct nvme_ring *ring)
{
    ring->doorbell = NVME_DOORBELLS + doorbell;
    if (nvme->shadow.memory)
        ring->shadow = (uint32_t *)nvme->shadow.memory + doorbell / sizeof(uint32_t);
    return dma_buffer_create(nvme->device, size, &ring->buffer);
}

int nvme_pair_create(struct nvme *nvme, unsigned id, unsigned entries, struct nvme_pair *pair)
{
    size_t doorbells = NVME_DOORBELLS_SIZE(id, nvme->cap);

    /* 4.6: the memory is zeroed, so a new entry is one with phase 1. */
    *pair = (struct nvme_pair){.nvme = nvme, .id = id, .entries = entries, .phase = 1};
    int error =
        ring_create(nvme, entries * sizeof(struct nvme_command), doorbells, &pair->submissions);
    if (error == 0)
        error = ring_create(nvme, entries * sizeof(struct nvme_completion),
                            doorbells + NVME_CAP_STRIDE(nvme->cap), &pair->completions);
    return error;
}

/* Whether the device wants to hear of the step over `event`, from `before` to `now`. The
 * differences are those of 16 bits: the positions wrap earlier, and what lies between is no
 * position. Whatever the device says, the worst is a write too many, or none: then commands are not
 * completed, and the watch gives the device up. */
static bool is_wanted(unsigned event, unsigned before, unsigned now)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

void nvme_ring_tell(const struct nvme_pair *pair, struct nvme_ring *ring)
{
    unsigned before = ring->told, now = ring->place;

    if (now == before)
        return;
    ring->told = now;
    if (ring->shadow) {
        const volatile uint32_t *event = ring->shadow + NVME_SHADOW_SIZE / sizeof(*event);
        __atomic_store_n(ring->shadow, now, __ATOMIC_RELEASE);
        /* The device writes its word, then looks here again; we write, then look at its word: one
         * of us sees the other's. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        /* 7.13: the admin queue's registers are written all the same. */
        if (pair->id != 0 && !is_wanted(*event, before, now))
            return;
    }
    regs_write32(&pair->nvme->regs, ring->doorbell, now);
}

void nvme_pair_submit(struct nvme_pair *pair, const struct nvme_command *command)
{
    *nvme_pair_room(pair) = *command;
    nvme_ring_advance(pair, &pair->submissions);
    nvme_ring_tell(pair, &pair->submissions);
}
