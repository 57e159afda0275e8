/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io_kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <device/irq_status.h>
#include <mach/notify.h>

#include <interface/kernel_debug_user.h>
#include <interface/kernel_interrupt_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <test/unit/cmocka.h>

enum { PORTS = 256, LINES = 64 };

struct io_privilege io_privilege;
bool kernel_refuses_lines;
unsigned kernel_destroyed;

static struct kernel_port ports[PORTS];
static mach_port_t home; /* where the kernel tells that a right has come home */
static uint64_t now;
static struct clock_timer *timers;
static char logged[LINES][LOG_LINE_SIZE];
static unsigned log_count;

void kernel_begin(void)
{
    memset(ports, 0, sizeof(ports));
    home = MACH_PORT_NULL;
    now = CLOCK_SECOND;
    timers = NULL;
    log_count = 0;
    kernel_refuses_lines = false;
}

struct kernel_port *kernel_port(mach_port_t name)
{
    assert_true(name < PORTS);
    return &ports[name];
}

void kernel_raise(mach_port_t name, unsigned count)
{
    assert_true(kernel_port(name)->is_registered);
    kernel_port(name)->outstanding += count;
}

static void home_tell(mach_port_t name, size_t more)
{
    struct {
        mach_port_destroyed_notification_t first;
        mach_msg_type_t more[16];
    } note = {
        .first = {.not_header = {.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                                 .msgh_size = (mach_msg_size_t)(sizeof(note.first) + more),
                                 .msgh_id = MACH_NOTIFY_PORT_DESTROYED},
                  .not_type = {.msgt_name = MACH_MSG_TYPE_PORT_RECEIVE,
                               .msgt_size = 32,
                               .msgt_number = 1,
                               .msgt_inline = TRUE},
                  .not_port = name},
    };

    assert_true(more <= sizeof(note.more));
    kernel_port(home)->type->message(kernel_port(home)->context, &note.first.not_header);
}

void kernel_come_home(mach_port_t name)
{
    assert_false(kernel_port(name)->is_here);
    kernel_port(name)->is_here = true;
    home_tell(name, 0);
}

void kernel_forge_home(mach_port_t name)
{
    home_tell(name, 0);
}

void kernel_come_home_with(mach_port_t name, size_t more)
{
    kernel_port(name)->is_here = true;
    home_tell(name, more);
}

unsigned kernel_logged(const char *text)
{
    unsigned count = 0;

    for (unsigned i = 0; i < log_count && i < LINES; i++)
        count += strstr(logged[i], text) != NULL;
    return count;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(logged[log_count++ % LINES], LOG_LINE_SIZE, format, arguments);
    va_end(arguments);
}

uint64_t clock_now(void)
{
    return now;
}

void clock_timer_cancel(struct clock_timer *timer)
{
    struct clock_timer **link = &timers;

    while (*link && *link != timer)
        link = &(*link)->next;
    if (*link)
        *link = timer->next;
    timer->running = 0;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    clock_timer_cancel(timer);
    *timer = (struct clock_timer){now + after, expired, context, timers, 1};
    timers = timer;
}

void kernel_run(uint64_t nanoseconds)
{
    for (uint64_t end = now + nanoseconds;;) {
        struct clock_timer *first = timers;
        for (struct clock_timer *timer = timers; timer; timer = timer->next)
            first = timer->due < first->due ? timer : first;
        now = first && first->due < end ? first->due : end;
        if (!first || first->due > end)
            return;
        clock_timer_cancel(first);
        first->expired(first->context);
    }
}

int error_from_kernel(kern_return_t code)
{
    return code == KERN_SUCCESS ? 0 : ENOMEM;
}

mach_port_t mach_task_self(void)
{
    return 1;
}

/* Ports. */

int port_create(const struct port_type *type, void *context, mach_port_t *port)
{
    mach_port_t name = 2;

    while (ports[name].exists)
        name++;
    assert_true(name < PORTS);
    ports[name] =
        (struct kernel_port){.exists = true, .is_here = true, .type = type, .context = context};
    *port = name;
    if (home == MACH_PORT_NULL)
        home = name; /* the first one that io_interrupt_start makes */
    return 0;
}

