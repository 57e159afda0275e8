/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A line of commands into commands, a command into words. Portable.
 */
#ifndef SERVICE_SHELL_WORDS_H
#define SERVICE_SHELL_WORDS_H

enum { WORDS_MAX = 64 };

struct words {
    unsigned count;
    char *word[WORDS_MAX + 1]; /* ends with null */
};

/* Take the next command off `*line` (which is written to, and moved on): words are separated by
 * blanks, commands by ';' or the end; "..." and '...' keep blanks and ';'. 0 (perhaps no words), or
 * EINVAL: a quote is not closed; E2BIG: too many words. */
int words_next(char **line, struct words *words);

#endif
