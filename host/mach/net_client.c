/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network client's transport.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/net_class_user.h>
#include <interface/net_session_user.h>
#include <interface/startup_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/session_link.h>
#include <host/mach/startup.h>
#include <kit/clock.h>
#include <kit/core/net_client.h>

#define BUSY_LIMIT (200 * CLOCK_MILLISECOND)

struct net_client_link {
    struct session_link session;
    struct net_client *client;
    bool asked; /* to be woken when there is a driver again, and not woken since */
    bool in_loop;
    struct clock_timer joined;    /* its first turn */
    struct net_client_link *next; /* in the loop */
};

static struct net_client_link *looped;

/* A driver that does not send a frame for so long is complained of. */
enum { PROGRESS_MILLISECONDS = 10000 };

/* The one whose port the task's alarm comes to; null: none is set. */
static struct net_client_link *alarmed;

struct opened {
    struct net_client client;
    struct net_client_link link;
};

static const struct session_class net_sessions = {
    .slots = NET_SLOTS,
    .submission_size = sizeof(struct net_submission),
    .completion_size = sizeof(struct net_completion),
    .buffers_max = NET_BUFFERS,
    .wake_id = 71752, /* net_link_wake: the third routine of subsystem 71750 */
    .queue = net_link_queue,
    .attach = net_link_attach,
};
static_assert(NET_BUFFERS <= SESSION_BUFFERS_MAX, "the link has room for them");

static int session_open(struct session_link *session, struct net_info *info)
{
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = session_link_answer(session, net_class_open(session->offered, session->wakeups,
                                                            &session->session, record, &size));

    if (error != 0)
        return error;
    if (size != sizeof(*info))
        return EPROTO;
    memcpy(info, record, sizeof(*info));
    session->access = info->flags & NET_INFO_COPIES ? MEMORY_WRITE : MEMORY_UNSEEN;
    return net_info_is_possible(info) ? session_link_begin(session) : EPROTO;
}

int net_client_link_reopen(struct net_client_link *link, struct net_info *info)
{
    struct session_link *session = &link->session;
    int error = session_link_find(session, link->client ? link->client->called : 0);

    if (error == 0)
        error = session_open(session, info);
    if (error != 0)
        session_link_end(session);
    if (error != EAGAIN && error != ENODEV) /* the latter: it died while we spoke to it */
        return error;
    session_link_await_request(session);
    link->asked = true;
    return EAGAIN;
}

/* Who had it before may have left buffers behind, which are taken out of the device in a moment. */
static int first_open(struct net_client_link *link, struct net_info *info)
{
    uint64_t start = clock_now();
    int error;

    for (;;) {
        error = net_client_link_reopen(link, info);
        if (error == EAGAIN)
            session_link_await(&link->session); /* its driver is being started again */
        else if (error == EBUSY && clock_now() - start < BUSY_LIMIT)
            clock_sleep(CLOCK_MILLISECOND);
        else
            return error;
        if (error == EBUSY)
            session_link_forget(&link->session);
    }
}

int net_client_open(const char *name, struct net_client **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));
    struct net_info info;

    if (!opened)
        return ENOMEM;
    struct session_link *session = &opened->link.session;
    int error = session_link_init(session, &net_sessions, name);
    if (error == 0)
        error = first_open(&opened->link, &info);
    if (error != 0) {
        session_link_close(session);
        session_link_wakeups_drop(session);
        free(opened);
        return error;
    }
    net_client_init(&opened->client, &info, &opened->link);
    opened->link.client = &opened->client;
    *result = &opened->client;
    return 0;
}

static void alarm_set(struct net_client_link *link)
{
    alarmed = link;
    startup_alarm(startup_bootstrap_port(), link->session.wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  PROGRESS_MILLISECONDS);
}

static void loop_leave(struct net_client_link *link)
{
    struct net_client_link **at = &looped;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    clock_timer_cancel(&link->joined);
    port_destroy(link->session.wakeups);
}

void net_client_close(struct net_client *client)
{
    struct net_client_link *link = client->link;
    struct net_client_counts counts = client->counts;

    if (counts.recoveries | counts.rejected)
        startup_recovered(startup_bootstrap_port(), link->session.name, counts.recoveries,
                          counts.reposted, 0, 0, counts.rejected);
    if (alarmed == link)
        alarmed = NULL;
    session_link_close(&link->session);
    if (link->in_loop)
        loop_leave(link);
    else
        session_link_wakeups_drop(&link->session);
    free(client); /* the first member of struct opened */
}

