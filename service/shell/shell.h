/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell's commands. Each returns its exit status: 0, 1 when something failed (and said so), or
 * SHELL_USAGE.
 */
#ifndef SERVICE_SHELL_SHELL_H
#define SERVICE_SHELL_SHELL_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/port.h>

#include <bench/marks.h>

enum { SHELL_USAGE = 2 };

struct command {
    const char *name, *arguments, *help;
    int (*run)(unsigned count, char **words); /* words[0] is the name */
};

/* Of commands_*.c; each ends with a null name. */
extern const struct command commands_files[], commands_device[], commands_master[],
    commands_system[], commands_bench[], commands_churn[], commands_net[], commands_net_bench[],
    commands_net_load[], commands_net_share[], commands_net_device[], commands_serial[],
    commands_input[], commands_parallel[], commands_stream[], commands_script[], commands_until[];

extern mach_port_t shell_supervisor;

/* "COMMAND: WHAT: reason"; returns 1, the status to return. */
int shell_complain(const char *command, const char *what, int error);

/* A number in decimal, or hexadecimal after 0x; false if it is none. */
bool shell_number(const char *word, uint64_t *value);

/* Call `visit` with the name of each device of that class; whether one of them returned not 0. */
int shell_each_device(const char *class, int (*visit)(const char *name));

/* Run a command, words[0], and complain if it is none or is used badly. */
int shell_command(unsigned count, char **words);

/* Run a line of commands; the status of the first that failed. */
int shell_run(char *line);

/* That status so far, for a command after which there is nothing more to say. */
int shell_status(void);

#endif
