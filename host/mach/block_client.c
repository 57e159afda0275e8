/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block client's transport. The port for wakeups is not in the event loop's set, and whoever
 * submits waits for it alone, unless the client joined the loop. It outlives sessions: the driver's
 * death is told there, and that another one may be had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/block_class_user.h>
#include <interface/block_session_user.h>
#include <interface/startup_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/block_client.h>
#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <interface/types.h>
#include <kit/block_client_core.h>
#include <kit/queue.h>

struct block_client_link {
    char name[OUTBOARD_NAME_SIZE];
    bool write;
    mach_port_t class;   /* where the session was opened; null: nowhere yet */
    unsigned violations; /* complaints in a row, with nothing done in between */
    unsigned done_then;  /* requests, at the last complaint */
    mach_port_t session; /* send right */
    mach_port_t wakeups; /* receive right; the driver's death is told there too */
    struct queue queue;
    struct shared_memory submissions;
    const void *completions; /* the driver's memory */
    uint32_t epoch;
    struct shared_memory buffer[BLOCK_BUFFERS];
    mach_port_t lent[BLOCK_BUFFERS]; /* the lease of one that is another's; null: it is ours */
    unsigned buffer_count;
    bool at_once;      /* nothing is waited for that may be added to a batch */
    bool seen;         /* who serves it looks at the data */
    bool wake_driver;  /* it slept when there was something for it */
    unsigned finished; /* requests, when the alarm was set */
    struct block_client *client;
    struct block_client_counts told; /* of what the supervisor knows */
    unsigned excused; /* how often who serves us was ended for nothing that it did ... */
    bool was_excused; /* ... and whether it was the last time */
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

/* Have the driver's death told on the port where we wait. */
static int death_request(struct block_client_link *link)
{
    mach_port_t previous = MACH_PORT_NULL;

    if (!MACH_PORT_VALID(link->session)) /* it died before its answer was read */
        return ENODEV;
    int error = error_from_kernel(
        mach_port_request_notification(mach_task_self(), link->session, MACH_NOTIFY_DEAD_NAME, 1,
                                       link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));

    port_release(previous);
    return error;
}

static void driver_complain(struct block_client_link *link, const char *reason)
{
    unsigned done = link->client ? block_client_finished(link->client) : 0;

    link->violations = done == link->done_then ? link->violations + 1 : 1;
    link->done_then = done;
    startup_complain(startup_bootstrap_port(), link->name, link->class, reason);
}

/* What a call of the driver came to; one that gets no answer is as good as dead. */
static int answer_of(struct block_client_link *link, kern_return_t code)
{
    if (code != MACH_RCV_TIMED_OUT)
        return error_from_kernel(code);
    driver_complain(link, "it does not answer a call");
    return ENODEV;
}

#define SUBMISSIONS_SIZE                                                                           \
    ((queue_memory_size(BLOCK_SLOTS, sizeof(struct block_submission)) + 4095) & ~(size_t)4095)
#define COMPLETIONS_SIZE queue_memory_size(BLOCK_SLOTS, sizeof(struct block_completion))

static void client_place(struct block_client_link *link)
{
    block_client_place(link->client, (struct block_submission *)link->queue.out, link->epoch);
}

/* The same memory serves every session, one after the other: who could read it before is dead. */
static int queue_open(struct block_client_link *link)
{
    static uint32_t epochs;
    mach_port_t own, others;
    int error = 0;

    if (link->submissions.address)
        memset(link->submissions.address, 0, SUBMISSIONS_SIZE);
    else
        error = shared_memory_allocate(SUBMISSIONS_SIZE, &link->submissions);
    if (error == 0)
        error = shared_memory_lease(&link->submissions, MEMORY_READ, &own);
    if (error != 0)
        return error;
    link->epoch = ++epochs;
    error = answer_of(link, block_link_queue(link->session, own, link->epoch, &others));
    port_release(own);
    if (error != 0)
        return error;
    error = shared_memory_open(others, COMPLETIONS_SIZE, &link->completions);
    port_release(others);
    if (error != 0)
        return error;
    queue_init(&link->queue, link->submissions.address, link->completions, BLOCK_SLOTS);
    if (link->client)
        client_place(link);
    return 0;
}

static int session_open(struct block_client_link *link, struct block_info *info)
{
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = answer_of(link, block_class_open(link->class, link->write, link->wakeups,
                                                 &link->session, record, &size));

    if (error == 0)
        error = death_request(link);
    if (error != 0)
        return error;
    if (size != sizeof(*info))
        return EPROTO;
    memcpy(info, record, sizeof(*info));
    link->seen = info->flags & BLOCK_INFO_SEES_DATA;
    return block_info_is_possible(info) ? queue_open(link) : EPROTO;
}

/* Who offers the name now. EAGAIN: nobody, or it is who has just ended our session. */
static int class_find(struct block_client_link *link)
{
    mach_port_t class;
    unsigned excused;
    int error = startup_capability_excused(link->name, &class, &excused);

    if (error != 0)
        return error;
    link->was_excused = excused != link->excused;
    link->excused = excused;
    bool same = class == link->class;
    if (same)
        driver_complain(link, "it broke off a session, or the protocol");
    port_release(link->class);
    link->class = class;
    return same ? EAGAIN : 0;
}

static void session_close(struct block_client_link *link)
{
    /* With all references: the notification of its death brings one. */
    if (link->session != MACH_PORT_NULL)
        mach_port_destroy(mach_task_self(), link->session);
    link->session = MACH_PORT_NULL;
    if (link->completions)
        memory_pages_free((void *)link->completions, COMPLETIONS_SIZE);
    link->completions = NULL;
    link->wake_driver = false;
}

/* A driver that completes nothing for so long, with requests in flight, is complained of. */
static void alarm_set(struct block_client_link *link)
{
    for (struct block_client_link *other = looped; other; other = other->next)
        other->finished = block_client_finished(other->client);
    link->finished = block_client_finished(link->client);
    alarmed = link;
    startup_alarm(startup_bootstrap_port(), link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  STARTUP_ALARM_PROGRESS);
}

static void progress_check(const struct block_client_link *link)
{
    if (block_client_in_flight(link->client) > 0 &&
        block_client_finished(link->client) == link->finished)
        startup_complain(startup_bootstrap_port(), link->name, link->class,
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
    port_destroy(link->wakeups);
}

static void link_close(struct block_client_link *link)
{
    port_release(link->class);
    if (alarmed == link)
        alarmed = NULL;
    session_close(link);
    if (link->in_loop)
        loop_leave(link);
    else if (link->wakeups != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), link->wakeups, MACH_PORT_RIGHT_RECEIVE, -1);
    if (link->submissions.address)
        shared_memory_free(&link->submissions);
    for (unsigned i = 0; i < link->buffer_count; i++) {
        if (link->lent[i] != MACH_PORT_NULL)
            port_release(link->lent[i]);
        else
            shared_memory_free(&link->buffer[i]);
    }
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
    bool excused; /* nothing was asked of whoever was there before */

    if (strlen(name) >= sizeof(link->name))
        return ENOENT;
    strcpy(link->name, name);
    link->write = write;
    int error = error_from_kernel(
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &link->wakeups));
    if (error != 0)
        return error;
    mach_port_set_qlimit(mach_task_self(), link->wakeups, 1); /* one is as good as two */
    while ((error = block_client_link_reopen(link, info, &excused)) == EAGAIN)
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

static void driver_lost(struct block_client_link *link)
{
    block_client_lost(link->client);
    block_client_resume(link->client);
}

static int buffer_attach(struct block_client_link *link, unsigned number, uint32_t *buffer)
{
    const struct shared_memory *shared = &link->buffer[number];
    mach_port_t lease = link->lent[number];
    uint64_t attached = 0;
    int error = lease == MACH_PORT_NULL
                    ? shared_memory_lease(shared, link->seen ? MEMORY_READ : MEMORY_UNSEEN, &lease)
                    : 0;

    if (error != 0)
        return error;
    error = answer_of(link, block_link_attach(link->session, lease, buffer, &attached));
    if (link->lent[number] == MACH_PORT_NULL)
        port_release(lease);
    return error == 0 && attached < shared->size ? EPROTO : error;
}

/* Buffers get their numbers in the order of their attachment, here and in every later session. */
int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct block_client_link *link = client->link;

