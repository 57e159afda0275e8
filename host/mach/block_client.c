/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block client's transport. The port for wakeups is not in the event loop's set, and whoever
 * submits waits for it alone, unless the client joined the loop. It outlives sessions: the driver's
 * death is told there, and that another one may be had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_user.h>
#include <interface/block_session_user.h>
#include <interface/startup_user.h>

#include <host/mach/block_client.h>
#include <host/mach/port.h>
#include <host/mach/session_link.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/core/block_client.h>

struct block_client_link {
    struct session_link session;
    struct block_client *client; /* null: it is not open yet */
    bool write;
    bool at_once;                    /* nothing is waited for that may be added to a batch */
    unsigned finished;               /* requests, when the alarm was set ... */
    uint32_t alarmed_epoch;          /* ... and in which session */
    struct block_client_counts told; /* of what the supervisor knows */
    bool in_loop;
    unsigned held;                  /* of the batch, when the loop last looked for more */
    unsigned singles;               /* batches of one, the last ones in a row */
    struct block_client_link *next; /* in the loop */
};

static struct block_client_link *looped;

/* The one whose port the task's alarm comes to; null: none is set. */
static struct block_client_link *alarmed;

struct opened {
    struct block_client client;
    struct block_client_link link;
};

static const struct session_class block_sessions = {
    .slots = BLOCK_SLOTS,
    .submission_size = sizeof(struct block_submission),
    .completion_size = sizeof(struct block_completion),
    .buffers_max = BLOCK_BUFFERS,
    .wake_id = 71452, /* block_link_wake: the third routine of subsystem 71450 */
    .queue = block_link_queue,
    .attach = block_link_attach,
};
static_assert(BLOCK_BUFFERS <= SESSION_BUFFERS_MAX, "the link has room for them");

static void client_place(struct block_client_link *link)
{
    block_client_place(link->client, (struct block_submission *)link->session.queue.out,
                       link->session.epoch);
}

static int session_open(struct block_client_link *link, struct block_info *info)
{
    struct session_link *session = &link->session;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = session_link_answer(session, block_class_open(session->offered, link->write,
                                                              session->wakeups, &session->session,
                                                              record, &size));

    if (error != 0)
        return error;
    if (size != sizeof(*info))
        return EPROTO;
    memcpy(info, record, sizeof(*info));
    session->access = info->flags & BLOCK_INFO_COPIES ? MEMORY_WRITE : MEMORY_UNSEEN;
    if (!block_info_is_possible(info))
        return EPROTO;
    error = session_link_begin(session);
    if (error == 0 && link->client)
        client_place(link);
    return error;
}

static void progress_note(struct block_client_link *link)
{
    link->finished = block_client_finished(link->client);
    link->alarmed_epoch = link->session.epoch;
}

/* A driver that completes nothing for so long, with requests in flight, is complained of. */
static void alarm_set(struct block_client_link *link)
{
    for (struct block_client_link *other = looped; other; other = other->next)
        progress_note(other);
    progress_note(link);
    alarmed = link;
    startup_alarm(startup_bootstrap_port(), link->session.wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  STARTUP_ALARM_PROGRESS);
}

static void progress_check(const struct block_client_link *link)
{
    if (block_client_in_flight(link->client) > 0 && link->session.epoch == link->alarmed_epoch &&
        block_client_finished(link->client) == link->finished)
        startup_complain(startup_bootstrap_port(), link->session.name, link->session.offered,
                         "it has completed nothing for too long");
}

/* An alarm that the driver made up only tells against it. */
static void alarm_rang(const struct block_client_link *link)
{
    alarmed = NULL;
    if (!link->in_loop)
        progress_check(link);
    for (link = link->in_loop ? looped : NULL; link; link = link->next)
        progress_check(link);
}

static void loop_leave(struct block_client_link *link)
{
    struct block_client_link **at = &looped;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    port_destroy(link->session.wakeups);
}

static void link_close(struct block_client_link *link)
{
    if (alarmed == link)
        alarmed = NULL;
    session_link_close(&link->session);
    if (link->in_loop)
        loop_leave(link);
    else
        session_link_wakeups_drop(&link->session);
}

