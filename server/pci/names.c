/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/names.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct line {
    const char *text;
    size_t length;
};

enum { KEY_SIZE = 16, NAME_MAX_LENGTH = 200 };

/* The line that byte `at` is in, its newline left out. */
static struct line line_around(const char *data, size_t size, size_t at)
{
    size_t begin = at, end = at;

    while (begin > 0 && data[begin - 1] != '\n')
        begin--;
    while (end < size && data[end] != '\n')
        end++;
    return (struct line){data + begin, end - begin};
}

static int line_compare(const struct line *line, const char *key)
{
    size_t length = strlen(key);
    size_t common = line->length < length ? line->length : length;
    int order = memcmp(line->text, key, common);

    if (order != 0)
        return order;
    if (line->length <= length)
        return -1;
    return (unsigned char)line->text[length] - ' ';
}

/* The name behind a key; null if there is none. */
static const char *name_find(const char *data, size_t size, const char *key, int *length)
{
    size_t low = 0, high = size;

    while (low < high) {
        struct line line = line_around(data, size, low + (high - low) / 2);
        size_t begin = (size_t)(line.text - data);
        int order = line_compare(&line, key);

        if (order == 0) {
            size_t skip = strlen(key) + 1, rest = line.length - skip;
            *length = (int)(rest < NAME_MAX_LENGTH ? rest : NAME_MAX_LENGTH);
            return line.text + skip;
        }
        if (order < 0)
            low = begin + line.length + 1;
        else
            high = begin;
    }
    return NULL;
}

int pci_names_find(const char *data, size_t size, uint16_t vendor, uint16_t device, char *out,
                   size_t out_size)
{
    char key[KEY_SIZE];
    int vendor_length = 0, device_length = 0;

    snprintf(key, sizeof(key), "V%04x", vendor);
    const char *vendor_name = name_find(data, size, key, &vendor_length);
    snprintf(key, sizeof(key), "D%04x%04x", vendor, device);
    const char *device_name = name_find(data, size, key, &device_length);

    if (vendor_name && device_name)
        snprintf(out, out_size, "%.*s %.*s", vendor_length, vendor_name, device_length,
                 device_name);
    else if (vendor_name)
        snprintf(out, out_size, "%.*s device %04x", vendor_length, vendor_name, device);
    else
        snprintf(out, out_size, "vendor %04x device %04x", vendor, device);
    return vendor_name && device_name ? 0 : ENOENT;
}

int pci_names_class(const char *data, size_t size, uint8_t class_code, uint8_t subclass,
                    uint8_t interface, char *out, size_t out_size)
{
    char key[KEY_SIZE];
    int length = 0, interface_length = 0;

    snprintf(key, sizeof(key), "C%02x%02x%02x", class_code, subclass, interface);
    const char *interface_name = name_find(data, size, key, &interface_length);
    snprintf(key, sizeof(key), "C%02x%02x", class_code, subclass);
    const char *name = name_find(data, size, key, &length);
    if (!name) {
        snprintf(key, sizeof(key), "C%02x", class_code);
        name = name_find(data, size, key, &length);
    }

    if (name && interface_name)
        snprintf(out, out_size, "%.*s, %.*s", length, name, interface_length, interface_name);
    else if (name)
        snprintf(out, out_size, "%.*s", length, name);
    else
        snprintf(out, out_size, "class %02x%02x%02x", class_code, subclass, interface);
    return name ? 0 : ENOENT;
}
