/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KIT_CORE_DMA_H
#define KIT_CORE_DMA_H

#include <stdbool.h>

#include <kit/dma.h>

/* Whether an IOMMU stands between the device and memory, so that a buffer's address is no physical
 * address. For a device that has a buffer, and that can be told to go round the IOMMU: it must not
 * be. */
bool dma_is_translated(const struct device *device);

#endif
