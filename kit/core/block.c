/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/block.h>

/* For what is done for a single request as often as for many: a call costs as much as its work. */
#define ALWAYS inline __attribute__((always_inline))

static struct block_device *devices; /* the first is the next to be served */

/* Requests done so far, over all devices: those of one driver may share the hardware's queue, so
 * that one device's completion makes room for another. */
static uint64_t done_count = 1;

static bool was_polled;
static bool withdrawn_any; /* of the devices */

/* How long a device is polled at a time, and how often in vain. */
enum { SPIN_LIMIT = 20000, FRUITLESS_MAX = 8 };

/* For few requests it is polled only if it is quick: if so often in vain is its answer twice in a
 * row, it interrupts for so many turns; for more of them if others want the processor. */
enum { SLOW = 4, MISSES_MAX = 2, SLOW_TURNS = 64, WANTED_TURNS = 16384 };

/* A session that had requests so many turns ago may have more any moment. While one of the active
 * sessions has only few requests at a time, and so waits for each, none may fill the device's
 * queue: what is in there is in front of all that comes. */
enum { ACTIVE_TURNS = 64, FEW = 4, SHARE = 8, SHARE_BESIDE_FEW = 4 };

/* How often a driver is asked after its requests, and for how many rounds it may have one: 30 s,
 * and 35 s at most. */
#define WATCH_PERIOD (5 * CLOCK_SECOND)
enum { WATCH_ROUNDS = 7 };

/* When to look again after a device has kept silent for long, or a client has not taken its
 * completions. */
#define LATER CLOCK_MILLISECOND

static bool is_refused(const struct block_session *session)
{
    return session->refused_at == done_count;
}

static bool limits_are_possible(const struct block_device_limits *limits)
{
    uint32_t size = limits->block_size;

    return size >= 512 && size <= 65536 && (size & (size - 1)) == 0 &&
           limits->max_transfer >= size && limits->max_transfer % size == 0 &&
           limits->blocks <= UINT64_MAX / size;
}

int block_device_create(const struct block_device_limits *limits,
                        const struct block_device_ops *ops, void *context,
                        struct block_device **result)
{
    if (!limits_are_possible(limits))
        return EINVAL;
    struct block_device *device = calloc(1, sizeof(*device));
    if (!device)
        return ENOMEM;
    device->limits = *limits;
    device->limits.serial[sizeof(limits->serial) - 1] = '\0';
    device->limits.model[sizeof(limits->model) - 1] = '\0';
    device->ops = ops;
    device->context = context;
    device->poll_from = MODERATION_DEFAULT.poll_from;
    device->poll_few = MODERATION_DEFAULT.poll_few;
    device->gather = MODERATION_DEFAULT.gather;
    device->next = devices;
    devices = device;
    *result = device;
    return 0;
}

int block_device_moderate(struct block_device *device, const struct moderation *moderation)
{
    device->poll_from = moderation->poll_from;
    device->poll_few = moderation->poll_few;
    if (moderation->gather == device->gather && moderation->gather_us == device->gather_us)
        return 0;
    if (!device->ops->gather)
        return ENOTSUP;
    int error = device->ops->gather(device->context, moderation->gather, moderation->gather_us);
    if (error == 0) {
        device->gather = moderation->gather;
        device->gather_us = moderation->gather_us;
    }
    return error;
}

void block_device_resize(struct block_device *device, uint64_t blocks)
{
    device->limits.blocks = blocks;
}

void block_device_end(struct block_device *device)
{
    device->withdrawn = withdrawn_any = true;
}

/* Those that were withdrawn, and whose sessions have all ended. */
static void devices_tidy(void)
{
    withdrawn_any = false;
    for (struct block_device **link = &devices; *link;) {
        struct block_device *device = *link;
        if (device->withdrawn && !device->sessions) {
            *link = device->next;
            clock_timer_cancel(&device->watch);
            free(device);
        } else {
            withdrawn_any |= device->withdrawn;
            link = &device->next;
        }
    }
}

unsigned block_device_pending(const struct block_device *device)
{
    unsigned pending = 0;

    for (const struct block_session *session = device->sessions; session; session = session->next)
        pending += session->owned;
    return pending;
}

struct block_range block_device_range(const struct block_device *device)
{
    return (struct block_range){0, device->limits.blocks,
                                !(device->limits.flags & BLOCK_INFO_READ_ONLY)};
}

