/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a child may ask of us (interface/startup.defs).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <interface/startup_server.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/child.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define LEAVE_LIMIT CLOCK_SECOND

enum { ERRNO_MAX = 4095, LOG_LINES_PER_SECOND = 100 };
/* In CHILD_AWAY_LIMIT: each costs a task that looks for partitions. */
enum { WITHDRAWALS_MOST = 64 };

const struct port_type child_bootstrap_type = {.name = "bootstrap", .serve = startup_server};

static child_offered offered_hook, withdrawn_hook;
static child_readied readied_hook;

void child_on_offer(child_offered offered)
{
    offered_hook = offered;
}

void child_on_withdraw(child_offered withdrawn)
{
    withdrawn_hook = withdrawn;
}

void child_on_ready(child_readied readied)
{
    readied_hook = readied;
}

/* What a child calls `name`: the device that it was granted under that, or any if it sees them. */
static const char *grant_device(const struct child *child, const char *name)
{
    for (unsigned i = 0; i < child->grant_count; i++) {
        if (strcmp(child->grant[i].name, name) == 0)
            return child->grant[i].device;
    }
    bool is_seen =
        child->sees_devices || (child->sees_networks && child_offer_find(name, "net") != NULL);
    return is_seen ? name : "";
}

/* A device of any class; null: there is none of that name. */
static const struct child_offer *device_find(const char *name)
{
    const struct child_offer *offer = NULL;

    for (const struct child *child = child_first(); child && !offer; child = child->next)
        offer = child_device_in(child, name);
    return offer;
}

/* 0 with a right; ENOENT; EAGAIN: it is being restarted. */
static int right_find(const struct child *child, const char *name, mach_port_t *right)
{
    for (unsigned i = 0; i < child->grant_count; i++) {
        if (strcmp(child->grant[i].name, name) == 0 && child->grant[i].right != MACH_PORT_NULL) {
            *right = child_right_copy(child->grant[i].right);
            return *right == MACH_PORT_NULL ? ENOENT : 0;
        }
    }
    const char *device = grant_device(child, name);
    const struct child_offer *offer = device_find(device);
    if (!offer)
        offer = child_offer_find(device, name); /* a service of that class */
    if (!offer)
        return ENOENT;
    /* Dead, and we have not been told yet: it will be pending, or gone, in a moment. */
    *right = offer->right == MACH_PORT_NULL ? MACH_PORT_NULL : child_right_copy(offer->right);
    return *right == MACH_PORT_NULL ? EAGAIN : 0;
}

/* Whoever waits for a name. */
enum { WAITERS_MAX = 256 };

static struct waiter {
    mach_port_t right; /* a send-once right; null: a free place */
    const struct child *child;
    char name[OUTBOARD_NAME_SIZE];
} waiters[WAITERS_MAX];

static void waiter_wake(mach_port_t right)
{
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = right,
    };

    if (mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
                 MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        mach_msg_destroy(&message);
}

static bool name_is_pending(const struct child *child, const char *name)
{
    mach_port_t right = MACH_PORT_NULL;
    int error = right_find(child, name, &right);

    port_release(right);
    return error == EAGAIN;
}

void startup_look(void)
{
    for (unsigned i = 0; i < WAITERS_MAX; i++) {
        struct waiter *waiter = &waiters[i];
        if (waiter->right == MACH_PORT_NULL || name_is_pending(waiter->child, waiter->name))
            continue;
        mach_port_t right = waiter->right;
        waiter->right = MACH_PORT_NULL;
        waiter_wake(right);
    }
}

void startup_forget(const struct child *child)
{
    for (unsigned i = 0; i < WAITERS_MAX; i++) {
        if (waiters[i].child != child)
            continue;
        port_release(waiters[i].right);
        waiters[i].right = MACH_PORT_NULL;
    }
}

kern_return_t serve_startup_await(mach_port_t bootstrap, mach_port_t right, const_name_t name)
{
    const struct child *child = port_context(bootstrap, &child_bootstrap_type);
    unsigned free = 0;

    while (free < WAITERS_MAX && waiters[free].right != MACH_PORT_NULL)
        free++;
    if (!child || free == WAITERS_MAX || !name_is_pending(child, name)) {
        waiter_wake(right); /* who looks too often is better than who looks never again */
        return MIG_NO_REPLY;
    }
    waiters[free].right = right;
    waiters[free].child = child;
    snprintf(waiters[free].name, sizeof(waiters[free].name), "%s", name);
    return MIG_NO_REPLY;
}

/* Whose device `name` is for that child, and the offer; null: nobody's. */
static struct child *driver_of(const struct child *child, const char *name,
                               const struct child_offer **offer)
{
    const char *device = grant_device(child, name);
    struct child *driver = NULL;

    *offer = NULL;
    for (struct child *at = child_first(); at && !*offer; at = at->next) {
        *offer = child_device_in(at, device);
        driver = *offer ? at : NULL;
    }
    /* A partition: who serves it is the disk's driver. */
    return driver && driver->source ? driver->source : driver;
}

