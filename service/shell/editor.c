/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "editor.h"

#include <string.h>

#include "console.h"

enum { HISTORY_LINES = 32, HISTORY_LINE_SIZE = 512 };
enum {
    CONTROL_A = 1,
    CONTROL_C = 3,
    CONTROL_E = 5,
    CONTROL_H = 8,
    CONTROL_K = 11,
    CONTROL_N = 14,
    CONTROL_P = 16,
    CONTROL_U = 21,
    ESCAPE = 27,
    DELETE = 127
};

static char history[HISTORY_LINES][HISTORY_LINE_SIZE];
static unsigned history_count; /* in all; line n is in slot n % HISTORY_LINES */

struct editor {
    const char *prompt;
    char *line;
    size_t size, length, cursor;
    unsigned recalled; /* history_count: the line being typed */
};

static void redraw(const struct editor *editor)
{
    console_print("\r%s", editor->prompt);
    console_raw(editor->line, editor->length);
    console_print("\x1b[K");
    if (editor->cursor < editor->length)
        console_print("\x1b[%zuD", editor->length - editor->cursor);
}

static void insert(struct editor *editor, char byte)
{
    if (editor->length + 1 >= editor->size)
        return;
    memmove(editor->line + editor->cursor + 1, editor->line + editor->cursor,
            editor->length - editor->cursor);
    editor->line[editor->cursor++] = byte;
    editor->length++;
}

/* Remove the byte before the cursor, moved there first. */
static void erase(struct editor *editor)
{
    if (editor->cursor == 0)
        return;
    editor->cursor--;
    memmove(editor->line + editor->cursor, editor->line + editor->cursor + 1,
            editor->length - editor->cursor - 1);
    editor->length--;
}

static void recall(struct editor *editor, int step)
{
    unsigned oldest = history_count > HISTORY_LINES ? history_count - HISTORY_LINES : 0;

    if ((step < 0 && editor->recalled == oldest) || (step > 0 && editor->recalled == history_count))
        return;
    editor->recalled += (unsigned)step;
    const char *text =
        editor->recalled == history_count ? "" : history[editor->recalled % HISTORY_LINES];
    editor->length = editor->cursor = strlen(text);
    memcpy(editor->line, text, editor->length);
}

/* What follows an escape: "[A" and so on (ECMA-48, 8.3). */
static void escape(struct editor *editor)
{
    if (console_get() != '[')
        return;
    int key = console_get();
    if (key >= '1' && key <= '8' && console_get() != '~')
        return;
    switch (key) {
    case 'A':
        recall(editor, -1);
        break;
    case 'B':
        recall(editor, 1);
        break;
    case 'C':
        editor->cursor += editor->cursor < editor->length;
        break;
    case 'D':
        editor->cursor -= editor->cursor > 0;
        break;
    case 'H':
    case '1':
        editor->cursor = 0;
        break;
    case 'F':
    case '4':
        editor->cursor = editor->length;
        break;
    case '3':
        if (editor->cursor < editor->length) {
            editor->cursor++;
            erase(editor);
        }
        break;
    default:
        break;
    }
}

static void key_handle(struct editor *editor, int key)
{
    switch (key) {
    case CONTROL_A:
        editor->cursor = 0;
        break;
    case CONTROL_E:
        editor->cursor = editor->length;
        break;
    case CONTROL_H:
    case DELETE:
        erase(editor);
        break;
    case CONTROL_K:
        editor->length = editor->cursor;
        break;
    case CONTROL_U:
        editor->length = editor->cursor = 0;
        break;
    case CONTROL_P:
        recall(editor, -1);
        break;
    case CONTROL_N:
        recall(editor, 1);
        break;
    case ESCAPE:
        escape(editor);
        break;
    default:
        if (key >= ' ')
            insert(editor, (char)key);
    }
}

static void remember(const char *line, size_t length)
{
    if (length == 0 || length >= HISTORY_LINE_SIZE)
        return;
    char *slot = history[history_count++ % HISTORY_LINES];
    memcpy(slot, line, length);
    slot[length] = '\0';
}

bool editor_read(const char *prompt, int first, char *line, size_t size)
{
    struct editor editor = {.prompt = prompt, .line = line, .size = size};

    editor.recalled = history_count;
    for (int key = first; key != '\r' && key != '\n'; key = console_get()) {
        if (key < 0 || key == CONTROL_C) {
            console_print("^C\n");
            return false;
        }
        key_handle(&editor, key);
        redraw(&editor);
    }
    console_print("\n");
    remember(line, editor.length);
    line[editor.length] = '\0';
    return true;
}