    if (link->buffer_count == BLOCK_BUFFERS)
        return ENOSPC;
    struct shared_memory *shared = &link->buffer[link->buffer_count];
    int error = shared_memory_allocate(size, shared);
    if (error != 0)
        return error;
    uint32_t number = link->buffer_count++;
    link->lent[number] = MACH_PORT_NULL;
    error = buffer_attach(link, number, buffer);
    if (error == ENODEV) { /* the driver died: the next one is given all buffers */
        block_client_lost(client);
        error = block_client_recover(client);
        *buffer = number;
    }
    if (error == 0 && *buffer != number)
        error = EPROTO;
    if (error != 0) {
        link->buffer_count--;
        shared_memory_free(shared);
        return error;
    }
    *memory = shared->address;
    block_client_note_buffer(client, *buffer, *memory);
    return 0;
}

int block_client_lend(struct block_client *client, mach_port_t lease, void *memory, size_t size,
                      uint32_t *buffer)
{
    struct block_client_link *link = client->link;
    unsigned number = link->buffer_count;
    int error = number < BLOCK_BUFFERS ? 0 : ENOSPC;

    if (error == 0) {
        link->buffer[number] = (struct shared_memory){memory, size, MACH_PORT_NULL};
        link->lent[number] = lease;
        link->buffer_count++;
        /* With no driver there now, the next one is given all buffers. */
        error = client->state == BLOCK_CLIENT_LOST ? 0 : buffer_attach(link, number, buffer);
        if (error == ENODEV) {
            driver_lost(link);
            error = 0;
        } else if (error == 0 && client->state != BLOCK_CLIENT_LOST && *buffer != number) {
            error = EPROTO;
        }
    }
    if (error != 0) {
        link->buffer_count = number;
        return error;
    }
    *buffer = number;
    block_client_note_buffer(client, number, memory);
    return 0;
}

