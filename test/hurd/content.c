/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is on the disk. In the scratch area each record has a version: its bytes follow from seed,
 * record and version. Outside nobody writes: the beginning of the disk, where the tree is, has to
 * stay as it was when it was first read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stand_in.h"

enum { VERSION_UNKNOWN = 0 };

static uint64_t seed, random_state;
static uint32_t record_size;
static uint64_t scratch_start, scratch_records;
static uint32_t *versions, *made; /* per record of the scratch area: settled, last made */
static uint64_t known_records;
static uint64_t *known; /* per record at the beginning: a checksum; 0: not seen yet */

/* SplitMix64. */
uint64_t random_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t random_next(void)
{
    return random_state = random_mix(random_state);
}

int content_init(const struct disk *disk, const struct options *options)
{
    seed = random_state = options->seed;
    record_size = disk->record_size;
    scratch_start = options->scratch_start;
    scratch_records = options->scratch_records;
    known_records = disk_quiet_records(disk, options);
    known = calloc(known_records ? known_records : 1, sizeof(*known));
    versions = calloc(scratch_records ? scratch_records : 1, sizeof(*versions));
    made = calloc(scratch_records ? scratch_records : 1, sizeof(*made));
    return known && versions && made ? 0 : ENOMEM;
}

static bool in_scratch(uint64_t record)
{
    return record >= scratch_start && record - scratch_start < scratch_records;
}

static uint64_t word_of(uint64_t record, uint32_t version, uint32_t word)
{
    return random_mix(random_mix(seed ^ random_mix(record)) ^ (uint64_t)version << 32 ^ word);
}

static void record_fill(uint64_t record, uint32_t version, unsigned char *data)
{
    for (uint32_t word = 0; word < record_size / sizeof(uint64_t); word++) {
        uint64_t value = word_of(record, version, word);
        memcpy(data + word * sizeof(value), &value, sizeof(value));
    }
}

void content_make(uint64_t record, uint64_t count, unsigned char *data)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = record + i - scratch_start;
        versions[index] = VERSION_UNKNOWN;
        record_fill(record + i, ++made[index], data + i * record_size);
    }
}

void content_settle(uint64_t record, uint64_t count, bool written)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = record + i - scratch_start;
        versions[index] = written ? made[index] : VERSION_UNKNOWN;
    }
}

static uint64_t checksum(const unsigned char *data)
{
    uint64_t sum = 0;

    for (uint32_t word = 0; word < record_size / sizeof(uint64_t); word++) {
        uint64_t value;
        memcpy(&value, data + word * sizeof(value), sizeof(value));
        sum = random_mix(sum ^ value);
    }
    return sum ? sum : 1;
}

static bool scratch_same(const char *what, uint64_t record, const unsigned char *data)
{
    uint32_t version = versions[record - scratch_start];

    for (uint32_t word = 0; version != VERSION_UNKNOWN && word < record_size / sizeof(uint64_t);
         word++) {
        uint64_t got, expected = word_of(record, version, word);
        memcpy(&got, data + word * sizeof(got), sizeof(got));
        if (got != expected) {
            check_failed("%s: record %llu, byte %zu: expected %#llx (version %u), got %#llx", what,
                         (unsigned long long)record, word * sizeof(got),
                         (unsigned long long)expected, version, (unsigned long long)got);
            return false;
        }
    }
    return true;
}

static bool elsewhere_same(const char *what, uint64_t record, const unsigned char *data)
{
    uint64_t sum;

    if (record >= known_records)
        return true;
    sum = checksum(data);
    if (known[record] == 0)
        known[record] = sum;
    if (known[record] == sum)
        return true;
    check_failed("%s: record %llu: expected what it held before, got other bytes", what,
                 (unsigned long long)record);
    return false;
}

void content_check(const char *what, uint64_t record, uint64_t count, const unsigned char *data)
{
    for (uint64_t i = 0; i < count; i++, data += record_size)
        if (in_scratch(record + i) ? !scratch_same(what, record + i, data)
                                   : !elsewhere_same(what, record + i, data))
            return;
    check_passed();
}