int block_range_bound(const struct block_range *whole, uint64_t first, uint64_t count, bool write,
                      struct block_range *part)
{
    if (count == 0)
        return EINVAL;
    if (first > whole->count || count > whole->count - first)
        return ERANGE;
    if (write && !whole->write)
        return EROFS;
    *part = (struct block_range){whole->first + first, count, write};
    return 0;
}

static bool is_number_taken(unsigned number)
{
    for (const struct block_device *device = devices; device; device = device->next) {
        for (const struct block_session *session = device->sessions; session;
             session = session->next) {
            if (session->number == number)
                return true;
        }
    }
    return false;
}

int block_session_create(struct block_device *device, const struct block_range *range, bool write,
                         const struct block_transport *transport, void *link,
                         struct block_session **result)
{
    if (device->withdrawn)
        return ENODEV;
    if (write && !range->write)
        return EROFS;
    struct block_session *session = calloc(1, sizeof(*session));
    if (!session)
        return ENOMEM;
    session->device = device;
    session->range = *range;
    session->transport = transport;
    session->link = link;
    session->write = write;
    session->ring = session->completion;
    session->requests = session->request;
    while (is_number_taken(session->number))
        session->number++;
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
        session->request[slot] = (struct block_request){
            .session = session, .client = session->number, .slot = (uint16_t)slot};
    session->next = device->sessions;
    device->sessions = session;
    *result = session;
    return 0;
}

void block_session_info(const struct block_session *session, struct block_info *info)
{
    const struct block_device_limits *limits = &session->device->limits;

    memset(info, 0, sizeof(*info));
    info->first = session->range.first;
    info->blocks = session->range.count;
    info->block_size = limits->block_size;
    info->max_transfer = limits->max_transfer;
    info->max_blocks = limits->max_blocks;
    info->flags = limits->flags | (session->write ? 0 : BLOCK_INFO_READ_ONLY);
    memcpy(info->serial, limits->serial, sizeof(info->serial));
    memcpy(info->model, limits->model, sizeof(info->model));
}

void block_session_place(struct block_session *session, struct block_completion *ring,
                         uint32_t epoch)
{
    session->ring = ring;
    session->completed = session->delivered = 0;
    session->epoch = (uint64_t)epoch << 32;
}

/* Nothing refers to an ended session any more: let it go. */
static void session_free(struct block_session *session)
{
    struct block_session **link = &session->device->sessions;

    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    session->transport->ended(session->link, session);
    free(session);
}

void block_session_end(struct block_session *session)
{
    session->ending = true;
    session->device->queued -= block_session_waiting(session);
    session->started = session->came;
    if (session->owned == 0)
        session_free(session);
}

static __attribute__((noinline)) void session_leave(struct block_session *session)
{
    if (session->owned == 0)
        session_free(session);
}

void block_request_done(struct block_request *request, enum block_status status)
{
    struct block_session *session = request->session;

    session->owned--;
    session->device->silent -= request->silent;
    done_count++;
    request->busy = 0;
    if (session->ending) {
        session_leave(session);
    } else {
        completion_add(session, request, status);
    }
}

void block_poll_less(void)
{
    for (struct block_device *device = devices; device; device = device->next)
        device->slow = WANTED_TURNS;
}

static bool flush_is_next(const struct block_session *session)
{
    return block_session_waiting(session) > 0 &&
           session->waiting[session->started % BLOCK_SLOTS]->operation == BLOCK_FLUSH;
}

/* Whether few requests are soon done, as far as can be known. A flush is not. */
static inline bool is_quick(struct block_device *device)
{
    for (const struct block_session *session = device->sessions; session; session = session->next) {
        if (flush_is_next(session))
            return false;
    }
    if (device->slow == 0)
        return true;
    device->slow--;
    device->misses = 0;
    return false;
}

/* Whether the device is to be polled for so many requests. */
static ALWAYS bool is_to_poll(struct block_device *device, unsigned requests)
{
    bool often = device->poll_from > 0 && requests >= device->poll_from;

    device->few = !often && !device->apart && device->poll_few > 0;
    return device->ops->poll && (often || device->apart || (device->few && is_quick(device)));
}

/* Give the driver the session's oldest requests, `most` at most. How many it took: what is left is
 * none, or there is no room. `silent`: of those whose client leaves it to us. */
