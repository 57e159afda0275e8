/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What comes from a device of the stream class, whatever it is.
 */
#include <errno.h>

#include <kit/client/stream.h>

#include "console.h"
#include "shell.h"

enum { BYTES_MAX = 16 << 20, SHOWN_MAX = 256, SHOWN_LINE = 32, READ_LIMIT = 10000 };

static void bytes_show(const uint8_t *bytes, size_t length, size_t at, size_t end)
{
    for (size_t i = 0; i < length; i++) {
        at++;
        console_print("%02x%s", bytes[i], at % SHOWN_LINE == 0 || at == end ? "\n" : "");
    }
}

/* A driver that dies under it takes what it had with it, and the next one goes on. */
static int bytes_read(struct stream_client *client, size_t wanted, size_t *got)
{
    int error = 0;

    while (*got < wanted && (error == 0 || error == ECONNRESET)) {
        uint8_t bytes[4096];
        size_t length = 0, most = wanted - *got < sizeof(bytes) ? wanted - *got : sizeof(bytes);
        unsigned flags;
        error = stream_client_read(client, bytes, most, READ_LIMIT, &length, &flags);
        if (error != 0)
            continue;
        if (wanted <= SHOWN_MAX)
            bytes_show(bytes, length, *got, wanted);
        *got += length;
    }
    return error == ECONNRESET ? 0 : error;
}

static int read_run(unsigned count, char **words)
{
    struct stream_client *client;
    uint64_t wanted;
    size_t got = 0;

    if (count != 3 || !shell_number(words[2], &wanted) || wanted > BYTES_MAX)
        return SHELL_USAGE;
    int error = stream_client_open(words[1], &client);
    if (error != 0)
        return shell_complain(words[0], words[1], error);
    error = bytes_read(client, (size_t)wanted, &got);
    console_print("%s: %zu bytes, %u drivers died\n", words[1], got,
                  stream_client_recoveries(client));
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain(words[0], words[1], error);
}

const struct command commands_stream[] = {
    {"stream-read", "DEVICE BYTES",
     "bytes that come from a device of the stream class; shown up to 256", read_run},
    {0},
};
