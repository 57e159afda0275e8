/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a virtio device shares with its driver, whatever its type: PCI capabilities, registers and
 * the split virtqueue (Virtual I/O Device specification 1.2; 1.1 numbers 2.7 as 2.6). All of it is
 * little-endian, as x86 is. For the kit's own use.
 */
#ifndef KIT_CORE_VIRTIO_LAYOUT_H
#define KIT_CORE_VIRTIO_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct virtio_queue;

/* PCI Local Bus Specification 3.0, 6.1 and 6.7; MSI-X: 6.8.2. */
enum {
    PCI_STATUS = 0x06,
    PCI_STATUS_LIST = 1u << 4,
    PCI_CAPABILITIES = 0x34,
    PCI_CAPABILITY_FIRST = 0x40,
    PCI_CAPABILITIES_MAX = (256 - PCI_CAPABILITY_FIRST) / 4,
    PCI_CAPABILITY_VENDOR = 0x09,
    PCI_CAPABILITY_MSIX = 0x11,
    PCI_MSIX_CONTROL = 2,
    PCI_MSIX_ENABLED = 1u << 15,
};

/* 4.1.2 */
enum { VIRTIO_PCI_VENDOR = 0x1af4, VIRTIO_PCI_MODERN = 0x1040 };

/* 4.1.4 */
struct virtio_pci_capability {
    uint8_t id, next, length;
    uint8_t type; /* enum virtio_pci_type */
    uint8_t bar, instance, padding[2];
    uint32_t offset, size;
    uint32_t multiplier; /* VIRTIO_PCI_NOTIFY only */
};
static_assert(offsetof(struct virtio_pci_capability, type) == 3, "4.1.4");
static_assert(offsetof(struct virtio_pci_capability, offset) == 8, "4.1.4");
static_assert(offsetof(struct virtio_pci_capability, multiplier) == 16, "4.1.4.4");

enum virtio_pci_type {
    VIRTIO_PCI_COMMON = 1,
    VIRTIO_PCI_NOTIFY = 2,
    VIRTIO_PCI_ISR = 3,
    VIRTIO_PCI_DEVICE = 4,
};

/* 4.1.4.3 */
struct virtio_common {
    uint32_t device_feature_select, device_feature;
    uint32_t driver_feature_select, driver_feature;
    uint16_t config_vector;
    uint16_t queues;
    uint8_t status;
    uint8_t generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_vector;
    uint16_t queue_enable;
    uint16_t queue_notify;
    uint32_t queue_descriptors[2], queue_available[2], queue_used[2]; /* low half, high half */
};
static_assert(offsetof(struct virtio_common, config_vector) == 16, "4.1.4.3");
static_assert(offsetof(struct virtio_common, status) == 20, "4.1.4.3");
static_assert(offsetof(struct virtio_common, queue_size) == 24, "4.1.4.3");
static_assert(offsetof(struct virtio_common, queue_descriptors) == 32, "4.1.4.3");
static_assert(sizeof(struct virtio_common) == 56, "4.1.4.3");

enum { VIRTIO_NO_VECTOR = 0xffff };

/* 4.1.4.5 */
enum { VIRTIO_ISR_QUEUE = 1u << 0, VIRTIO_ISR_CONFIG = 1u << 1 };

/* 2.1 */
enum virtio_status {
    VIRTIO_STATUS_RESET = 0,
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
    VIRTIO_STATUS_GONE = 0xff, /* what a device that is not there reads as */
};

/* 2.7.5 */
struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags; /* enum virtio_descriptor_flags */
    uint16_t next;
};
static_assert(sizeof(struct virtio_descriptor) == 16, "2.7.5");

enum virtio_descriptor_flags {
    VIRTIO_DESCRIPTOR_NEXT = 1,
    VIRTIO_DESCRIPTOR_WRITE = 2, /* for the device to write */
    VIRTIO_DESCRIPTOR_INDIRECT = 4,
};

/* 2.7.6; behind the ring, 2.7.7: used_event. */
struct virtio_available {
    uint16_t flags; /* 1: no interrupts */
    uint16_t index;
    uint16_t ring[];
};
static_assert(offsetof(struct virtio_available, ring) == 4, "2.7.6");

/* 2.7.8; behind the ring, 2.7.10: avail_event. */
struct virtio_used_entry {
    uint32_t id;
    uint32_t length;
};
struct virtio_used {
    uint16_t flags; /* 1: no notifications */
    uint16_t index;
    struct virtio_used_entry ring[];
};
static_assert(offsetof(struct virtio_used, ring) == 4, "2.7.8");
static_assert(sizeof(struct virtio_used_entry) == 8, "2.7.8");

enum { VIRTIO_NO_INTERRUPT = 1, VIRTIO_NO_NOTIFY = 1 };
enum { VIRTIO_SIZE_MAX = 32768 }; /* 2.7 */

/* Make the memory of a queue whose `virtio`, `entries`, `segments` and `handler` are set. 0 or
 * an errno value. */
int virtio_queue_memory(struct virtio_queue *queue);

/* Nothing is in the queue any more: its memory and what we know of it as at the beginning. */
void virtio_queue_clear(struct virtio_queue *queue);

#endif
