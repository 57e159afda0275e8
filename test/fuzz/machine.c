/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/machine.h>

#include <errno.h>
#include <setjmp.h>

#include <kit/core/dma.h>
#include <kit/irq.h>

enum { BUFFERS_MAX = 40, VECTORS_MAX = 8 };
#define FIRST_ADDRESS UINT64_C(0x123400000000)

struct device fuzz_device;
bool fuzz_is_scribbled;

static struct dma_buffer buffers[BUFFERS_MAX];
static unsigned buffer_count;
static struct {
    irq_handler handler;
    void *context;
} vectors[VECTORS_MAX];
static struct clock_timer *timers;
static uint64_t now;
static jmp_buf ended; /* the driver ended itself */
static bool runs;

/* The linker sends calls of exit here. */
void __wrap_exit(int status) __attribute__((noreturn));
void __real_exit(int status) __attribute__((noreturn));
void __wrap_exit(int status)
{
    if (runs)
        longjmp(ended, 1);
    __real_exit(status);
}

bool fuzz_machine_run(void (*part)(struct fuzz_input *), struct fuzz_input *input)
{
    bool is_whole = setjmp(ended) == 0;

    if (is_whole) {
        runs = true;
        part(input);
    }
    runs = false;
    return is_whole;
}

void fuzz_machine_begin(void)
{
    for (unsigned i = 0; i < buffer_count; i++)
        free(buffers[i].memory);
    buffer_count = 0;
    timers = NULL;
    fuzz_is_scribbled = false;
    now = CLOCK_SECOND;
    memset(vectors, 0, sizeof(vectors));
    memset(&fuzz_device, 0, sizeof(fuzz_device));
    fuzz_device.name = "device0";
}

/* Fast, so that a limit of many seconds is not many steps. */
uint64_t clock_now(void)
{
    return now += 5 * CLOCK_MILLISECOND;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds + 50 * CLOCK_MILLISECOND;
}

void wait_yield(void)
{
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
    *timer = (struct clock_timer){now + after, expired, context, timers, 1};
    timers = timer;
}

void fuzz_timer_expire(void)
{
    struct clock_timer *soonest = timers;

    for (struct clock_timer *timer = timers; timer; timer = timer->next) {
        if (timer->due < soonest->due)
            soonest = timer;
    }
    if (!soonest)
        return;
    clock_timer_cancel(soonest);
    now = soonest->due > now ? soonest->due : now;
    soonest->expired(soonest->context);
}

const char *device_name(const struct device *self)
{
    return self->name;
}

const struct device_identity *device_identity(const struct device *self)
{
    return &self->identity;
}

unsigned device_setting(const struct device *self, const char *name, unsigned otherwise)
{
    return self->setting && strcmp(name, self->setting) == 0 ? self->setting_value : otherwise;
}

int device_enable(struct device *self)
{
    self->is_enabled = true;
    return 0;
}

int device_config_read(struct device *self, unsigned offset, unsigned width, uint32_t *value)
{
    if (offset % width != 0 || offset > sizeof(self->config) - width)
        return EINVAL;
    *value = 0;
    memcpy(value, self->config + offset, width);
    return 0;
}

int irq_attach(struct device *self, unsigned vector, irq_handler handler, void *context)
{
    if (vector >= self->identity.vectors || vector >= VECTORS_MAX || vectors[vector].handler)
        return EINVAL;
    vectors[vector].handler = handler;
    vectors[vector].context = context;
    return 0;
}

void fuzz_interrupt(unsigned vector)
{
    if (vector < VECTORS_MAX && vectors[vector].handler)
        vectors[vector].handler(vectors[vector].context);
}

bool dma_is_translated(const struct device *self)
{
    (void)self;
    return false;
}

int dma_buffer_create(struct device *self, size_t size, struct dma_buffer *buffer)
{
    size = (size + DMA_PAGE_SIZE - 1) & ~(size_t)(DMA_PAGE_SIZE - 1);
    fuzz_require(self->is_enabled && size > 0 && buffer_count < BUFFERS_MAX);
    *buffer = (struct dma_buffer){calloc(1, size),
                                  FIRST_ADDRESS + buffer_count * UINT64_C(0x10000000), size};
    fuzz_require(buffer->memory);
    buffers[buffer_count++] = *buffer;
    return 0;
}

void *fuzz_memory(uint64_t address, size_t size)
{
    for (unsigned i = 0; i < buffer_count; i++) {
        uint64_t offset = address - buffers[i].address;
        if (offset < buffers[i].size && size <= buffers[i].size - offset)
            return (char *)buffers[i].memory + offset;
    }
    return NULL;
}

void fuzz_scribble(struct fuzz_input *input)
{
    uint8_t which = fuzz_take8(input);
    uint16_t where = fuzz_take16(input);

    if (buffer_count == 0)
        return;
    const struct dma_buffer *buffer = &buffers[which % buffer_count];
    ((uint8_t *)buffer->memory)[where % buffer->size] = fuzz_take8(input);
    fuzz_is_scribbled = true;
}