static int session_reopen(struct block_client_link *link, struct block_info *info)
{
    int error = session_open(link, info);

    for (unsigned i = 0; i < link->buffer_count && error == 0; i++) {
        uint32_t buffer;
        error = buffer_attach(link, i, &buffer);
        if (error == 0 && buffer != i)
            error = EPROTO;
    }
    return error;
}

/* Ask for a message when what the name stands for is to be had, or never will be. */
static void await_request(const struct block_client_link *link)
{
    startup_await(startup_bootstrap_port(), link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  link->name);
}

int block_client_link_reopen(struct block_client_link *link, struct block_info *info, bool *excused)
{
    enum { VIOLATIONS_MAX = 3 };

    session_close(link);
    int error = class_find(link);
    if (error == EAGAIN && link->violations > VIOLATIONS_MAX)
        return EPROTO;
    if (error == 0)
        error = session_reopen(link, info);
    *excused = link->was_excused;
    if (error != 0)
        session_close(link);
    if (error != EAGAIN && error != ENODEV) /* the latter: it died while we spoke to it */
        return error;
    await_request(link);
    return EAGAIN;
}

void block_client_link_await(struct block_client_link *link)
{
    struct {
        mach_msg_header_t header;
        unsigned char body[256];
    } message;

    if (mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), link->wakeups, 0,
                 MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        mach_msg_destroy(&message.header); /* whatever it is: the caller looks again */
}