static ALWAYS unsigned session_start(struct block_device *device, struct block_session *session,
                                     unsigned most, bool silent)
{
    const struct block_device_ops *ops = device->ops;
    bool (*start)(void *, struct block_request *) = ops->start;
    /* By flags, which were checked. */
    const bool is_silent[] = {silent, ops->poll != NULL, false};
    unsigned waiting = block_session_waiting(session), silent_count = 0;

    static_assert(BLOCK_POLLED == 1 && BLOCK_INTERRUPT == 2, "their places");
    if (waiting == 0 || is_refused(session) || session->owned >= device->share)
        return 0;
    if (most > device->share - session->owned)
        most = device->share - session->owned;
    if (most > waiting)
        most = waiting;
    uint32_t first = session->started, at = first, end = first + most;
    /* What is counted here is told at the end: block_request_done may be called meanwhile, and
     * both wrap. */
    for (; at != end; at++) {
        struct block_request *request = session->waiting[at % BLOCK_SLOTS];
        bool is = is_silent[request->flags];
        request->silent = is;
        if (!start(device->context, request)) {
            session->refused_at = done_count;
            break;
        }
        silent_count += is;
    }
    unsigned count = at - first;
    session->started = at;
    session->owned += count;
    device->queued -= count;
    device->silent += silent_count;
    was_polled |= silent_count > 0;
    return count;
}

/* Move the first session to the end of the line. */
static void sessions_rotate(struct block_device *device)
{
    struct block_session *first = device->sessions;

    if (!first || !first->next)
        return;
    struct block_session **link = &device->sessions;
    *link = first->next;
    while (*link)
        link = &(*link)->next;
    *link = first;
    first->next = NULL;
}

/* Move a device that was served to the end of the line. */
static void device_requeue(struct block_device *device)
{
    struct block_device **link = &devices;

    while (*link != device)
        link = &(*link)->next;
    *link = device->next;
    while (*link)
        link = &(*link)->next;
    *link = device;
    device->next = NULL;
}

/* Whether a session is active; its depth is forgotten now and then. */
static bool session_look(struct block_session *session)
{
    struct block_device *device = session->device;
    unsigned depth = block_session_waiting(session) + session->owned;

    if (depth > 0)
        session->active = device->turns;
    if (depth > session->depth || device->turns % ACTIVE_TURNS == 0)
        session->depth = depth;
    return device->turns - session->active < ACTIVE_TURNS;
}

/* What a turn's starts go by. */
struct outlook {
    unsigned requests; /* that the driver has or will have */
    unsigned sessions; /* that have some waiting */
};

/* How much of the device's queue each session may have. */
static struct outlook share_set(struct block_device *device)
{
    struct outlook outlook = {0, 0};
    unsigned active = 0;
    bool few = false;

    for (struct block_session *session = device->sessions; session; session = session->next) {
        outlook.requests += block_session_waiting(session) + session->owned;
        outlook.sessions += block_session_waiting(session) > 0;
        if (!session_look(session))
            continue;
        active++;
        few |= session->depth <= FEW;
    }
    device->share = active > 1 && few ? SHARE_BESIDE_FEW : BLOCK_SLOTS;
    return outlook;
}

/* SHARE requests of each session in turn, until the driver is full or nothing waits. Whether any
 * was started. */
static __attribute__((noinline)) bool sessions_start(struct block_device *device)
{
    struct outlook outlook = share_set(device);
    bool silent = is_to_poll(device, outlook.requests);
    unsigned most = outlook.sessions > 1 ? SHARE : BLOCK_SLOTS; /* alone, all that it has */
    bool started_any = false, started = outlook.sessions > 0;

    while (started) {
        started = false;
        for (struct block_session *session = device->sessions; session; session = session->next)
            started |= session_start(device, session, most, silent) > 0;
        started_any |= started;
        started &= most == SHARE;
    }
    sessions_rotate(device);
    return started_any;
}

/* How often the watch has found one of them with the driver, this time included. */
static unsigned oldest_age(struct block_session *session)
{
    unsigned oldest = 0;

    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
        session->request[slot].busy += session->request[slot].busy != 0;
    for (uint32_t at = session->started; at != session->came; at++)
        session->waiting[at % BLOCK_SLOTS]->busy = 1;
    block_session_withhold(session);
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++) {
        if (session->request[slot].busy > oldest + 1)
            oldest = session->request[slot].busy - 1u;
    }
    return oldest;
}

static void device_watch(void *context)
{
    struct block_device *device = context;
    const char *problem = device->ops->watch(device->context);

    for (struct block_session *session = device->sessions; session; session = session->next) {
        if (oldest_age(session) >= WATCH_ROUNDS && !problem)
            problem = "a request was not completed within 30 s";
    }
    if (block_device_pending(device) == 0)
        return;
    if (problem)
        block_give_up(problem);
    clock_timer_start(&device->watch, WATCH_PERIOD, device_watch, device);
}