/* One that talks without end must not keep us busy, nor push the others' lines out of the journal.
 */
static bool child_may_log(struct child *child)
{
    uint64_t now = clock_now();

    if (now - child->log_second >= CLOCK_SECOND) {
        if (child->log_lines > LOG_LINES_PER_SECOND)
            journal_note(LOG_WARNING, "%s: %u lines of its log were left out", child->name,
                         child->log_lines - LOG_LINES_PER_SECOND);
        child->log_second = now;
        child->log_lines = 0;
    }
    return child->log_lines++ < LOG_LINES_PER_SECOND;
}

kern_return_t serve_startup_lookup(mach_port_t bootstrap, const_name_t name,
                                   mach_port_t *capability, unsigned *ended, unsigned *excused)
{
    const struct child_offer *offer;
    const struct child *driver;
    struct child *child = port_context(bootstrap, &child_bootstrap_type);

    if (!child)
        return outboard_error_make(EPERM);
    int error = right_find(child, name, capability);
    driver = driver_of(child, name, &offer);
    *ended = driver ? driver->lives.ended : 0;
    *excused = driver ? driver->lives.excused : 0;
    if (error == ENOENT && !child->sees_devices && child_may_log(child))
        journal_note(LOG_INFO, "%s: asked for \"%s\", which it was not granted", child->name, name);
    return outboard_error_make(error);
}

kern_return_t serve_startup_recovered(mach_port_t bootstrap, const_name_t name, unsigned recoveries,
                                      unsigned replayed, unsigned rewritten, unsigned poisoned,
                                      unsigned rejected)
{
    const struct child *child = port_context(bootstrap, &child_bootstrap_type);
    const struct child_offer *offer;
    struct child *driver = child ? driver_of(child, name, &offer) : NULL;

    if (driver) {
        driver->counts.recoveries += recoveries;
        driver->counts.replayed += replayed;
        driver->counts.rewritten += rewritten;
        driver->counts.poisoned += poisoned;
        driver->counts.rejected += rejected;
    }
    return MIG_NO_REPLY;
}

/* Anybody may complain, and only those are believed who are part of the system: a service. */
kern_return_t serve_startup_complain(mach_port_t bootstrap, const_name_t name,
                                     mach_port_t capability, const_line_t reason)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);
    const struct child_offer *offer = NULL;
    struct child *culprit = child ? driver_of(child, name, &offer) : NULL;

    /* The same right has the same name here. */
    bool present = culprit && MACH_PORT_VALID(capability) && offer->right == capability;
    port_release(capability);
    if (!present)
        return MIG_NO_REPLY;
    culprit->counts.complaints++;
    if (child_may_log(child))
        journal_note(LOG_WARNING, "%s: complains of %s: %s", child->name, offer->name, reason);
    if (child->is_believed && culprit->kind == CHILD_DRIVER)
        child_end(culprit, CHILD_DIED, reason);
    return MIG_NO_REPLY;
}

static bool name_is_plain(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.:/") == strlen(name);
}

/* Of a child that offers devices: besides those there is only the port on which it is told to stop.
 */
static bool class_is_its_own(const struct child *child, const char *class)
{
    return !child->class || strcmp(class, child->class) == 0 || strcmp(class, "control") == 0;
}

/* Where it offered that before it was restarted, or a new place; null: the name is taken. */
static struct child_offer *offer_place(struct child *child, const char *name, const char *class)
{
    const struct child_offer *taken = child_offer_find(name, class);

    if (taken && taken->right != MACH_PORT_NULL)
        return NULL;
    for (unsigned i = 0; i < child->offer_count; i++) {
        if (&child->offer[i] == taken)
            return &child->offer[i];
    }
    if (taken)
        return NULL;
    struct child_offer *offer = &child->offer[child->offer_count++];
    snprintf(offer->name, sizeof(offer->name), "%s", name);
    snprintf(offer->class, sizeof(offer->class), "%s", class);
    return offer;
}

kern_return_t serve_startup_publish(mach_port_t bootstrap, const_name_t suffix, const_name_t class,
                                    mach_port_t capability)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);
    char name[OUTBOARD_NAME_SIZE];

    if (!child || child->offer_count == CHILD_OFFERS_MAX)
        return outboard_error_make(child ? ENOSPC : EPERM);
    int length = snprintf(name, sizeof(name), "%s%s", child->offers, suffix);
    if (length < 0 || (size_t)length >= sizeof(name) || !name_is_plain(name) ||
        !name_is_plain(class) || !MACH_PORT_VALID(capability))
        return outboard_error_make(EINVAL);
    if (!class_is_its_own(child, class)) {
        if (child_may_log(child))
            journal_note(LOG_ERROR, "%s: %s is refused, as of class \"%s\": it is to offer \"%s\"",
                         child->name, name, class, child->class);
        return outboard_error_make(EINVAL);
    }
    if (child->withdrawals > WITHDRAWALS_MOST && clock_now() - child->withdrew < CHILD_AWAY_LIMIT)
        return outboard_error_make(EBUSY);
    struct child_offer *offer = offer_place(child, name, class);
    if (!offer)
        return outboard_error_make(EEXIST);
    offer->right = capability;
    if (offered_hook)
        offered_hook(child, offer);
    startup_look();
    return 0;
}

