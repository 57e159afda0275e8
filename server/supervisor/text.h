/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text that grows in whole pages, as a MIG reply takes it.
 */
#ifndef SERVER_SUPERVISOR_TEXT_H
#define SERVER_SUPERVISOR_TEXT_H

#include <stddef.h>

/* Zero-initialised: empty. */
struct text {
    char *data; /* pages; not NUL-terminated */
    size_t length, capacity;
};

/* Append; what there is no memory for is left out. */
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_append(struct text *text, const char *data, size_t length);

/* Give back the pages behind the text: what is left is what MIG passes on, whole. */
void text_trim(struct text *text);

#endif