bool block_stop(uint64_t limit)
{
    uint64_t start = clock_now();

    for (;;) {
        unsigned pending = 0;
        for (struct block_device *device = devices; device; device = device->next) {
            device->stopped = true;
            device->ops->watch(device->context);
            pending += block_device_pending(device);
        }
        if (pending == 0 || clock_now() - start >= limit)
            return pending == 0;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

/* There are requests that the driver has not. Whether any was started. */
static bool device_start(struct block_device *device)
{
    struct block_session *session = device->sessions;
    bool started;

    device->turns++;
    if (session->next) {
        started = sessions_start(device);
    } else {
        device->share = BLOCK_SLOTS;
        bool silent = is_to_poll(device, device->queued + session->owned);
        started = session_start(device, session, BLOCK_SLOTS, silent) > 0;
    }
    if (started && device->ops->kick)
        device->ops->kick(device->context);
    if (started && device->ops->watch && !device->watch.running)
        clock_timer_start(&device->watch, WATCH_PERIOD, device_watch, device);
    return started;
}

/* Wait for the device, with nothing else. Not inlined: measurements tell waiting from work by it.
 */
bool block_spin(const struct block_device *device, unsigned looks);

__attribute__((noinline)) bool block_spin(const struct block_device *device, unsigned looks)
{
    for (unsigned i = 0; i < looks; i++) {
        if (device->ops->ready(device->context))
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

/* Wait until most of what is polled for is done, so that completions go to the clients, and new
 * requests to the device, in batches, and the device is not idle meanwhile. A device that takes its
 * time is not waited for, only looked at. */
static uint64_t device_poll(struct block_device *device)
{
    if (device->apart) {
        if (device->ops->ready(device->context))
            device->ops->poll(device->context);
        return device->silent > 0 ? 0 : BLOCK_TURN_NEVER;
    }
    unsigned target = device->share == BLOCK_SLOTS ? device->silent / 4 : device->silent / 2;
    if (device->fruitless >= FRUITLESS_MAX && !device->ops->ready(device->context))
        return LATER;
    if (++device->fruitless == SLOW && device->few && ++device->misses == MISSES_MAX)
        device->slow = SLOW_TURNS;
    unsigned looks = device->few ? device->poll_few : SPIN_LIMIT;
    while (device->silent > target && block_spin(device, looks)) {
        unsigned before = device->silent;
        device->ops->poll(device->context);
        if (device->silent == before)
            break; /* it says that it is ready and is not */
        if (device->fruitless < SLOW)
            device->misses = 0;
        device->fruitless = 0;
    }
    return device->silent > 0 ? 0 : BLOCK_TURN_NEVER;
}

bool block_was_polled(void)
{
    bool was = was_polled;

    was_polled = false;
    return was;
}

bool block_is_ready(void)
{
    for (const struct block_device *device = devices; device; device = device->next) {
        if (device->silent > 0 && device->ops->ready(device->context))
            return true;
    }
    return false;
}

/* The slots of completions that were delivered are the client's again. */
static __attribute__((noinline)) void slots_release(struct block_session *session, uint32_t first,
                                                    unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        session->request[session->ring[(first + i) % BLOCK_SLOTS].slot].busy = 0;
    session->withheld = first + count != session->completed;
}

/* In one piece, or two where the ring ends. False: some could not be delivered. */
static bool session_deliver(struct block_session *session)
{
    while (session->delivered != session->completed) {
        uint32_t first = session->delivered % BLOCK_SLOTS, room = BLOCK_SLOTS - first;
        uint32_t count = session->completed - session->delivered;
        struct block_completion *completions = &session->ring[first];
        if (count > room)
            count = room;
        unsigned sent = session->transport->deliver(session->link, completions, count);
        if (sent == 0 || sent > count)
            return false;
        if (session->withheld)
            slots_release(session, session->delivered, sent);
        session->delivered += sent;
    }
    return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t block_turn(void)
{
    struct block_device *served = NULL;
    uint64_t again = BLOCK_TURN_NEVER;

    for (struct block_device *device = devices; device; device = device->next) {
        if (device->queued > 0 && !device->stopped && device_start(device) && !served)
            served = device;
        if (device->silent > 0)
            again = sooner(again, device_poll(device));
        for (struct block_session *session = device->sessions; session; session = session->next) {
            if (session->delivered != session->completed && !session->ending &&
                !session_deliver(session))
                again = sooner(again, LATER);
        }
    }
    if (served && devices->next)
        device_requeue(served);
    if (withdrawn_any)
        devices_tidy();
    return again;
}
