/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the operator set for a driver: "poll-from=4 gather=8". For hosts; a driver uses
 * device_setting.
 */
#ifndef KIT_SETTING_H
#define KIT_SETTING_H

#include <stdbool.h>

/* The whole number that follows `name` and a "="; false: there is none. */
bool setting_find(const char *settings, const char *name, unsigned *value);

#endif
