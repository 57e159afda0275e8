/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "words.h"

#include <errno.h>
#include <string.h>

/* One word from `*from`, written back over the line without its quotes. */
static int word_take(char **from, char **result)
{
    char *read = *from, *write = *from, quote = '\0';

    *result = write;
    for (; *read; read++) {
        if (quote) {
            if (*read == quote)
                quote = '\0';
            else
                *write++ = *read;
        } else if (*read == '"' || *read == '\'') {
            quote = *read;
        } else if (strchr(" \t;", *read)) {
            break;
        } else {
            *write++ = *read;
        }
    }
    *from = read;
    if (quote)
        return EINVAL;
    /* The end of the word may be where the separator stands: the caller has yet to look at it. */
    if (write < read)
        *write = '\0';
    return 0;
}

int words_next(char **line, struct words *words)
{
    char *at = *line, *word;

    words->count = 0;
    for (;;) {
        at += strspn(at, " \t");
        if (*at == '\0' || *at == ';')
            break;
        if (words->count == WORDS_MAX)
            return E2BIG;
        int error = word_take(&at, &word);
        if (error != 0)
            return error;
        words->word[words->count++] = word;
        char separator = *at;
        if (separator == '\0')
            break;
        *at++ = '\0';
        if (separator == ';') {
            words->word[words->count] = NULL;
            *line = at;
            return 0;
        }
    }
    words->word[words->count] = NULL;
    *line = *at == ';' ? at + 1 : at;
    return 0;
}
