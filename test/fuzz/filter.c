/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packet filters that somebody made, on frames from anywhere: neither is read outside of, and no
 * more of a frame is wanted than there is.
 */
#include <service/netdevice/filter.h>
#include <test/fuzz/fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    size_t count = fuzz_take8(&input), length = FILTER_ETHERNET + fuzz_take8(&input);
    struct filter filter;

    /* On the heap, so that a byte too far is noticed. */
    filter_t *words = calloc(count + 1, sizeof(*words));
    uint8_t *frame = calloc(1, length);
    fuzz_require(words && frame);
    for (size_t i = 0; i < count; i++)
        words[i] = fuzz_take16(&input);
    memcpy(frame, input.data, input.size < length ? input.size : length);
    if (filter_make(&filter, words, count)) {
        fuzz_require(count > 0 && count <= NET_MAX_FILTER && (filter.in || filter.out));
        uint32_t wanted = filter_run(&filter, frame, (uint32_t)length);
        fuzz_require(wanted == FILTER_EMPTY ? length == FILTER_ETHERNET
                                            : wanted <= length - FILTER_ETHERNET);
        fuzz_require(filter_run(&filter, frame, (uint32_t)length) == wanted);
    }
    free(words);
    free(frame);
    return 0;
}
