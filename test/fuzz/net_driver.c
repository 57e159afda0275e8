/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/net_driver.h>

#include <errno.h>
#include <setjmp.h>

#include <kit/clock.h>
#include <kit/dma.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/net_core.h>

enum { STEPS_MAX = 400, BUFFERS_MAX = 8, VECTORS_MAX = 8, TIMERS_MAX = 64 };
#define FIRST_ADDRESS  UINT64_C(0x123400000000)
#define CLIENT_ADDRESS UINT64_C(0x560000000000)
#define CLIENT_SIZE    UINT64_C(0x20000)

struct fuzz_device fuzz_device;

static struct dma_buffer buffers[BUFFERS_MAX];
static unsigned buffer_count;
static struct {
    irq_handler handler;
    void *context;
} vectors[VECTORS_MAX];
static struct clock_timer *timers;
static uint64_t now;
static unsigned mtu;
static jmp_buf ended; /* the driver ended itself */
static bool runs;

static struct net_device *net;
static struct net_session *session;
static bool ending;
static struct net_submission submitted[NET_SLOTS];
static bool busy[NET_SLOTS];

/* The linker sends calls of exit here. */
void __wrap_exit(int status);
void __real_exit(int status) __attribute__((noreturn));
void __wrap_exit(int status)
{
    if (runs)
        longjmp(ended, 1);
    __real_exit(status);
}

uint64_t clock_now(void)
{
    return now += CLOCK_MILLISECOND;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds;
}

void clock_timer_cancel(struct clock_timer *timer)
{
    for (struct clock_timer **at = &timers; *at; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    }
    timer->running = 0;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    clock_timer_cancel(timer);
    timer->due = now + after;
    timer->expired = expired;
    timer->context = context;
    timer->running = 1;
    timer->next = timers;
    timers = timer;
}

static void timer_expire(void)
{
    struct clock_timer *timer = timers;

    if (!timer)
        return;
    clock_timer_cancel(timer);
    now = timer->due > now ? timer->due : now;
    timer->expired(timer->context);
}

const char *device_name(const struct device *self)
{
    (void)self;
    return "net0";
}

const struct device_identity *device_identity(const struct device *self)
{
    (void)self;
    return &fuzz_device.identity;
}

unsigned device_setting(const struct device *self, const char *name, unsigned otherwise)
{
    (void)self;
    return strcmp(name, "mtu") == 0 ? mtu : otherwise;
}

size_t device_window_size(const struct device *self, unsigned index)
{
    (void)self;
    return index == fuzz_device.window_index ? FUZZ_WINDOW_SIZE : 0;
}

int device_window_open(struct device *self, unsigned index, size_t size, struct regs *regs)
{
    fuzz_require(index == fuzz_device.window_index && size > 0 && size <= FUZZ_WINDOW_SIZE);
    *regs = (struct regs){(struct model_device *)self, index, size};
    return 0;
}

int device_enable(struct device *self)
{
    (void)self;
    return 0;
}

int device_config_read(struct device *self, unsigned offset, unsigned width, uint32_t *value)
{
    (void)self;
    if (offset % width != 0 || offset > sizeof(fuzz_device.config) - width)
        return EINVAL;
    *value = 0;
    memcpy(value, fuzz_device.config + offset, width);
    return 0;
}

int irq_attach(struct device *self, unsigned vector, irq_handler handler, void *context)
{
    (void)self;
    if (vector >= fuzz_device.identity.vectors || vector >= VECTORS_MAX || vectors[vector].handler)
        return EINVAL;
    vectors[vector].handler = handler;
    vectors[vector].context = context;
    return 0;
}

bool dma_is_translated(const struct device *self)
{
    (void)self;
    return false;
}

int dma_buffer_create(struct device *self, size_t size, struct dma_buffer *buffer)
{
    (void)self;
    size = (size + DMA_PAGE_SIZE - 1) & ~(size_t)(DMA_PAGE_SIZE - 1);
    fuzz_require(buffer_count < BUFFERS_MAX);
    *buffer = (struct dma_buffer){calloc(1, size),
                                  FIRST_ADDRESS + buffer_count * UINT64_C(0x10000000), size};
    fuzz_require(buffer->memory);
    buffers[buffer_count++] = *buffer;
    return 0;
}

void *fuzz_device_memory(uint64_t address, size_t size)
{
    for (unsigned i = 0; i < buffer_count; i++) {
        uint64_t offset = address - buffers[i].address;
        if (offset < buffers[i].size && size <= buffers[i].size - offset)
            return (char *)buffers[i].memory + offset;
    }
    return NULL;
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    uint64_t value = 0;

    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    memcpy(&value, fuzz_device.window + offset, width);
    return value;
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    memcpy(fuzz_device.window + offset, &value, width);
    fuzz_device_wrote(offset, width, value);
}

