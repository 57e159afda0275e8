/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "filter_internal.h"

enum { HEADER_WORDS = NET_HDW_HDR_MAX / sizeof(filter_t) };

/* What is in front of a frame's data for a classic filter: its length with this, and the type. */
enum { PREFIX_WORDS = sizeof(struct packet_header) / sizeof(filter_t) };

struct stack {
    uint32_t value[NET_FILTER_STACK_DEPTH + 1];
    unsigned depth;
};

static bool stack_push(struct stack *stack, uint32_t value)
{
    if (stack->depth == NET_FILTER_STACK_DEPTH + 1)
        return false;
    stack->value[stack->depth++] = value;
    return true;
}

static bool stack_pop(struct stack *stack, uint32_t *value)
{
    if (stack->depth == 0)
        return false;
    *value = stack->value[--stack->depth];
    return true;
}

/* Words are as they lie in memory, not turned round. */
static uint32_t word_at(const unsigned char *bytes, uint32_t index)
{
    filter_t word;

    memcpy(&word, bytes + (size_t)index * sizeof(word), sizeof(word));
    return word;
}

static bool header_word(const unsigned char *frame, uint32_t index, uint32_t *value)
{
    unsigned char header[NET_HDW_HDR_MAX] = {0};

    if (index >= HEADER_WORDS)
        return false;
    memcpy(header, frame, FILTER_ETHERNET);
    *value = word_at(header, index);
    return true;
}

static bool data_word(const unsigned char *frame, uint32_t length, uint32_t index, uint32_t *value)
{
    uint32_t data = length - FILTER_ETHERNET;

    if (index == 0) {
        *value = (uint16_t)(data + sizeof(struct packet_header));
        return true;
    }
    if (index == 1) {
        *value = word_at(frame + FILTER_ETHERNET - sizeof(filter_t), 0);
        return true;
    }
    if (index - PREFIX_WORDS >= data / sizeof(filter_t))
        return false;
    *value = word_at(frame + FILTER_ETHERNET, index - PREFIX_WORDS);
    return true;
}

/* A word's argument, its low part. `literal` is the word that follows. */
static bool classic_argument(struct stack *stack, unsigned argument, filter_t literal,
                             const unsigned char *frame, uint32_t length, uint32_t *value)
{
    switch (argument) {
    case NETF_NOPUSH:
        return stack_pop(stack, value);
    case NETF_PUSHLIT:
        *value = literal;
        return true;
    case NETF_PUSHZERO:
        *value = 0;
        return true;
    case NETF_PUSHIND:
        return stack_pop(stack, value) && data_word(frame, length, *value, value);
    case NETF_PUSHHDRIND:
        return stack_pop(stack, value) && header_word(frame, *value, value);
    default:
        break;
    }
    if (argument >= NETF_PUSHSTK) {
        if (argument - NETF_PUSHSTK >= stack->depth)
            return false;
        *value = stack->value[stack->depth - 1 - (argument - NETF_PUSHSTK)];
        return true;
    }
    if (argument >= NETF_PUSHHDR)
        return header_word(frame, argument - NETF_PUSHHDR, value);
    return argument >= NETF_PUSHWORD && data_word(frame, length, argument - NETF_PUSHWORD, value);
}

enum verdict { GO_ON, ACCEPT, REFUSE };

/* Those that end the program if their two operands are equal, or if they are not. */
static bool classic_ends(unsigned operation, bool equal, enum verdict *verdict)
{
    bool ends = operation == NETF_COR || operation == NETF_CNOR ? equal : !equal;

    switch (operation) {
    case NETF_COR:
    case NETF_CNAND:
        *verdict = ends ? ACCEPT : GO_ON;
        return true;
    case NETF_CAND:
    case NETF_CNOR:
        *verdict = ends ? REFUSE : GO_ON;
        return true;
    default:
        return false;
    }
}

static bool classic_compute(unsigned operation, uint32_t top, uint32_t argument, uint32_t *result)
{
    switch (operation) {
    case NETF_AND:
        *result = top & argument;
        return true;
    case NETF_OR:
        *result = top | argument;
        return true;
    case NETF_XOR:
        *result = top ^ argument;
        return true;
    case NETF_EQ:
        *result = top == argument;
        return true;
    case NETF_NEQ:
        *result = top != argument;
        return true;
    case NETF_LT:
        *result = top < argument;
        return true;
    case NETF_LE:
        *result = top <= argument;
        return true;
    case NETF_GT:
        *result = top > argument;
        return true;
    case NETF_GE:
        *result = top >= argument;
        return true;
    case NETF_LSH:
    case NETF_RSH:
        *result = filter_shift(top, argument, operation == NETF_LSH);
        return true;
    case NETF_ADD:
        *result = top + argument;
        return true;
    case NETF_SUB:
        *result = top - argument;
        return true;
    default:
        return false;
    }
}

static unsigned operator_of(filter_t word)
{
    return (unsigned)NETF_OP(word) << NETF_NBPA;
}

/* One word: false if it cannot be carried out. */
static bool classic_step(struct stack *stack, filter_t word, filter_t literal,
                         const unsigned char *frame, uint32_t length, enum verdict *verdict)
{
    unsigned operation = operator_of(word);
    uint32_t argument, top;

    *verdict = GO_ON;
    if (!classic_argument(stack, NETF_ARG(word), literal, frame, length, &argument))
        return false;
    if (operation == NETF_NOP)
        return stack_push(stack, argument);
    if (!stack_pop(stack, &top))
        return false;
    if (classic_ends(operation, top == argument, verdict))
        return true;
    return classic_compute(operation, top, argument, &top) && stack_push(stack, top);
}

bool filter_classic_run(const struct filter *filter, const unsigned char *frame, uint32_t length)
{
    struct stack stack = {.value = {1}, .depth = 1};
    enum verdict verdict = GO_ON;

    for (unsigned at = 1; at < filter->count; at++) {
        filter_t word = filter->word[at];
        bool has_literal = NETF_ARG(word) == NETF_PUSHLIT;
        filter_t literal = has_literal && at + 1 < filter->count ? filter->word[at + 1] : 0;
        if (!classic_step(&stack, word, literal, frame, length, &verdict))
            return false;
        if (verdict != GO_ON)
            return verdict == ACCEPT;
        at += has_literal;
    }
    return stack.depth > 0 && stack.value[stack.depth - 1] != 0;
}

/* There are no jumps: how deep the stack is at each word does not depend on the frame. */
bool filter_classic_check(const struct filter *filter)
{
    unsigned depth = 1;
    enum verdict ignored;
    uint32_t unused;

    for (unsigned at = 1; at < filter->count; at++) {
        unsigned argument = NETF_ARG(filter->word[at]);
        unsigned operation = operator_of(filter->word[at]);
        bool pops =
            argument == NETF_NOPUSH || argument == NETF_PUSHIND || argument == NETF_PUSHHDRIND;
        bool is_known = argument <= NETF_PUSHZERO || pops || argument >= NETF_PUSHWORD;
        if (!is_known || depth < pops || (argument == NETF_PUSHLIT && ++at == filter->count) ||
            (argument >= NETF_PUSHSTK && argument - NETF_PUSHSTK >= depth))
            return false;
        depth -= pops;
        if (operation == NETF_NOP) {
            if (depth++ == NET_FILTER_STACK_DEPTH)
                return false;
            continue;
        }
        if (depth == 0)
            return false;
        if (classic_ends(operation, true, &ignored))
            depth--;
        else if (!classic_compute(operation, 0, 0, &unused))
            return false;
    }
    return true;
}
