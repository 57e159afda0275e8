/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Copy `length` bytes; false if that is no name. */
static bool name_copy(char to[OUTBOARD_NAME_SIZE], const char *from, size_t length)
{
    if (length == 0 || length >= OUTBOARD_NAME_SIZE)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* "NAME=DEVICE", where NAME may be "paging". */
static int word_parse(const char *word, size_t length, struct names *names)
{
    const char *equals = memchr(word, '=', length);
    char name[OUTBOARD_NAME_SIZE], device[OUTBOARD_NAME_SIZE];

    if (!equals || !name_copy(name, word, (size_t)(equals - word)) ||
        !name_copy(device, equals + 1, length - (size_t)(equals + 1 - word)))
        return EINVAL;
    if (strcmp(name, "paging") == 0) {
        if (names->paging_count == NAMES_PAGING_MAX)
            return ENOSPC;
        strcpy(names->paging[names->paging_count++], device);
        return 0;
    }
    if (names->count == NAMES_MAX)
        return ENOSPC;
    strcpy(names->list[names->count].alias, name);
    strcpy(names->list[names->count++].device, device);
    return 0;
}

int names_parse(const char *text, struct names *names)
{
    int error = 0;

    names->count = names->paging_count = 0;
    for (text += strspn(text, " "); *text != '\0' && error == 0; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        error = word_parse(text, length, names);
        text += length;
    }
    return error;
}

/* What follows an alias: nothing, or a slice in BSD's way, whose number is the partition's. */
static bool is_slice(const char *rest)
{
    return rest[0] == 's' && rest[1] != '\0' && strspn(rest + 1, "0123456789") == strlen(rest + 1);
}

int names_resolve(const struct names *names, const char *name, char device[OUTBOARD_NAME_SIZE])
{
    int length = -1;

    for (unsigned i = 0; i < names->count && length < 0; i++) {
        const char *rest = name + strlen(names->list[i].alias);
        if (strncmp(name, names->list[i].alias, strlen(names->list[i].alias)) != 0)
            continue;
        if (*rest == '\0')
            length = snprintf(device, OUTBOARD_NAME_SIZE, "%s", names->list[i].device);
        else if (is_slice(rest))
            length = snprintf(device, OUTBOARD_NAME_SIZE, "%sp%s", names->list[i].device, rest + 1);
    }
    if (length < 0)
        length = snprintf(device, OUTBOARD_NAME_SIZE, "%s", name);
    return length < OUTBOARD_NAME_SIZE ? 0 : ENAMETOOLONG;
}

bool names_is_paged_to(const struct names *names, const char *device)
{
    for (unsigned i = 0; i < names->paging_count; i++) {
        char paging[OUTBOARD_NAME_SIZE];
        if (names_resolve(names, names->paging[i], paging) == 0 && strcmp(paging, device) == 0)
            return true;
    }
    return false;
}

bool names_is_kernels(const char *name)
{
    static const char *const names[] = {"console", "time", "kbd", "mouse", "kmsg", "mbinfo"};
    static const char *const families[] = {"com", "lpr"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        size_t length = strlen(families[i]);
        if (strncmp(name, families[i], length) == 0 && name[length] >= '0' && name[length] <= '9' &&
            name[length + 1] == '\0')
            return true;
    }
    return false;
}

const char *names_root(const char *specification)
{
    static const char kind[] = "device:", part[] = "part:";

    if (strncmp(specification, part, sizeof(part) - 1) == 0) {
        specification += sizeof(part) - 1;
        size_t digits = strspn(specification, "0123456789");
        if (digits == 0 || specification[digits] != ':')
            return NULL;
        specification += digits + 1;
    }
    if (strncmp(specification, kind, sizeof(kind) - 1) != 0 ||
        specification[sizeof(kind) - 1] == '\0')
        return NULL;
    return specification + sizeof(kind) - 1;
}
