/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/core/setting.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

bool setting_find(const char *settings, const char *name, unsigned *value)
{
    size_t length = strlen(name);

    while (*settings) {
        const char *digits = settings + length + 1;
        if (strncmp(settings, name, length) == 0 && settings[length] == '=' &&
            strspn(digits, "0123456789") > 0) {
            unsigned long found = strtoul(digits, NULL, 10);
            *value = found < UINT_MAX ? (unsigned)found : UINT_MAX;
            return true;
        }
        settings += strcspn(settings, " ");
        settings += strspn(settings, " ");
    }
    return false;
}

bool setting_text(const char *settings, const char *name, char *text, size_t size)
{
    size_t length = strlen(name);

    while (*settings) {
        const char *word = settings + length + 1;
        if (strncmp(settings, name, length) == 0 && settings[length] == '=') {
            size_t found = strcspn(word, " ");
            if (found == 0 || found >= size)
                return false;
            memcpy(text, word, found);
            text[found] = '\0';
            return true;
        }
        settings += strcspn(settings, " ");
        settings += strspn(settings, " ");
    }
    return false;
}

bool setting_word(const char *settings, unsigned index, char *word, size_t size)
{
    while (*settings) {
        size_t length = strcspn(settings, " ");
        bool counts = length > 0 && !memchr(settings, '=', length);
        if (counts && index-- == 0) {
            if (length >= size)
                return false;
            memcpy(word, settings, length);
            word[length] = '\0';
            return true;
        }
        settings += length;
        settings += strspn(settings, " ");
    }
    return false;
}
