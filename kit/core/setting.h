/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the operator set for a driver: "poll-from=4 gather=8". For hosts; a driver uses
 * device_setting.
 */
#ifndef KIT_CORE_SETTING_H
#define KIT_CORE_SETTING_H

#include <stdbool.h>
#include <stddef.h>

/* The whole number that follows `name` and a "="; false: there is none. */
bool setting_find(const char *settings, const char *name, unsigned *value);

/* The word that follows `name` and a "="; false: there is none, or it has no room in `size` bytes.
 */
bool setting_text(const char *settings, const char *name, char *text, size_t size);

/* The word number `index` of those without a "=", counted from 0; false: there are fewer, or it has
 * no room in `size` bytes. */
bool setting_word(const char *settings, unsigned index, char *word, size_t size);

#endif