const char *block_client_link_name(const struct block_client_link *link)
{
    return link->name;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)submissions, (void)scattered; /* the client's ring is the queue's: they are there */
    queue_put_in_place(&link->queue, count);
    link->wake_driver |= queue_publish(&link->queue);
    return 0;
}

/* The driver slept when there was something for it, and sleeps still: had it woken meanwhile, it
 * would look before it sleeps again. */
static bool driver_waits(struct block_client_link *link)
{
    bool waits = link->wake_driver && queue_other_sleeps(&link->queue);

    link->wake_driver = false;
    return waits;
}

static mach_msg_header_t wakeup_make(const struct block_client_link *link, mach_port_t waiter)
{
    enum { BLOCK_LINK_WAKE = 71452 }; /* the third routine of subsystem 71450 */

    return (mach_msg_header_t){
        .msgh_bits =
            MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, waiter ? MACH_MSG_TYPE_MAKE_SEND_ONCE : 0),
        .msgh_size = sizeof(mach_msg_header_t),
        .msgh_remote_port = link->session,
        .msgh_local_port = waiter,
        .msgh_id = BLOCK_LINK_WAKE,
    };
}

static void driver_wake(struct block_client_link *link)
{
    mach_msg_header_t message = wakeup_make(link, MACH_PORT_NULL);

    /* A wakeup that finds one there already is as good; of a driver that is gone we hear later. */
    if (link->in_loop)
        loop_send(&message);
    else
        mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
                 MACH_PORT_NULL);
}