int net_device_publish(struct device *device, const char *suffix, const struct net_info *info,
                       const struct net_device_ops *ops, void *context, struct net_device **result)
{
    (void)device, (void)suffix;
    int error = net_device_create(info, ops, context, result);
    net = error == 0 ? *result : NULL;
    return error;
}

static bool delivered(void *link, struct net_completion *completions, unsigned count,
                      const struct net_state *state)
{
    (void)link, (void)state;
    fuzz_require(session && !ending && count <= NET_SLOTS);
    for (unsigned i = 0; i < count; i++) {
        uint16_t slot = completions[i].slot;
        fuzz_require(slot < NET_SLOTS && busy[slot]);
        busy[slot] = false;
        fuzz_require(completions[i].generation == submitted[slot].generation);
        fuzz_require(completions[i].status <= NET_STATUS_GONE);
        fuzz_require(completions[i].length <= submitted[slot].length);
        fuzz_require(completions[i].status == NET_STATUS_OK || completions[i].length == 0);
    }
    return true;
}

static void session_ended(void *link, struct net_session *old)
{
    (void)link;
    fuzz_require(old == session && (old->owned == 0 || !runs));
    session = NULL;
}

static const struct net_transport transport = {delivered, session_ended};

static void session_begin(void)
{
    uint32_t buffer;

    if (session)
        return;
    fuzz_require(net_session_create(net, &transport, NULL, &session) == 0);
    fuzz_require(net_session_attach(session, CLIENT_ADDRESS, CLIENT_SIZE, &buffer) == 0);
    memset(busy, 0, sizeof(busy));
    ending = false;
}

static void session_finish(void)
{
    if (!session || ending)
        return;
    ending = true;
    net_session_end(session);
}

static void submit(struct fuzz_input *input)
{
    struct net_submission submission = {0};
    uint8_t kind = fuzz_take8(input);
    unsigned count = 1 + (kind >> 4) * 8u;

    if (!session || ending)
        return;
    if (kind & 8)
        fuzz_take(input, &submission, sizeof(submission));
    else
        submission = (struct net_submission){.operation = kind & 1 ? NET_SEND : NET_RECEIVE,
                                             .length = kind & 1 ? 60 : net->info.receive_size};
    for (uint16_t slot = 0; slot < NET_SLOTS && count > 0; slot++) {
        if (busy[slot])
            continue;
        submission.slot = slot;
        submission.generation++;
        busy[slot] = true;
        submitted[slot] = submission;
        fuzz_require(net_session_submit(session, &submission) == 0);
        count--;
    }
}

static void filter(struct fuzz_input *input)
{
    static struct net_filter wanted;

    fuzz_take(input, &wanted, 16);
    wanted.count %= NET_GROUPS + 2;
    if (session && !ending)
        net_session_filter(session, &wanted);
}

static void scribble(struct fuzz_input *input)
{
    struct dma_buffer *buffer = &buffers[fuzz_take8(input) % buffer_count];

    ((uint8_t *)buffer->memory)[fuzz_take16(input) % buffer->size] = fuzz_take8(input);
}

static void interrupt(unsigned vector)
{
    if (vectors[vector].handler)
        vectors[vector].handler(vectors[vector].context);
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);

    switch (what & 15) {
    case 0:
        session_finish();
        break;
    case 1:
        session_begin();
        break;
    case 2:
        timer_expire();
        break;
    case 3:
        filter(input);
        break;
    case 4:
    case 5:
        scribble(input);
        break;
    case 6:
        fuzz_device.window[fuzz_take16(input)] = fuzz_take8(input);
        break;
    case 7:
    case 8:
        interrupt(what >> 4 & (VECTORS_MAX - 1));
        break;
    case 9:
    case 10:
    case 11:
        fuzz_device_act(input);
        break;
    default:
        submit(input);
    }
    net_turn();
}

static void clean_up(void)
{
    runs = false;
    if (net)
        net_device_destroy(net);
    net = NULL;
    session = NULL;
    for (unsigned i = 0; i < buffer_count; i++)
        free(buffers[i].memory);
    buffer_count = 0;
    timers = NULL;
    memset(vectors, 0, sizeof(vectors));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_input input; /* longjmp leaves it as it is */

    input = (struct fuzz_input){data, size};
    memset(&fuzz_device, 0, sizeof(fuzz_device));
    mtu = 1500;
    if (fuzz_take8(&input) & 1)
        mtu = fuzz_take16(&input);
    fuzz_device_make(&input);
    if (setjmp(ended) == 0) {
        runs = true;
        if (driver.attach((struct device *)&fuzz_device) == 0) {
            session_begin();
            for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
                step(&input);
            session_finish();
            for (unsigned i = 0; i < 10; i++)
                timer_expire();
        }
    } else {
        ending = true; /* what it has is the system's to take back */
    }
    clean_up();
    return 0;
}
