/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block client's transport. The port for wakeups is not in the event loop's set, and whoever
 * submits waits for it alone, unless the client joined the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/block_class_user.h>
#include <interface/block_session_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/block_client_core.h>
#include <kit/queue.h>

struct block_client_link {
    mach_port_t session; /* send right */
    mach_port_t wakeups; /* receive right; the driver's death is told there too */
    struct queue queue;
    struct shared_memory submissions;
    const void *completions; /* the driver's memory */
    uint32_t epoch;
    struct shared_memory buffer[BLOCK_BUFFERS];
    unsigned buffer_count;
    bool wake_driver; /* it slept when there was something for it */
    struct block_client *client;
    bool in_loop;
    unsigned held;                  /* of the batch, when the loop last looked for more */
    struct block_client_link *next; /* in the loop */
};

static struct block_client_link *looped;

struct opened {
    struct block_client client;
    struct block_client_link link;
};

/* Have the driver's death told on the port where we wait. */
static int death_request(struct block_client_link *link)
{
    mach_port_t previous = MACH_PORT_NULL;
    int error = error_from_kernel(
        mach_port_request_notification(mach_task_self(), link->session, MACH_NOTIFY_DEAD_NAME, 1,
                                       link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));

    port_release(previous);
    return error;
}

#define SUBMISSIONS_SIZE                                                                           \
    ((queue_memory_size(BLOCK_SLOTS, sizeof(struct block_submission)) + 4095) & ~(size_t)4095)
#define COMPLETIONS_SIZE queue_memory_size(BLOCK_SLOTS, sizeof(struct block_completion))

static int queue_open(struct block_client_link *link)
{
    static uint32_t epochs;
    mach_port_t own, others;
    int error = shared_memory_allocate(SUBMISSIONS_SIZE, &link->submissions);

    if (error == 0)
        error = shared_memory_lease(&link->submissions, true, &own);
    if (error != 0)
        return error;
    link->epoch = ++epochs;
    error = error_from_kernel(block_link_queue(link->session, own, link->epoch, &others));
    port_release(own);
    if (error != 0)
        return error;
    error = shared_memory_open(others, COMPLETIONS_SIZE, &link->completions);
    port_release(others);
    if (error == 0)
        queue_init(&link->queue, link->submissions.address, link->completions, BLOCK_SLOTS);
    return error;
}

static int session_open(const char *name, bool write, struct block_client_link *link,
                        struct block_info *info)
{
    mach_port_t class;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = startup_capability(name, &class);

    if (error != 0)
        return error;
    error = error_from_kernel(
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &link->wakeups));
    if (error == 0) {
        mach_port_set_qlimit(mach_task_self(), link->wakeups, 1); /* one is as good as two */
        error = error_from_kernel(
            block_class_open(class, write, link->wakeups, &link->session, record, &size));
    }
    port_release(class);
    if (error == 0)
        error = death_request(link);
    if (error != 0)
        return error;
    if (size != sizeof(*info))
        return EPROTO;
    memcpy(info, record, sizeof(*info));
    return block_info_is_possible(info) ? queue_open(link) : EPROTO;
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
    port_release(link->session);
    if (link->in_loop)
        loop_leave(link);
    else if (link->wakeups != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), link->wakeups, MACH_PORT_RIGHT_RECEIVE, -1);
    if (link->completions)
        memory_pages_free((void *)link->completions, COMPLETIONS_SIZE);
    if (link->submissions.address)
        shared_memory_free(&link->submissions);
    for (unsigned i = 0; i < link->buffer_count; i++)
        shared_memory_free(&link->buffer[i]);
}

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));
    struct block_info info;

    if (!opened)
        return ENOMEM;
    int error = session_open(name, write, &opened->link, &info);
    if (error != 0) {
        link_close(&opened->link);
        free(opened);
        return error;
    }
    block_client_init(&opened->client, &info, &opened->link);
    opened->link.client = &opened->client;
    *result = &opened->client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    link_close(client->link);
    free(client); /* the first member of struct opened */
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct block_client_link *link = client->link;
    mach_port_t lease;
    uint64_t attached = 0;

    if (link->buffer_count == BLOCK_BUFFERS)
        return ENOSPC;
    struct shared_memory *shared = &link->buffer[link->buffer_count];
    int error = shared_memory_allocate(size, shared);
    if (error != 0)
        return error;
    error = shared_memory_lease(shared, false, &lease);
    if (error == 0) {
        error = error_from_kernel(block_link_attach(link->session, lease, buffer, &attached));
        port_release(lease);
    }
    if (error == 0 && attached < shared->size)
        error = EPROTO;
    if (error != 0) {
        shared_memory_free(shared);
        return error;
    }
    link->buffer_count++;
    *memory = shared->address;
    return 0;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        queue_put(&link->queue, &submissions[i], sizeof(submissions[i]));
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
    mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
             MACH_PORT_NULL);
}

/* Whether it tells of the driver's end, and not of completions. */
static bool wakeup_is_death(struct block_client_link *link, mach_msg_header_t *message)
{
    if (message->msgh_id == MACH_NOTIFY_DEAD_NAME &&
        MACH_MSGH_BITS_LOCAL(message->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        port_release(link->session); /* the reference that the notification brought */
        return true;
    }
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
static int completions_get(struct block_client_link *link, struct block_completion *completions,
                           unsigned limit, unsigned *count)
{
    unsigned got = 0;
    int taken = 0;

    while (got < limit &&
           (taken = queue_take(&link->queue, &completions[got], sizeof(completions[got]))) > 0)
        got += completions[got].epoch == link->epoch;
    *count = got;
    return taken < 0 ? ENODEV : 0;
}

int block_client_link_receive(struct block_client_link *link, struct block_completion *completions,
                              unsigned limit, unsigned *count)
{
    for (;;) {
        if (completions_get(link, completions, limit, count) != 0)
            return ENODEV;
        if (*count > 0) {
            if (driver_waits(link))
                driver_wake(link);
            return 0;
        }
        if (queue_sleep(&link->queue)) {
            int error = wakeup_wait(link);
            queue_awake(&link->queue);
            if (error != 0)
                return error;
        }
    }
}

/* Between two turns the driver has to wake us: `asleep` stays set for as long as the loop waits for
 * anybody. True: there may be more. */
static bool link_turn(struct block_client_link *link)
{
    enum { ROUNDS = 4 }; /* of requests that are made of completions, before the others' turn */
    struct block_completion completions[BLOCK_SLOTS];

    queue_awake(&link->queue);
    /* What else has come may have more for the same batch: one wakeup for all. */
    if (link->client->batched > link->held) {
        link->held = link->client->batched;
        return true;
    }
    link->held = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 0;
        if (block_client_send(link->client) != 0)
            return false;
        if (driver_waits(link))
            driver_wake(link);
        if (completions_get(link, completions, BLOCK_SLOTS, &count) != 0) {
            block_client_fail(link->client);
            return false;
        }
        if (count == 0)
            return !queue_sleep(&link->queue);
        block_client_take(link->client, completions, count);
    }
    return true;
}

static bool links_turn(void *context)
{
    bool again = false;

    (void)context;
    for (struct block_client_link *link = looped; link; link = link->next) {
        if (!block_client_is_gone(link->client))
            again |= link_turn(link);
    }
    return again;
}

static void link_message(void *context, mach_msg_header_t *message)
{
    struct block_client_link *link = context;

    if (wakeup_is_death(link, message))
        block_client_fail(link->client);
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