/* What is written and not flushed has to be kept. */
static int keep_open(struct block_client *client)
{
    void *memory;
    uint32_t buffer;

    if (!block_client_must_keep(client))
        return 0;
    int error = block_client_buffer(client, BLOCK_KEEP_SIZE, &memory, &buffer);
    if (error == 0)
        block_client_keep(client, buffer);
    return error;
}

static int link_open(struct block_client_link *link, const char *name, bool write,
                     struct block_info *info)
{
    enum block_client_end end; /* nothing was asked of whoever was there before */
    uint32_t drivers;
    int error = session_link_init(&link->session, &block_sessions, name);

    link->write = write;
    if (error != 0)
        return error;
    while ((error = block_client_link_reopen(link, info, &end, &drivers)) == EAGAIN)
        block_client_link_await(link); /* its driver is being started again */
    return error;
}

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));
    struct block_info info;

    if (!opened)
        return ENOMEM;
    int error = link_open(&opened->link, name, write, &info);
    if (error == 0) {
        block_client_init(&opened->client, &info, &opened->link);
        opened->link.client = &opened->client;
        client_place(&opened->link);
        error = keep_open(&opened->client);
    }
    if (error != 0) {
        link_close(&opened->link);
        free(opened);
        return error;
    }
    *result = &opened->client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    struct block_client_counts counts = block_client_counts(client);

    if (counts.recoveries | counts.rejected)
        block_client_link_tell(client->link, &counts);
    link_close(client->link);
    free(client); /* the first member of struct opened */
}

void block_client_refuse(struct block_client *client, const char *reason)
{
    struct block_client_link *link = client->link;

    startup_complain(startup_bootstrap_port(), link->session.name, link->session.offered, reason);
    block_client_close(client);
}

static void driver_lost(struct block_client_link *link)
{
    block_client_lost(link->client);
    block_client_resume(link->client);
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct session_link *session = &client->link->session;
    struct shared_memory *shared;
    int error = session_link_buffer(session, size, &shared);

    if (error == ENODEV) { /* the driver died: the next one is given all buffers */
        block_client_lost(client);
        error = block_client_recover(client);
        if (error != 0)
            session_link_buffer_drop(session);
    }
    if (error != 0)
        return error;
    *memory = shared->address;
    *buffer = session->buffer_count - 1;
    block_client_note_buffer(client, *buffer, *memory, size);
    return 0;
}

static unsigned finished(const struct block_client_link *link)
{
    return link->client ? block_client_finished(link->client) : 0;
}

/* It is not to be had so; or all are, for who has none yet: one that had it shall have it again. */
static bool may_be_told(const struct block_client_link *link, int error)
{
    if (error == EROFS || link->client)
        return error == EROFS;
    return error == EPERM || error == EBUSY || error == ENOMEM || error == ENOSPC ||
           error == EMFILE || error == EOPNOTSUPP;
}

static int session_demand(struct block_client_link *link, struct block_info *info)
{
    struct session_link *session = &link->session;
    int error = session_open(link, info);
    bool driver_said_so = error == EPROTO || (error != ENODEV && error == session->answer);

    if (error == 0 || !driver_said_so || may_be_told(link, error))
        return error;
    return session_link_refuse(session, finished(link), "it refuses a session") ? EAGAIN : error;
}

static enum block_client_end end_of(const struct session_link *session)
{
    if (session->was_excused)
        return BLOCK_CLIENT_EXCUSED;
    return session->found_life == session->life ? BLOCK_CLIENT_LIVES : BLOCK_CLIENT_DIED;
}

int block_client_link_reopen(struct block_client_link *link, struct block_info *info,
                             enum block_client_end *end, uint32_t *drivers)
{
    struct session_link *session = &link->session;
    int error = session_link_find(session, finished(link));

    *end = end_of(session);
    *drivers = session->found_life - session->life;
    if (error == 0)
        error = session_demand(link, info);
    if (error != 0)
        session_link_end(session);
    if (error != EAGAIN && error != ENODEV) /* the latter: it died while we spoke to it */
        return error;
    session_link_await_request(session);
    return EAGAIN;
}