/* Whether it tells of the driver's end, and not of completions. */
static bool wakeup_is_death(const struct block_client_link *link, mach_msg_header_t *message)
{
    if (message->msgh_id == STARTUP_ALARM_ID)
        alarm_rang(link);
    if (message->msgh_id == MACH_NOTIFY_DEAD_NAME &&
        MACH_MSGH_BITS_LOCAL(message->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE &&
        message->msgh_size >= sizeof(mach_dead_name_notification_t))
        /* Of an earlier session: or the driver made it up, with the right to wake us. */
        return ((const mach_dead_name_notification_t *)message)->not_port == link->session;
    mach_msg_destroy(message); /* a wakeup, and it does not matter what is in it */
    return false;
}

/* Sleep until the driver wakes us, and wake it first if it has to be; ENODEV: it is gone. */
static int wakeup_wait(struct block_client_link *link)
{
    struct {
        mach_msg_header_t header;
        unsigned char body[256];
    } message;
    mach_msg_option_t option = MACH_RCV_MSG;

    if (alarmed != link)
        alarm_set(link);
    if (driver_waits(link)) {
        option |= MACH_SEND_MSG;
        message.header = wakeup_make(link, link->wakeups);
    }
    mach_msg_return_t code = mach_msg(&message.header, option, sizeof(message.header),
                                      sizeof(message), link->wakeups, 0, MACH_PORT_NULL);

    if (code != MACH_MSG_SUCCESS)
        return ENODEV;
    return wakeup_is_death(link, &message.header) ? ENODEV : 0;
}

/* What is there now. ENODEV: the driver broke the protocol, nothing that it says counts any more.
 */
static int completions_get(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    const volatile void *entries = NULL;
    int error = queue_take_run(&link->queue, &entries, sizeof(**completions), count);

    *completions = entries;
    if (error == 0)
        return 0;
    driver_complain(link, "more completions than there is room for");
    return ENODEV;
}

void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts)
{
    const struct block_client_counts *told = &link->told;

    startup_recovered(startup_bootstrap_port(), link->name, counts->recoveries - told->recoveries,
                      counts->replayed - told->replayed, counts->rewritten - told->rewritten,
                      counts->poisoned - told->poisoned, counts->rejected - told->rejected);
    link->told = *counts;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    if (driver_waits(link))
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
static bool driver_is_let(const struct block_client_link *link)
{
    enum { TIMES = 32 };

    for (unsigned i = 0; i < TIMES && !queue_other_sleeps(&link->queue); i++) {
        swtch();
        if (!queue_is_dry(&link->queue))
            return true;
    }
    return false;
}

/* Whether to go to sleep, which has been said then. */
static bool may_sleep(struct block_client_link *link)
{
    if (!queue_is_dry(&link->queue))
        return false;
    if ((link->client->flags & BLOCK_POLLED) && queue_other_is_apart(&link->queue) &&
        block_client_spin(&link->queue))
        return false;
    if (driver_is_let(link))
        return false;
    return queue_sleep(&link->queue);
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    for (;;) {
        if (may_sleep(link)) {
            int error = wakeup_wait(link);
            queue_awake(&link->queue);
            if (error != 0)
                return error;
        }
        if (completions_get(link, completions, count) != 0)
            return ENODEV;
        if (*count > 0) {
            if (driver_waits(link))
                driver_wake(link);
            return 0;
        }
    }
}

void block_client_accuse(struct block_client *client, const char *reason)
{
    struct block_client_link *link = client->link;

    if (link->class == MACH_PORT_NULL || client->state == BLOCK_CLIENT_LOST)
        return;
    /* What we ask next is asked after this was heard: the name is somebody else's by then. */
    startup_complain(startup_bootstrap_port(), link->name, link->class, reason);
    driver_lost(link);
}

void block_client_send_at_once(struct block_client *client)
{
    client->link->at_once = true;
}

/* Wake the driver if it has to be. Who asks for one after the other has nothing else to do. */
static void driver_go_on(struct block_client_link *link, bool single)
{
    if (driver_waits(link))
        driver_wake(link);
    else if (single && block_client_in_flight(link->client) > 0)
        driver_is_let(link);
}

/* Between two turns the driver has to wake us: `asleep` stays set for as long as the loop waits for
 * anybody. True: there may be more. */
static bool link_sleep(struct block_client_link *link)
{
    if (!alarmed && block_client_in_flight(link->client) > 0)
        alarm_set(link);
    return !queue_sleep(&link->queue);
}

/* As link_sleep. */
static bool link_turn(struct block_client_link *link)
{
    enum { ROUNDS = 4 };  /* of requests that are made of completions, before the others' turn */
    enum { SINGLES = 8 }; /* batches of one in a row: somebody asks for one after the other ... */
    enum { LOOK = 16 };   /* ... as far as is known: so often it is looked for others */
    const volatile struct block_completion *completions;
    struct block_client *client = link->client;

    queue_awake(&link->queue);
    /* What else has come may have more for the same batch: one wakeup for all. While one asks after
     * the other nothing has. */
    unsigned batched = client->put - client->sent;
    bool single = block_client_in_flight(client) == 1 && link->singles >= SINGLES &&
                  link->singles % LOOK != 0;
    if (batched > link->held && !link->at_once && !single) {
        /* Somebody may have waited for room in the port's queue, or for the processor; and a driver
         * that polls would have it until the first is done. */
        if (batched % MACH_PORT_QLIMIT_MAX == 0 ||
            (link->held == 0 && !queue_other_sleeps(&link->queue)))
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
        if (client->put == client->sent && queue_is_dry(&link->queue))
            return link_sleep(link);
    }
    return true;
}

static bool links_turn(void *context)
{
    bool again = false;

    (void)context;
    for (struct block_client_link *link = looped; link; link = link->next) {
        if (link->completions)
            again |= link_turn(link);
    }
    return again;
}

static void link_message(void *context, mach_msg_header_t *message)
{
    struct block_client_link *link = context;

    if (wakeup_is_death(link, message))
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
    int error = port_adopt(&wakeup_type, link, link->wakeups);
    if (error != 0)
        return error;
    link->in_loop = true;
    link->next = looped;
    looped = link;
    return 0;
}