int port_adopt(const struct port_type *type, void *context, mach_port_t port)
{
    if (!kernel_port(port)->exists || !kernel_port(port)->is_here)
        return EINVAL;
    ports[port].type = type;
    ports[port].context = context;
    return 0;
}

void port_disown(mach_port_t port)
{
    ports[port].type = NULL;
    ports[port].is_here = false;
}

void port_destroy(mach_port_t port)
{
    ports[port] = (struct kernel_port){0};
}

mach_port_t port_make_send(mach_port_t port)
{
    return port;
}

void port_release(mach_port_t name)
{
    (void)name;
}

kern_return_t mach_port_destroy(mach_port_t task, mach_port_name_t name)
{
    (void)task;
    port_destroy(name);
    return KERN_SUCCESS;
}

kern_return_t mach_port_get_receive_status(mach_port_t task, mach_port_name_t name,
                                           mach_port_status_t *status)
{
    (void)task;
    *status = (mach_port_status_t){0};
    return kernel_port(name)->is_here ? KERN_SUCCESS : KERN_INVALID_RIGHT;
}

kern_return_t kernel_debug_senders(mach_port_t task, mach_port_name_t name, unsigned *senders)
{
    (void)task, (void)name;
    *senders = 2;
    return KERN_SUCCESS;
}

kern_return_t mach_port_request_notification(mach_port_t task, mach_port_name_t name,
                                             mach_msg_id_t id, mach_port_mscount_t sync,
                                             mach_port_t notify, mach_msg_type_name_t poly,
                                             mach_port_t *previous)
{
    (void)task, (void)sync, (void)poly;
    assert_int_equal(id, MACH_NOTIFY_PORT_DESTROYED);
    assert_int_equal(notify, home);
    *previous = MACH_PORT_NULL;
    return kernel_port(name)->is_here ? KERN_SUCCESS : KERN_INVALID_RIGHT;
}

kern_return_t mach_port_set_qlimit(mach_port_t task, mach_port_name_t name,
                                   mach_port_msgcount_t limit)
{
    (void)task, (void)name, (void)limit;
    return KERN_SUCCESS;
}

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                           mach_port_t receive_name, mach_msg_timeout_t timeout, mach_port_t notify)
{
    return MACH_MSG_SUCCESS;
}

/* With all that is in it, rights that it brought, too. */
void mach_msg_destroy(mach_msg_header_t *message)
{
    const mach_port_destroyed_notification_t *note = (const void *)message;

    if (message->msgh_id == MACH_NOTIFY_PORT_DESTROYED)
        kernel_port(note->not_port)->is_here = false;
    kernel_destroyed++;
}

/* Lines. */

kern_return_t device_get_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                mach_msg_type_number_t *count)
{
    (void)device;
    assert_int_equal(flavor, IRQGETPICMODE);
    status[0] = ACPI_PICMODE_APIC;
    *count = 1;
    return KERN_SUCCESS;
}

kern_return_t device_intr_register(mach_port_t device, int id, int flags, mach_port_t port,
                                   mach_msg_type_name_t poly)
{
    (void)device, (void)flags, (void)poly;
    if (kernel_refuses_lines)
        return KERN_RESOURCE_SHORTAGE;
    kernel_port(port)->is_registered = true;
    kernel_port(port)->line = (unsigned)id;
    return KERN_SUCCESS;
}

kern_return_t device_intr_ack(mach_port_t device, mach_port_t port, mach_msg_type_name_t poly)
{
    struct kernel_port *line = kernel_port(port);

    (void)device, (void)poly;
    if (line->outstanding == 0)
        return KERN_INVALID_ARGUMENT;
    line->outstanding--;
    line->acknowledged++;
    return KERN_SUCCESS;
}

kern_return_t kernel_interrupt_acknowledge(mach_port_t device, mach_port_t port)
{
    device_intr_ack(device, port, MACH_MSG_TYPE_COPY_SEND);
    return KERN_SUCCESS;
}
