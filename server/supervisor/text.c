/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <host/mach/memory.h>

void text_append(struct text *text, const char *data, size_t length)
{
    if (length > text->capacity - text->length) {
        size_t capacity = text->capacity ? text->capacity * 2 : 16384;
        while (capacity - text->length < length)
            capacity *= 2;
        char *grown = memory_pages_allocate(capacity);
        if (!grown)
            return;
        memcpy(grown, text->data, text->length);
        memory_pages_free(text->data, text->capacity);
        text->data = grown;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

void text_trim(struct text *text)
{
    size_t used = (text->length + 4095) & ~(size_t)4095;

    if (text->capacity > used)
        memory_pages_free(text->data + used, text->capacity - used);
    text->capacity = used;
}

void text_print(struct text *text, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length > 0)
        text_append(text, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}