void block_client_link_refuse(struct block_client_link *link, const char *reason)
{
    session_link_complain(&link->session, finished(link), reason);
    session_link_end(&link->session);
    session_link_await_request(&link->session);
}

void block_client_link_await(struct block_client_link *link)
{
    session_link_await(&link->session);
}

const char *block_client_link_name(const struct block_client_link *link)
{
    return link->session.name;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)submissions, (void)scattered; /* the client's ring is the queue's: they are there */
    queue_put_in_place(&link->session.queue, count);
    session_link_publish(&link->session);
    return 0;
}

static __attribute__((noinline)) void wakeup_send(struct block_client_link *link)
{
    if (link->in_loop) {
        mach_msg_header_t message = session_link_wakeup(&link->session, MACH_PORT_NULL);
        loop_send(&message);
    } else {
        session_link_driver_wake(&link->session);
    }
}

/* If it has to be; whether it had. */
static inline bool driver_wake(struct block_client_link *link)
{
    bool waits = session_link_driver_waits(&link->session);

    if (waits)
        wakeup_send(link);
    return waits;
}

/* Sleep until the driver wakes us, and wake it first if it has to be; ENODEV: it is gone. */
static int wakeup_wait(struct block_client_link *link)
{
    mach_msg_id_t number;

    if (alarmed != link)
        alarm_set(link);
    int error = session_link_wait(&link->session, SESSION_FOREVER, &number);
    if (number == STARTUP_ALARM_ID)
        alarm_rang(link);
    return error;
}

/* What is there now. ENODEV: the driver broke the protocol, nothing that it says counts any more.
 */
static inline __attribute__((always_inline)) int
completions_get(struct block_client_link *link,
                const volatile struct block_completion **completions, unsigned *count)
{
    const volatile void *entries = NULL;
    int error = queue_take_run(&link->session.queue, &entries, sizeof(**completions), count);

    *completions = entries;
    if (error == 0)
        return 0;
    session_link_complain(&link->session, block_client_finished(link->client),
                          "more completions than there is room for");
    return ENODEV;
}

void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts)
{
    const struct block_client_counts *told = &link->told;

    startup_recovered(startup_bootstrap_port(), link->session.name,
                      counts->recoveries - told->recoveries, counts->replayed - told->replayed,
                      counts->rewritten - told->rewritten, counts->poisoned - told->poisoned,
                      counts->rejected - told->rejected);
    link->told = *counts;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    driver_wake(link);
    return completions_get(link, completions, count);
}

/* Wait for a driver on another processor, with nothing else. Not inlined: measurements tell waiting
 * from work by it. */
bool block_client_spin(const struct queue *queue);

