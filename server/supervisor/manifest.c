/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/manifest.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

enum { TEXT_SIZE_MAX = 4096, LINE_SIZE_MAX = 1024 };

/* Exactly so many hexadecimal digits; `text` moves on behind them. */
static bool hex_parse(const char **text, unsigned digits, unsigned *value)
{
    static const char set[] = "0123456789abcdef";

    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        const char *found = **text ? strchr(set, tolower((unsigned char)**text)) : NULL;
        if (!found)
            return false;
        *value = *value * 16 + (unsigned)(found - set);
        (*text)++;
    }
    return true;
}

static bool ids_parse(struct manifest *manifest, const char *text)
{
    while (*text) {
        unsigned vendor, device;

        if (manifest->id_count == MANIFEST_IDS_MAX || !hex_parse(&text, 4, &vendor) ||
            *text++ != ':' || !hex_parse(&text, 4, &device) || (*text != ' ' && *text != '\0'))
            return false;
        manifest->id[manifest->id_count].vendor = (uint16_t)vendor;
        manifest->id[manifest->id_count].device = (uint16_t)device;
        manifest->id_count++;
        text += strspn(text, " ");
    }
    return manifest->id_count > 0;
}

static bool class_part_parse(const char **text, bool *any, uint8_t *part)
{
    unsigned value;

    if (*(*text)++ != ':')
        return false;
    *any = **text == '*';
    if (*any) {
        (*text)++;
        return true;
    }
    if (!hex_parse(text, 2, &value))
        return false;
    *part = (uint8_t)value;
    return true;
}

static bool class_parse(struct manifest *manifest, const char *text)
{
    unsigned value;

    if (!hex_parse(&text, 2, &value))
        return false;
    manifest->class_code = (uint8_t)value;
    manifest->has_class = class_part_parse(&text, &manifest->any_subclass, &manifest->subclass) &&
                          class_part_parse(&text, &manifest->any_interface, &manifest->interface) &&
                          *text == '\0';
    return manifest->has_class;
}

static bool name_parse(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length >= size ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return false;
    memcpy(field, text, length + 1);
    return true;
}

static bool program_parse(struct manifest *manifest, const char *text)
{
    return name_parse(manifest->program, sizeof(manifest->program), text);
}

/* "control" is what each driver has besides. */
static bool serves_parse(struct manifest *manifest, const char *text)
{
    return name_parse(manifest->class, sizeof(manifest->class), text) &&
           strcmp(text, "control") != 0;
}

static bool vectors_parse(struct manifest *manifest, const char *text)
{
    size_t length = strspn(text, "0123456789");

    manifest->vectors = length > 0 && length < 5 && text[length] == '\0' ? (unsigned)atoi(text) : 0;
    return manifest->vectors > 0;
}

static bool yes_parse(bool *yes, const char *text)
{
    *yes = strcmp(text, "yes") == 0;
    return *yes || strcmp(text, "no") == 0;
}

static bool resets_parse(struct manifest *manifest, const char *text)
{
    return yes_parse(&manifest->resets, text);
}

static bool whole_task_parse(struct manifest *manifest, const char *text)
{
    return yes_parse(&manifest->whole_task, text);
}

static bool bus_parse(struct manifest *manifest, const char *text)
{
    if (strcmp(text, "pci") == 0)
        manifest->bus = MANIFEST_PCI;
    else if (strcmp(text, "isa") == 0)
        manifest->bus = MANIFEST_ISA;
    return manifest->bus != MANIFEST_NO_BUS;
}

/* The next word of a text whose words are parted by blanks; false: there is none, or it is too
 * long. */
static bool word_next(const char **text, char *word, size_t size)
{
    *text += strspn(*text, " ");
    size_t length = strcspn(*text, " ");

    if (length == 0 || length >= size)
        return false;
    memcpy(word, *text, length);
    word[length] = '\0';
    *text += length;
    return true;
}

/* All of a word is a number up to `most`, in that base. */
static bool number_parse(const char *text, int base, unsigned most, unsigned *value)
{
    char *end;

    if (!isxdigit((unsigned char)*text) || strlen(text) > 4)
        return false;
    *value = (unsigned)strtoul(text, &end, base);
    return *end == '\0' && *value <= most;
}

static bool range_parse(struct isa_resources *fixed, unsigned index, char *word)
{
    char *dash = strchr(word, '-');
    unsigned first, last;

    if (index == ISA_RANGES || !dash)
        return false;
    *dash = '\0';
    if (!number_parse(word, 16, UINT16_MAX, &first) ||
        !number_parse(dash + 1, 16, UINT16_MAX, &last) || first > last || last == 0)
        return false;
    fixed->ports[index].first = (uint16_t)first;
    fixed->ports[index].last = (uint16_t)last;
    return true;
}

