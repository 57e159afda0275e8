/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of a block client's link what has nothing to do where no other driver takes the place of one that
 * is gone.
 */
#include <errno.h>

#include <kit/core/block_client.h>

void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts)
{
    (void)link, (void)counts;
}

int block_client_link_reopen(struct block_client_link *link, struct block_info *info,
                             enum block_client_end *end, uint32_t *drivers)
{
    (void)link, (void)info, (void)end, (void)drivers;
    return ENODEV;
}

void block_client_link_refuse(struct block_client_link *link, const char *reason)
{
    (void)link, (void)reason;
}

void block_client_link_await(struct block_client_link *link)
{
    (void)link;
}

const char *block_client_link_name(const struct block_client_link *link)
{
    (void)link;
    return "disk";
}
