/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A multiplexer for each network card that the configuration shares out, as soon as the card is
 * offered. It goes on when the card's driver is restarted, and is itself started again when it
 * dies.
 */
#include <string.h>

#include <kit/core/setting.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define SERVICE_QUOTA (UINT64_C(6) << 20) /* frames for both ways, and queues */

static const struct policy_setting *setting_find_for(const struct child *child)
{
    for (unsigned i = 0; i < supervisor_policy.mux_count; i++) {
        if (strcmp(supervisor_policy.mux[i].program, child->name) == 0)
            return &supervisor_policy.mux[i];
    }
    return NULL;
}

static void mux_begin(struct child *child)
{
    const struct policy_setting *mux = setting_find_for(child);
    char card[OUTBOARD_NAME_SIZE];

    if (!mux || !setting_word(mux->text, 0, card, sizeof(card)))
        return;
    supervisor_begin(child, child_grant_device(child, "card", card), SERVICE_QUOTA, mux->text);
}

void netmux_look(void)
{
    for (unsigned i = 0; i < supervisor_policy.mux_count; i++) {
        const struct policy_setting *mux = &supervisor_policy.mux[i];
        char card[OUTBOARD_NAME_SIZE];
        const struct child_offer *offer =
            setting_word(mux->text, 0, card, sizeof(card)) ? child_offer_find(card, "net") : NULL;
        if (!offer || offer->right == MACH_PORT_NULL || child_lookup(mux->program))
            continue;
        struct child *child = child_create(mux->program, "netmux", CHILD_SERVICE);
        if (!child)
            continue;
        child->class = "net";
        child->is_believed = true;
        child->begin = mux_begin;
        mux_begin(child);
    }
}

void netmux_report_missing(void)
{
    for (unsigned i = 0; i < supervisor_policy.mux_count; i++) {
        if (!child_lookup(supervisor_policy.mux[i].program))
            journal_note(LOG_WARNING, "%s: not there, as its card is not: %s",
                         supervisor_policy.mux[i].program, supervisor_policy.mux[i].text);
    }
}