static bool fixed_parse(struct manifest *manifest, const char *text)
{
    struct isa_resources fixed = {.probe = 0};
    unsigned ranges = 0, lines = 0, value;
    char word[16];

    if (manifest->fixed_count == MANIFEST_FIXED_MAX || !word_next(&text, word, sizeof(word)) ||
        strcmp(word, "ports") != 0)
        return false;
    while (word_next(&text, word, sizeof(word)) && strcmp(word, "probe") != 0) {
        if (!range_parse(&fixed, ranges++, word))
            return false;
    }
    if (ranges == 0 || !word_next(&text, word, sizeof(word)) ||
        !number_parse(word, 16, UINT16_MAX, &value))
        return false;
    fixed.probe = (uint16_t)value;
    if (word_next(&text, word, sizeof(word)) && strcmp(word, "lines") != 0)
        return false;
    while (word_next(&text, word, sizeof(word))) {
        if (lines == ISA_LINES || !number_parse(word, 10, 15, &value) || value == 0)
            return false;
        fixed.line[lines++] = (uint8_t)value;
    }
    manifest->fixed[manifest->fixed_count++] = fixed;
    return *text == '\0';
}

static const struct key {
    const char *section, *name;
    bool (*parse)(struct manifest *manifest, const char *value);
    bool repeats; /* may be given again, or go on in an indented line */
} keys[] = {
    {"driver", "program", program_parse, false},
    {"driver", "class", serves_parse, false},
    {"driver", "vectors", vectors_parse, false},
    {"driver", "resets", resets_parse, false},
    {"driver", "whole-task", whole_task_parse, false},
    {"match", "bus", bus_parse, false},
    {"match", "ids", ids_parse, true},
    {"match", "class", class_parse, false},
    {"match", "device", fixed_parse, true},
};

struct parser {
    struct manifest *manifest;
    unsigned seen; /* a bit per key */
    char *problem;
    size_t problem_size;
};

/* inih's handler: 0 stops with the number of the line. */
static int line_parse(void *context, const char *section, const char *name, const char *value)
{
    struct parser *parser = context;

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
            continue;
        if ((parser->seen & 1u << i) && !keys[i].repeats) {
            snprintf(parser->problem, parser->problem_size, "[%s] %s: given twice", section, name);
            return 0;
        }
        parser->seen |= 1u << i;
        if (keys[i].parse(parser->manifest, value))
            return 1;
        snprintf(parser->problem, parser->problem_size, "[%s] %s: \"%s\" is not a value for it",
                 section, name, value);
        return 0;
    }
    snprintf(parser->problem, parser->problem_size, "[%s] %s: unknown key", section, name);
    return 0;
}

int manifest_parse(const char *text, size_t size, struct manifest *manifest, char *problem,
                   size_t problem_size)
{
    char detail[128] = "";
    struct parser parser = {manifest, 0, detail, sizeof(detail)};

    memset(manifest, 0, sizeof(*manifest));
    manifest->vectors = 1;
    problem[0] = '\0';
    if (size > TEXT_SIZE_MAX || memchr(text, '\0', size)) {
        snprintf(problem, problem_size, "this is not a text of at most %d bytes", TEXT_SIZE_MAX);
        return EBADMSG;
    }
    char *copy = calloc(1, size + 1);
    if (!copy) {
        snprintf(problem, problem_size, "no memory to read it");
        return ENOMEM;
    }
    memcpy(copy, text, size);
    ini_stop_on_first_error = true; /* so that the line and the problem belong together */
    ini_max_line = LINE_SIZE_MAX;   /* all ids fit on one */
    int line = ini_parse_string(copy, line_parse, &parser);
    free(copy);

    if (line != 0)
        snprintf(problem, problem_size, "line %d: %s", line,
                 detail[0] ? detail : "neither section nor key");
    else if (!manifest->program[0] || !manifest->class[0])
        snprintf(problem, problem_size, "[driver] needs program and class");
    else if (manifest->bus == MANIFEST_ISA && manifest->fixed_count == 0)
        snprintf(problem, problem_size, "[match] needs device, where the bus is isa");
    else if (manifest->bus != MANIFEST_ISA && (manifest->bus == MANIFEST_NO_BUS ||
                                               (manifest->id_count == 0 && !manifest->has_class)))
        snprintf(problem, problem_size, "[match] needs bus, and ids or class");
    return problem[0] ? EBADMSG : 0;
}

int manifest_match(const struct manifest *manifest, const struct pci_function_info *function)
{
    if (manifest->bus != MANIFEST_PCI)
        return 0;
    for (unsigned i = 0; i < manifest->id_count; i++) {
        if (manifest->id[i].vendor == function->vendor &&
            manifest->id[i].device == function->device_id)
            return 2;
    }
    return manifest->has_class && manifest->class_code == function->class_code &&
           (manifest->any_subclass || manifest->subclass == function->subclass) &&
           (manifest->any_interface || manifest->interface == function->interface);
}

int manifest_choose(const struct manifest *manifests, unsigned count,
                    const struct pci_function_info *function)
{
    int best = -1, best_match = 0;

    for (unsigned i = 0; i < count; i++) {
        int match = manifest_match(&manifests[i], function);
        if (match > best_match) {
            best = (int)i;
            best_match = match;
        }
    }
    return best;
}
