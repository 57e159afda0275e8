/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A command again and again, until the supervisor says of a task what is waited for: that it is
 * running again, or that it has come to grief often enough under a load.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/supervisor_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <kit/clock.h>

#include "console.h"
#include "shell.h"

#define UNTIL_LIMIT (120 * CLOCK_SECOND)

/* What the row of that task in the report is to say. */
struct wanted {
    const char *name, *state;
    uint64_t restarts; /* at least */
};

static bool row_says(char *row, const struct wanted *wanted)
{
    enum { NAME, KIND, STATE, TASK, MEMORY, UPTIME, RESTARTS, WORDS };
    char *word[WORDS], *rest;

    for (unsigned i = 0; i < WORDS; i++) {
        word[i] = strtok_r(i == 0 ? row : NULL, " ", &rest);
        if (!word[i])
            return false;
    }
    return strcmp(word[NAME], wanted->name) == 0 && strcmp(word[STATE], wanted->state) == 0 &&
           strtoull(word[RESTARTS], NULL, 10) >= wanted->restarts;
}

static int report_says(const struct wanted *wanted, bool *says)
{
    mach_msg_type_number_t size = 0;
    records_t text = NULL;
    char *rest;

    int error = error_from_kernel(supervisor_report(shell_supervisor, "drivers", &text, &size));
    if (error != 0)
        return error;
    char *copy = strndup(text, size);
    memory_pages_free(text, size);
    if (!copy)
        return ENOMEM;
    *says = false;
    for (char *row = strtok_r(copy, "\n", &rest); row && !*says; row = strtok_r(NULL, "\n", &rest))
        *says = row_says(row, wanted);
    free(copy);
    return 0;
}

static int until_run(unsigned count, char **words)
{
    struct wanted wanted = {.state = "running"};
    bool done = false;

    if (count < 4)
        return SHELL_USAGE;
    wanted.name = words[1];
    if (!shell_number(words[2], &wanted.restarts))
        wanted.state = words[2];
    uint64_t deadline = clock_now() + UNTIL_LIMIT;
    do {
        int status = shell_command(count - 3, words + 3);
        if (status != 0)
            return status;
        int error = report_says(&wanted, &done);
        if (error != 0)
            return shell_complain("until", "supervisor", error);
    } while (!done && clock_now() < deadline);
    return done ? 0 : shell_complain("until", wanted.name, ETIMEDOUT);
}

const struct command commands_until[] = {
    {"until", "TASK RESTARTS|STATE COMMAND [WORD...]",
     "run it again and again until the task has that state, or runs and was restarted so often",
     until_run},
    {0},
};