int net_client_describe(const char *name, struct net_description *description)
{
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    mach_port_t class;
    int error = startup_capability(name, &class);

    if (error != 0)
        return error;
    error = error_from_kernel(net_class_describe(class, record, &size));
    port_release(class);
    if (error == 0 && size != sizeof(*description))
        error = EPROTO;
    if (error != 0)
        return error;
    memcpy(description, record, sizeof(*description));
    description->info.model[sizeof(description->info.model) - 1] = '\0';
    return net_info_is_possible(&description->info) ? 0 : EPROTO;
}

int net_client_buffer(struct net_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct session_link *session = &client->link->session;
    struct shared_memory *shared;
    int error = session_link_buffer(session, size, &shared);

    if (error == ENODEV) { /* the driver died: the next one is given all buffers */
        net_client_lost(client);
        error = 0;
    }
    if (error != 0)
        return error;
    *memory = shared->address;
    *buffer = session->buffer_count - 1;
    net_client_note_buffer(client, *buffer, shared->address, shared->size);
    return 0;
}

const char *net_client_link_name(const struct net_client_link *link)
{
    return link->session.name;
}

void net_client_link_put(struct net_client_link *link, const struct net_submission *submission)
{
    queue_put(&link->session.queue, submission, sizeof(*submission));
}

void net_client_link_publish(struct net_client_link *link)
{
    session_link_publish(&link->session);
    if (!alarmed)
        alarm_set(link);
}

int net_client_link_filter(struct net_client_link *link, const struct net_filter *filter)
{
    return error_from_kernel(
        net_link_filter(link->session.session, (record_t)filter, sizeof(*filter)));
}

static const struct net_state *state_shared(const struct net_client_link *link)
{
    return (const struct net_state *)((const unsigned char *)link->session.completions +
                                      NET_STATE_OFFSET);
}

/* Statistics may be torn between two fields, which nobody minds. */
static void state_take(struct net_client_link *link)
{
    struct net_state state = *(const volatile struct net_state *)state_shared(link);

    net_client_note_state(link->client, &state);
}

static bool state_is_new(const struct net_client_link *link)
{
    return __atomic_load_n(&state_shared(link)->changes, __ATOMIC_SEQ_CST) !=
           link->client->state.changes;
}

/* Call back what is there now, once, however fast the driver adds to it. ENODEV: it broke the
 * protocol, nothing that it says counts any more. */
static int completions_take(struct net_client_link *link)
{
    const volatile void *entries = NULL;
    unsigned count;

    if (queue_take_run(&link->session.queue, &entries, sizeof(struct net_completion), &count) !=
        0) {
        session_link_complain(&link->session, link->client->called,
                              "more completions than there is room for");
        return ENODEV;
    }
    if (count > 0 || state_is_new(link))
        state_take(link);
    net_client_take(link->client, entries, count, link->session.epoch);
    return 0;
}

/* Whether to look again. */
static bool progress_check(struct net_client_link *link)
{
    if (link->client->life == NET_CLIENT_RUNNING && link->session.completions)
        state_take(link);
    enum net_client_sending sending = net_client_look(link->client);
    if (sending == NET_CLIENT_STUCK)
        session_link_complain(&link->session, link->client->called,
                              "it has not sent a frame for 10 s");
    return sending != NET_CLIENT_SENDS_NOTHING;
}

/* An alarm that the driver made up only tells against it. */
static void alarm_rang(struct net_client_link *link)
{
    bool again = !link->in_loop && progress_check(link);

    for (struct net_client_link *other = link->in_loop ? looped : NULL; other; other = other->next)
        again |= progress_check(other);
    alarmed = NULL;
    if (again)
        alarm_set(link);
}

static void driver_lost(struct net_client_link *link)
{
    net_client_lost(link->client);
    net_client_resume(link->client);
}

/* After a message of that number, or after the time in which one might have come. */
static void message_came(struct net_client_link *link, int error, mach_msg_id_t number)
{
    if (error == ETIMEDOUT)
        return;
    if (number == STARTUP_ALARM_ID && error == 0) {
        alarm_rang(link);
        return;
    }
    link->asked = false;
    if (error == ENODEV)
        driver_lost(link);
    else
        net_client_resume(link->client); /* if that is what it says; else it has nothing to do */
}

