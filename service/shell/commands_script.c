/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For programs that drive the shell: commands by the thousand, which the console's line has no room
 * for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/client/block.h>

#include "shell.h"

enum { SCRIPT_SIZE_MAX = 4 << 20 };

/* What is on the device up to its first zero byte; to be freed. */
static int script_read(struct block_client *client, char **text)
{
    const struct block_info *info = block_client_info(client);
    uint64_t blocks = SCRIPT_SIZE_MAX / info->block_size;
    void *memory;
    uint32_t buffer;

    if (blocks > info->blocks)
        blocks = info->blocks;
    size_t size = (size_t)blocks * info->block_size;
    int error = block_client_buffer(client, size, &memory, &buffer);
    if (error == 0)
        error = block_client_transfer(client, BLOCK_READ, 0, blocks, buffer, 0);
    if (error != 0)
        return error;
    size_t length = strnlen(memory, size);
    *text = malloc(length + 1);
    if (!*text)
        return ENOMEM;
    memcpy(*text, memory, length);
    (*text)[length] = '\0';
    return 0;
}

static int run_run(unsigned count, char **words)
{
    struct block_client *client;
    char *text = NULL;

    if (count != 2)
        return SHELL_USAGE;
    int error = block_client_open(words[1], false, &client);
    if (error == 0) {
        error = script_read(client, &text);
        block_client_close(client);
    }
    if (error != 0)
        return shell_complain("run", words[1], error);
    int status = shell_run(text);
    free(text);
    return status;
}

const struct command commands_script[] = {
    {"run", "DEVICE", "commands that are on a block device, up to the first zero byte", run_run},
    {0},
};
