/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's shell.
 */
#include "shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/supervisor_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/startup.h>
#include <kit/clock.h>
#include <kit/log.h>

#include "console.h"
#include "editor.h"
#include "words.h"

#define PROMPT "outboard> "

mach_port_t shell_supervisor;

static const struct command commands_shell[];
static const struct command *const tables[] = {
    commands_shell,     commands_system,     commands_files,  commands_device,    commands_master,
    commands_bench,     commands_churn,      commands_net,    commands_net_bench, commands_net_load,
    commands_net_share, commands_net_device, commands_serial, commands_input,     commands_parallel,
    commands_stream,    commands_script,     commands_until,
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

int shell_complain(const char *command, const char *what, int error)
{
    /* The C library's words for these are about other things. */
    const char *reason = error == ERANGE    ? "past the end of the device"
                         : error == ENXIO   ? "nothing is mounted there"
                         : error == ETXTBSY ? "a file system on it is mounted; umount it first"
                                            : strerror(error);

    console_print("%s: %s: %s\n", command, what, reason);
    return 1;
}

bool shell_number(const char *word, uint64_t *value)
{
    char *end;

    if (*word < '0' || *word > '9')
        return false;
    errno = 0;
    *value = strtoull(word, &end, 0);
    return errno == 0 && *end == '\0';
}

int shell_each_device(const char *class, int (*visit)(const char *name))
{
    mach_msg_type_number_t size = 0;
    records_t text = NULL;
    int status = 0;

    int error = error_from_kernel(supervisor_report(shell_supervisor, (char *)class, &text, &size));
    if (error != 0)
        return shell_complain(class, "supervisor", error);
    for (const char *at = text, *end = text + size; at < end;) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        char name[64];
        if (!blank || (size_t)(blank - at) >= sizeof(name))
            break;
        memcpy(name, at, (size_t)(blank - at));
        name[blank - at] = '\0';
        status |= visit(name);
        at = blank + 1;
    }
    memory_pages_free(text, size);
    return status;
}

static const struct command *command_find(const char *name)
{
    for (unsigned t = 0; t < TABLES; t++) {
        for (const struct command *command = tables[t]; command->name; command++) {
            if (strcmp(command->name, name) == 0)
                return command;
        }
    }
    return NULL;
}

static int help_tell(const struct command *command)
{
    console_print("%-15s %-26s %s\n", command->name, command->arguments, command->help);
    return 0;
}

static int command_unknown(const char *name)
{
    console_print("%s: no such command; try help\n", name);
    return 127;
}

static int help_run(unsigned count, char **words)
{
    if (count > 2)
        return SHELL_USAGE;
    if (count == 2) {
        const struct command *command = command_find(words[1]);
        return command ? help_tell(command) : command_unknown(words[1]);
    }
    for (unsigned t = 0; t < TABLES; t++) {
        for (const struct command *command = tables[t]; command->name; command++)
            help_tell(command);
    }
    return 0;
}

/* Also what bench/files counts the instructions of. */
static int time_run(unsigned count, char **words)
{
    if (count < 2)
        return SHELL_USAGE;
    uint64_t start = clock_now();
    bench_mark_begin();
    int status = shell_command(count - 1, words + 1);
    bench_mark_end();
    console_print("%s took %llu us\n", words[1],
                  (unsigned long long)((clock_now() - start) / 1000));
    return status;
}

static const struct command commands_shell[] = {
    {"help", "[COMMAND]", "what there is", help_run},
    {"time", "COMMAND [WORD...]", "run it, and say how long it took", time_run},
    {0},
};

int shell_command(unsigned count, char **words)
{
    const struct command *command = command_find(words[0]);

    if (!command)
        return command_unknown(words[0]);
    int status = command->run(count, words);
    if (status == SHELL_USAGE)
        console_print("usage: %s%s%s\n", command->name, command->arguments[0] ? " " : "",
                      command->arguments);
    return status;
}

static int result; /* of the line that runs */

int shell_status(void)
{
    return result;
}

int shell_run(char *line)
{
    struct words words;

    while (*line) {
        int error = words_next(&line, &words);
        int status = 0;
        if (error != 0) {
            console_print("%s\n", error == E2BIG ? "too many words" : "a quote is not closed");
            return result ? result : SHELL_USAGE;
        }
        if (words.count > 0)
            status = shell_command(words.count, words.word);
        result = result ? result : status;
    }
    return result;
}

/* The rest of a line that a program sent. False: too long, or the console is gone. */
static bool frame_read(char *line, size_t size)
{
    for (size_t length = 0; length < size; length++) {
        int byte = console_get();
        if (byte < 0)
            return false;
        if (byte == '\n') {
            line[length] = '\0';
            return true;
        }
        line[length] = (char)byte;
    }
    return false;
}

static void turn(char *line)
{
    console_raw(PROMPT, strlen(PROMPT));
    int first = console_get();

    if (first == CONSOLE_STX) {
        bool whole = frame_read(line, CONSOLE_LINE_SIZE);
        console_frame_begin();
        int status = SHELL_USAGE;
        result = 0;
        if (whole)
            status = shell_run(line);
        else
            console_print("the line of commands is too long\n");
        console_frame_end(status);
    } else if (editor_read(PROMPT, first, line, CONSOLE_LINE_SIZE)) {
        result = 0;
        shell_run(line);
    }
}

int main(int argc, char **argv)
{
    static char line[CONSOLE_LINE_SIZE + 1];
    mach_port_t console;

    (void)argc, (void)argv;
    int error = startup_capability("console", &console);
    if (error == 0)
        error = startup_capability("supervisor", &shell_supervisor);
    startup_done(error);
    if (error != 0)
        return EXIT_FAILURE;
    console_start(console);
    console_print("\nOutboard. Type help for what there is, halt to stop.\n");
    for (;;)
        turn(line);
}