__attribute__((noinline)) bool block_client_spin(const struct queue *queue)
{
    enum { SPIN_LIMIT = 100000 };

    for (unsigned i = 0; i < SPIN_LIMIT; i++) {
        if (!queue_is_dry(queue))
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

/* A driver that does not sleep is let have the processor, and may have answered when we have it
 * back: that costs both less than to be woken. */
static inline bool driver_is_let(const struct block_client_link *link)
{
    enum { TIMES = 32 };
    const struct queue *queue = &link->session.queue;

    for (unsigned i = 0; i < TIMES && !queue_other_sleeps(queue); i++) {
        swtch();
        if (!queue_is_dry(queue))
            return true;
    }
    return false;
}

/* Whether to go to sleep, which has been said then. */
static bool may_sleep(struct block_client_link *link)
{
    struct queue *queue = &link->session.queue;

    if (!queue_is_dry(queue))
        return false;
    if ((link->client->flags & BLOCK_POLLED) && queue_other_is_apart(queue) &&
        block_client_spin(queue))
        return false;
    if (driver_is_let(link))
        return false;
    return queue_sleep(queue);
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    for (;;) {
        if (may_sleep(link)) {
            int error = wakeup_wait(link);
            queue_awake(&link->session.queue);
            if (error != 0)
                return error;
        }
        if (completions_get(link, completions, count) != 0)
            return ENODEV;
        if (*count > 0) {
            driver_wake(link);
            return 0;
        }
    }
}

void block_client_accuse(struct block_client *client, const char *reason)
{
    struct block_client_link *link = client->link;

    if (link->session.offered == MACH_PORT_NULL || client->state == BLOCK_CLIENT_LOST)
        return;
    /* What we ask next is asked after this was heard: the name is somebody else's by then. */
    startup_complain(startup_bootstrap_port(), link->session.name, link->session.offered, reason);
    driver_lost(link);
}

void block_client_send_at_once(struct block_client *client)
{
    client->link->at_once = true;
}

/* Who asks for one after the other has nothing else to do. */
static void driver_go_on(struct block_client_link *link, bool single)
{
    if (!driver_wake(link) && single && block_client_in_flight(link->client) > 0)
        driver_is_let(link);
}

/* Between two turns the driver has to wake us: `asleep` stays set for as long as the loop waits for
 * anybody. True: there may be more. */
static bool link_sleep(struct block_client_link *link)
{
    if (!alarmed && block_client_in_flight(link->client) > 0)
        alarm_set(link);
    return !queue_sleep(&link->session.queue);
}

/* As link_sleep. */
static bool link_turn(struct block_client_link *link)
{
    enum { ROUNDS = 4 };  /* of requests that are made of completions, before the others' turn */
    enum { SINGLES = 8 }; /* batches of one in a row: somebody asks for one after the other ... */
    enum { LOOK = 64 };   /* ... as far as is known: so often it is looked for others */
    const volatile struct block_completion *completions;
    struct block_client *client = link->client;

    queue_awake(&link->session.queue);
    /* What else has come may have more for the same batch: one wakeup for all. While one asks after
     * the other nothing has. */
    unsigned batched = client->put - client->sent;
    bool single = block_client_in_flight(client) == 1 && link->singles >= SINGLES;
    if (batched > link->held && !link->at_once && !(single && link->singles % LOOK != 0)) {
        /* Somebody may have waited for room in the port's queue, or for the processor; and a driver
         * that polls would have it until the first is done. */
        if (batched % MACH_PORT_QLIMIT_MAX == 0 ||
            (link->held == 0 && !queue_other_sleeps(&link->session.queue)))
            swtch();
        link->held = batched;
        return true;
    }
    link->held = 0;
    if (batched > 0)
        link->singles = batched == 1 ? link->singles + 1 : 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 0;
        block_client_send(client);
        driver_go_on(link, single);
        if (completions_get(link, &completions, &count) != 0) {
            driver_lost(link);
            return true;
        }
        if (count == 0)
            return link_sleep(link);
        block_client_take(client, completions, count);
        if (client->state == BLOCK_CLIENT_LOST) { /* one of them cannot be */
            driver_lost(link);
            return true;
        }
        if (client->put == client->sent && queue_is_dry(&link->session.queue))
            return link_sleep(link);
    }
    return true;
}

static bool links_turn(void *context)
{
    bool again = false;

    (void)context;
    for (struct block_client_link *link = looped; link; link = link->next) {
        if (link->session.completions)
            again |= link_turn(link);
    }
    return again;
}

static void link_message(void *context, mach_msg_header_t *message)
{
    struct block_client_link *link = context;
    mach_msg_id_t number = message->msgh_id;

    if (number == STARTUP_ALARM_ID)
        alarm_rang(link);
    if (session_link_is_death(&link->session, message))
        driver_lost(link);
    else
        block_client_resume(link->client); /* if that is what it says; else it has nothing to do */
}

static const struct port_type wakeup_type = {.name = "block wakeup", .message = link_message};

int block_client_join_loop(struct block_client *client)
{
    static bool hooked;
    struct block_client_link *link = client->link;

    if (!hooked && !loop_at_turn_end(links_turn, NULL))
        return ENOSPC;
    hooked = true;
    int error = port_adopt(&wakeup_type, link, link->session.wakeups);
    if (error != 0)
        return error;
    link->in_loop = true;
    link->next = looped;
    looped = link;
    return 0;
}