/* Forget what is not offered, but for what is still waited for. The time of the next of those; 0.
 */
static uint64_t offers_tidy(struct child *child, uint64_t now)
{
    unsigned left = 0;
    uint64_t next = 0;

    for (unsigned i = 0; i < child->offer_count; i++) {
        const struct child_offer *offer = &child->offer[i];
        bool waits = offer->right == MACH_PORT_NULL && offer->due > now;
        if (waits && (next == 0 || offer->due < next))
            next = offer->due;
        if (waits || offer->right != MACH_PORT_NULL)
            child->offer[left++] = *offer;
    }
    child->offer_count = left;
    return next;
}

static void away_over(void *context)
{
    struct child *child = context;
    uint64_t now = clock_now(), next = offers_tidy(child, now);

    if (next > 0)
        clock_timer_start(&child->away, next - now, away_over, child);
    if (withdrawn_hook)
        withdrawn_hook(child, NULL);
    startup_look();
}

static struct child_offer *child_own_offer(struct child *child, const char *suffix,
                                           const char *class)
{
    char name[OUTBOARD_NAME_SIZE];

    snprintf(name, sizeof(name), "%s%s", child->offers, suffix);
    for (unsigned i = 0; i < child->offer_count; i++) {
        struct child_offer *offer = &child->offer[i];
        if (strcmp(offer->name, name) == 0 && strcmp(offer->class, class) == 0 &&
            offer->right != MACH_PORT_NULL)
            return offer;
    }
    return NULL;
}

kern_return_t serve_startup_withdraw(mach_port_t bootstrap, const_name_t suffix, const_name_t class)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);
    struct child_offer *offer = child ? child_own_offer(child, suffix, class) : NULL;

    if (!offer)
        return outboard_error_make(child ? ENOENT : EPERM);
    uint64_t now = clock_now();
    if (now - child->withdrew >= CHILD_AWAY_LIMIT) {
        child->withdrew = now;
        child->withdrawals = 0;
    }
    child->withdrawals++;
    port_release(offer->right);
    offer->right = MACH_PORT_NULL;
    offer->due = now + CHILD_AWAY_LIMIT;
    if (!child->away.running)
        clock_timer_start(&child->away, CHILD_AWAY_LIMIT, away_over, child);
    if (withdrawn_hook)
        withdrawn_hook(child, offer);
    return 0;
}

/* Whose port it is we cannot tell, nor need to. */
kern_return_t serve_startup_pass(mach_port_t bootstrap, const_name_t suffix, const_name_t class,
                                 mach_port_t capability)
{
    return serve_startup_publish(bootstrap, suffix, class, capability);
}

static void alarm_ring(void *context)
{
    struct child *child = context;
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = child->alarmed,
        .msgh_id = STARTUP_ALARM_ID,
    };

    child->alarmed = MACH_PORT_NULL;
    loop_send(&message);
}

kern_return_t serve_startup_alarm(mach_port_t bootstrap, mach_port_t alarmed, unsigned milliseconds)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);

    if (!child) {
        port_release(alarmed);
        return MIG_NO_REPLY;
    }
    port_release(child->alarmed);
    child->alarmed = alarmed;
    if (milliseconds == STARTUP_ALARM_PROGRESS)
        milliseconds = supervisor_policy.progress;
    clock_timer_start(&child->alarm, milliseconds * CLOCK_MILLISECOND, alarm_ring, child);
    return MIG_NO_REPLY;
}

kern_return_t serve_startup_log(mach_port_t bootstrap, int level, const_line_t text)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);

    if (child && child_may_log(child))
        journal_write(child->name, level, text);
    return MIG_NO_REPLY;
}

/* What it failed with is in the log by now. */
static void child_left(void *context)
{
    struct child *child = context;

    child_end(child, CHILD_FAILED, child->cause);
}

kern_return_t serve_startup_ready(mach_port_t bootstrap, int status)
{
    struct child *child = port_context(bootstrap, &child_bootstrap_type);

    if (!child || child->state != CHILD_STARTING)
        return MIG_NO_REPLY;
    if (status < 0 || status > ERRNO_MAX)
        status = EPROTO; /* it goes on to an operator as an errno value */
    child->status = status;
    child->state = status == 0 ? CHILD_RUNNING : CHILD_FAILED;
    if (status == 0) {
        child->ready_at = clock_now();
        offers_tidy(child, UINT64_MAX); /* what it does not offer again is no more */
        if (readied_hook)
            readied_hook(child);
        startup_look();
    } else {
        snprintf(child->cause, sizeof(child->cause), "%s", strerror(status));
        journal_note(LOG_ERROR, "%s: did not start: %s", child->name, child->cause);
        clock_timer_start(&child->leave, LEAVE_LIMIT, child_left, child);
    }
    return MIG_NO_REPLY;
}
