/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include <string.h>

#include "filter_internal.h"

uint32_t filter_shift(uint32_t value, uint32_t by, bool left)
{
    if (by >= 32)
        return 0;
    return left ? value << by : value >> by;
}

bool filter_make(struct filter *filter, const filter_t *words, size_t count)
{
    if (count == 0 || count > NET_MAX_FILTER)
        return false;
    memset(filter, 0, sizeof(*filter));
    filter->count = (unsigned)count;
    memcpy(filter->word, words, count * sizeof(*words));
    filter->in = words[0] & NETF_IN;
    filter->out = words[0] & NETF_OUT;
    filter->is_bpf = (words[0] & NETF_TYPE_MASK) == NETF_BPF;
    if ((!filter->in && !filter->out) || (!filter->is_bpf && (words[0] & NETF_TYPE_MASK) != 0))
        return false;
    return filter->is_bpf ? filter_bpf_check(filter) : filter_classic_check(filter);
}

uint32_t filter_run(const struct filter *filter, const unsigned char *frame, uint32_t length)
{
    uint32_t data = length - FILTER_ETHERNET;
    uint32_t wanted = filter->is_bpf ? filter_bpf_run(filter, frame, length)
                      : filter_classic_run(filter, frame, length) ? UINT32_MAX
                                                                  : 0;

    if (wanted == 0)
        return FILTER_REFUSED;
    if (data == 0)
        return FILTER_EMPTY;
    return wanted < data ? wanted : data;
}
