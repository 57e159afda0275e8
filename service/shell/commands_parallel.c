/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Parallel ports: how they are, who is connected, and bytes to a printer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <interface/parallel.h>
#include <kit/client/stream.h>

#include "console.h"
#include "shell.h"

enum { CONTROL_LIMIT = 5000, WRITE_LIMIT = 60000, LINES_MAX = 100000 };

/* Part after part, until there is no more. */
static int id_print(struct stream_client *client)
{
    struct parallel_id wanted = {0};
    int error;

    for (;;) {
        uint8_t data[STREAM_DATA];
        size_t size = sizeof(wanted);
        memcpy(data, &wanted, sizeof(wanted));
        error =
            stream_client_control(client, PARALLEL_CODE_ID, 0, false, data, &size, CONTROL_LIMIT);
        if (error != 0 || size == 0)
            break;
        if (wanted.offset == 0)
            console_print("    id: ");
        console_write(data, size);
        wanted.offset += (uint32_t)size;
    }
    if (wanted.offset > 0)
        console_print("\n");
    else if (error == ENOTSUP)
        console_print("    what is connected does not say what it is\n");
    return error == ENOTSUP ? 0 : error;
}

static int status_print(struct stream_client *client, const char *name)
{
    struct parallel_status s;
    uint8_t data[STREAM_DATA];
    size_t size = 0;
    int error = stream_client_control(client, PARALLEL_CODE_STATUS, STREAM_NOW, false, data, &size,
                                      CONTROL_LIMIT);

    if (error == 0 && size != sizeof(s))
        error = EPROTO;
    if (error != 0)
        return error;
    memcpy(&s, data, sizeof(s));
    console_print("%s: %s, %s%s%s%s, sent %u bytes, %u interrupts\n", name,
                  stream_client_info(client)->model,
                  s.signals & PARALLEL_ONLINE ? "online" : "offline",
                  s.signals & PARALLEL_NO_PAPER ? ", no paper" : "",
                  s.signals & PARALLEL_ERROR ? ", error" : "",
                  s.signals & PARALLEL_BUSY ? ", busy" : "", s.sent, s.interrupts);
    return id_print(client);
}

static int device_print(const char *name)
{
    struct stream_client *client;
    int error = stream_client_open(name, &client);

    if (error == EBUSY) {
        console_print("%s: in use\n", name);
        return 0;
    }
    if (error != 0)
        return shell_complain("parallel", name, error);
    error = status_print(client, name);
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("parallel", name, error);
}

static int parallel_run(unsigned count, char **words)
{
    if (count > 2)
        return SHELL_USAGE;
    return count == 2 ? device_print(words[1]) : shell_each_device("parallel", device_print);
}

/* Lines with numbers; one that is in doubt is not printed again. */
static int print_run(unsigned count, char **words)
{
    struct stream_client *client;
    uint64_t lines;
    unsigned doubtful = 0;

    if (count != 3 || !shell_number(words[2], &lines) || lines > LINES_MAX)
        return SHELL_USAGE;
    int error = stream_client_open(words[1], &client);
    if (error != 0)
        return shell_complain("print", words[1], error);
    for (unsigned i = 0; i < lines && error == 0; i++) {
        char line[40];
        size_t written;
        int length = snprintf(line, sizeof(line), "line %06u abcdefghijklmnopqr\n", i);
        error = stream_client_write(client, line, (size_t)length, WRITE_LIMIT, &written);
        doubtful += error == ECONNRESET;
        error = error == ECONNRESET ? 0 : error;
    }
    console_print("%s: printed, %u drivers died, %u lines are in doubt\n", words[1],
                  stream_client_recoveries(client), doubtful);
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("print", words[1], error);
}

const struct command commands_parallel[] = {
    {"parallel", "[DEVICE]", "parallel ports: signals, and who is connected", parallel_run},
    {"print", "DEVICE LINES", "so many numbered lines", print_run},
    {0},
};
