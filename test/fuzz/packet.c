/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames from anywhere, as ping and net-answer look at them. An answer is never longer than its
 * room, is told by what it answers, and is none to an answer.
 */
#include <service/shell/packet.h>
#include <test/fuzz/fuzz.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct packet_host self = {{0x52, 0x54, 0, 1, 2, 3}, 0x0a00020f};
    uint32_t other = fuzz_take32(&input), address;
    size_t limit = 60 + fuzz_take8(&input) * 6u;
    uint16_t sequence = fuzz_take16(&input);
    uint8_t hardware[6];

    /* On the heap, so that a byte too far is noticed. */
    size_t length = input.size;
    uint8_t *frame = malloc(length + 1), *answer = malloc(limit), *again = malloc(limit);
    fuzz_require(frame && answer && again);
    memcpy(frame, input.data, length);
    frame[length] = '\0';
    size_t made = packet_answer(frame, length, &self, answer, limit);
    fuzz_require(made <= limit && (made == 0 || made >= PACKET_LEAST));
    if (made > 0) {
        fuzz_require(memcmp(answer + 6, self.hardware, 6) == 0 && !(frame[6] & 1));
        fuzz_require(packet_answer(answer, made, &self, again, limit) == 0);
    }
    packet_is_arp_reply(frame, length, &self, other, hardware);
    packet_is_echo_reply(frame, length, &self, other, 1, sequence, length & 63);
    packet_address_parse((const char *)frame, &address);
    packet_hardware_parse((const char *)frame, hardware);
    free(frame);
    free(answer);
    free(again);
    return 0;
}