/* Sleep until the driver, or the supervisor, wakes us, if nothing else came meanwhile. */
static void sleep_once(struct net_client_link *link, int milliseconds)
{
    struct session_link *session = &link->session;
    bool runs = link->client->life == NET_CLIENT_RUNNING;
    mach_msg_id_t number = 0;

    if (runs && !queue_sleep(&session->queue))
        return;
    int error =
        runs && state_is_new(link) ? ETIMEDOUT : session_link_wait(session, milliseconds, &number);
    if (runs)
        queue_awake(&session->queue);
    message_came(link, error, number);
}

/* Send what was submitted and call back what is done. ENODEV. */
static int exchange(struct net_client_link *link)
{
    struct net_client *client = link->client;

    if (client->life == NET_CLIENT_LOST && !link->asked)
        net_client_resume(client);
    if (client->life == NET_CLIENT_RUNNING) {
        net_client_flush(client);
        if (completions_take(link) != 0)
            driver_lost(link);
    }
    return client->life == NET_CLIENT_GONE ? ENODEV : 0;
}

int net_client_poll(struct net_client *client)
{
    struct net_client_link *link = client->link;
    unsigned before = client->called;
    mach_msg_id_t number;
    int error = exchange(link);

    /* A driver's death is told by a message only. */
    if (error == 0 && client->called == before) {
        error = session_link_wait(&link->session, 0, &number);
        message_came(link, error, number);
    } else if (client->life == NET_CLIENT_RUNNING && session_link_driver_waits(&link->session)) {
        session_link_driver_wake(&link->session);
    }
    return client->life == NET_CLIENT_GONE ? ENODEV : 0;
}

int net_client_wait(struct net_client *client, unsigned milliseconds)
{
    uint64_t deadline = milliseconds > 0 ? clock_now() + milliseconds * CLOCK_MILLISECOND : 0;
    unsigned before = client->called;
    struct net_client_link *link = client->link;

    for (;;) {
        int error = exchange(link);
        if (error != 0)
            return error;
        if (client->called != before) {
            if (client->life == NET_CLIENT_RUNNING && session_link_driver_waits(&link->session))
                session_link_driver_wake(&link->session);
            return 0;
        }
        uint64_t now = deadline ? clock_now() : 0;
        if (deadline && now >= deadline)
            return ETIMEDOUT;
        uint64_t left = deadline ? (deadline - now) / CLOCK_MILLISECOND + 1 : 0;
        sleep_once(link, !deadline ? SESSION_FOREVER : left < INT32_MAX ? (int)left : INT32_MAX);
    }
}

/* Between two turns the driver has to wake us: `asleep` stays set for as long as the loop waits for
 * anybody. True: there may be more. */
static bool link_turn(struct net_client_link *link)
{
    enum { ROUNDS = 4 }; /* of frames that answer frames, before the others' turn */
    struct session_link *session = &link->session;

    queue_awake(&session->queue);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = link->client->called;
        net_client_flush(link->client);
        if (session_link_driver_waits(session))
            session_link_driver_wake(session);
        if (completions_take(link) != 0) {
            driver_lost(link);
            return true;
        }
        if (link->client->called == before && link->client->batched == 0)
            return !queue_sleep(&session->queue) || state_is_new(link);
    }
    return true;
}

static bool links_turn(void *context)
{
    bool again = false;

    (void)context;
    for (struct net_client_link *link = looped, *next; link; link = next) {
        next = link->next;
        if (link->session.completions && link->client->life == NET_CLIENT_RUNNING)
            again |= link_turn(link);
    }
    return again;
}

static void link_message(void *context, mach_msg_header_t *message)
{
    struct net_client_link *link = context;
    mach_msg_id_t number = message->msgh_id;

    message_came(link, session_link_is_death(&link->session, message) ? ENODEV : 0, number);
}

static const struct port_type wakeup_type = {.name = "net wakeup", .message = link_message};

static void joined(void *context)
{
    (void)context; /* the turn's end does */
}

int net_client_join_loop(struct net_client *client)
{
    static bool hooked;
    struct net_client_link *link = client->link;

    if (!hooked && !loop_at_turn_end(links_turn, NULL))
        return ENOSPC;
    hooked = true;
    int error = port_adopt(&wakeup_type, link, link->session.wakeups);
    if (error != 0)
        return error;
    link->in_loop = true;
    link->next = looped;
    looped = link;
    /* What has come by now wakes nobody: only the turn says that we sleep. */
    clock_timer_start(&link->joined, 0, joined, NULL);
    return 0;
}
