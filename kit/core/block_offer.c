/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every block driver says and does alike: offering a device, and telling of failures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/block.h>
#include <kit/log.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\0';
}

/* In its place, where it ends before `size`: no blanks around it, and no two of them together. */
static void text_clean(char *text, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < size - 1; i++) {
        if (!is_blank(text[i]))
            text[length++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
        else if (length > 0 && text[length - 1] != ' ')
            text[length++] = ' ';
    }
    if (length > 0 && text[length - 1] == ' ')
        length--;
    memset(text + length, 0, size - length);
}

static void device_tell(const struct block_device *device)
{
    const struct block_device_limits *limits = &device->limits;
    bool has_model = limits->model[0] != '\0', has_serial = limits->serial[0] != '\0';

    log_info("%s%llu blocks of %u bytes%s%s%s%s, %s%s", device->label,
             (unsigned long long)limits->blocks, limits->block_size,
             limits->flags & BLOCK_INFO_READ_ONLY ? ", read-only" : "", has_model ? ", \"" : "",
             limits->model, has_model ? "\"" : "", has_serial ? "serial " : "no serial number",
             limits->serial);
}

int block_device_publish(struct device *device, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context,
                         struct block_device **result)
{
    const struct moderation moderation = moderation_setting(device, MODERATION_DEFAULT);
    struct block_device_limits clean = *limits;

    text_clean(clean.serial, sizeof(clean.serial));
    text_clean(clean.model, sizeof(clean.model));
    int error = block_host_publish(device, suffix, &clean, ops, context, result);

    if (error != 0) {
        log_error("%s%s is not offered: %s", device_name(device), suffix, strerror(error));
        *result = NULL;
        return error;
    }
    if (suffix[0] != '\0') /* else the log has the name already */
        snprintf((*result)->label, sizeof((*result)->label), "%s%s: ", device_name(device), suffix);
    device_tell(*result);
    /* A device that cannot gather works all the same. */
    error = block_device_moderate(*result, &moderation);
    if (error != 0)
        log_warning("%sinterrupts are not gathered: %s", (*result)->label, strerror(error));
    return 0;
}

void block_give_up(const char *why)
{
    log_error("the device is given up: %s", why);
    exit(EXIT_FAILURE);
}

void block_request_failed(struct block_request *request, enum block_status status, unsigned why)
{
    static const char *const names[] = {
        [BLOCK_READ] = "read",       [BLOCK_WRITE] = "write",          [BLOCK_FLUSH] = "flush",
        [BLOCK_DISCARD] = "discard", [BLOCK_WRITE_ZEROES] = "zeroing",
    };
    struct block_device *device = request->session->device;

    if (log_is_worth(++device->failures))
        log_warning("%s%s of %u blocks at %llu failed with status %02x (%u so far)", device->label,
                    names[request->operation], request->count, (unsigned long long)request->block,
                    why, device->failures);
    block_request_done(request, status);
}
