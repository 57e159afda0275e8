/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packet filters as device_set_filter has them (device/net_status.h, device/bpf.h): the classic
 * ones, programs of 16-bit words for a machine with a stack, and BPF's. Programs come from others:
 * they are checked once, and each access is bounded when they run. Portable.
 */
#ifndef SERVICE_NETDEVICE_FILTER_H
#define SERVICE_NETDEVICE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <device/net_status.h>

enum { FILTER_ETHERNET = 14 }; /* bytes of a frame's header */

struct filter {
    unsigned count;
    bool is_bpf, in, out; /* which language; for frames that come, that go */
    union {
        filter_t word[NET_MAX_FILTER];
        struct bpf_insn instruction[NET_MAX_BPF];
    };
};

/* Take over a program of so many words. False: there can be none like it. */
bool filter_make(struct filter *filter, const filter_t *words, size_t count);

/* How many bytes of the frame's data, which is what follows its header, the program wants; a frame
 * without data that it wants is FILTER_EMPTY. `frame` has `length` bytes, a header at least. */
#define FILTER_REFUSED 0u
#define FILTER_EMPTY   UINT32_MAX
uint32_t filter_run(const struct filter *filter, const unsigned char *frame, uint32_t length);

#endif
