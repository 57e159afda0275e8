/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's interrupt lines.
 *
 * GNU Mach mishandles a registered port that dies (doc/architecture.md, "Interrupts"), so none does
 * while its line can raise anything or somebody else has a right to it: a line is registered once,
 * and only the receive right of its port travels; the kernel sends it home when the driver that
 * held it is gone. An MSI-X vector's interrupts are not acknowledged to the kernel one by one,
 * which costs as much as a message each. It counts them; all are forgotten together with the port,
 * when it is at home and the vector masked (line_settle), and another is registered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <device/irq_status.h>
#include <device/notify.h>
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
#include <server/io/line.h>
#include <server/io/msix.h>

/* Lines above the IO-APIC's pins are free for messages. They are taken from the top, away from the
 * pins of a second IO-APIC, should there be one. */

struct io_line *io_lines;
bool io_interrupt_messages;

/* More than come until a storm is noticed, and few enough for the time that it takes. */
enum { LEFT_MAX = 1 << 16 };

static mach_port_t home_port; /* port-destroyed notifications */

static void line_message(void *context, mach_msg_header_t *message);
static void home_message(void *context, mach_msg_header_t *message);

static const struct port_type line_type = {.name = "interrupt line", .message = line_message};
static const struct port_type home_type = {.name = "returning lines", .message = home_message};

int io_interrupt_start(void)
{
    int mode[1] = {ACPI_PICMODE_PIC};
    mach_msg_type_number_t count = 1;

    /* A kernel that does not know the question has the 8259s. */
    io_interrupt_messages = device_get_status(io_privilege.interrupt_device, IRQGETPICMODE, mode,
                                              &count) == KERN_SUCCESS &&
                            count == 1 && mode[0] == ACPI_PICMODE_APIC;
    return port_create(&home_type, NULL, &home_port);
}

bool io_line_kernel_acknowledge(struct io_line *line)
{
    bool any = device_intr_ack(io_privilege.interrupt_device, line->port,
                               MACH_MSG_TYPE_COPY_SEND) == KERN_SUCCESS;

    line->acknowledged += any;
    return any;
}

/* An interrupt that comes here, not to a driver: served if it is our own, and either way it must
 * not stay masked for the others who share it. */
static void line_message(void *context, mach_msg_header_t *message)
{
    struct io_line *line = context;

    mach_msg_destroy(message); /* a driver may have left one with rights in it */
    if (line->handler)
        line->handler(line->handler_context);
    io_line_acknowledge(line, 1, line->handler != NULL);
}

void io_line_serve(struct io_line *line, void (*handler)(void *context), void *context)
{
    line->handler = handler;
    line->handler_context = context;
}

/* A receive right has come home, its driver gone. What was delivered and never acknowledged is
 * acknowledged now. A service that a driver gave its line to can have the kernel hand out a right
 * to send here, and say what it likes: what counts is what we can adopt, and nothing comes with it.
 */
static void home_message(void *context, mach_msg_header_t *message)
{
    const mach_port_destroyed_notification_t *note = (const void *)message;

    (void)context;
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (line->port != note->not_port || !line->lent || !note->not_type.msgt_inline ||
            message->msgh_size != sizeof(*note) || port_adopt(&line_type, line, line->port) != 0)
            continue;
        line->lent = false;
        io_line_mask(line);
        /* A line has one outstanding at most, as it was masked. Of messages a device can have
         * raised any number, which do no harm, as a message is never masked. */
        if (!line->message)
            io_sharing_acknowledge(line, false);
        return;
    }
    mach_msg_destroy(message);
    log_error("a receive right came home that was never lent (name %u)", note->not_port);
}

static int port_register(struct io_line *line)
{
    int error = port_create(&line_type, line, &line->port);

    if (error == 0)
        error =
            error_from_kernel(device_intr_register(io_privilege.interrupt_device, (int)line->number,
                                                   0, line->port, MACH_MSG_TYPE_MAKE_SEND));
    /* A send right of our own names the line in acknowledgements, wherever its receive right is. */
    if (error == 0 && port_make_send(line->port) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error != 0) {
        port_destroy(line->port);
        line->port = MACH_PORT_NULL;
    }
    return error;
}

static struct io_line *line_register(unsigned number, bool message)
{
    struct io_line *line = calloc(1, sizeof(*line));

    if (!line)
        return NULL;
    *line = (struct io_line){.number = number, .message = message, .next = io_lines};
    if (port_register(line) == 0)
        return io_lines = line;
    free(line);
    return NULL;
}

/* Have the kernel forget what is outstanding of a message line that is at home and cannot be
 * raised. If it is much the port has to die, and goes with the line's next interrupt: the kernel
 * has two references, tries to deliver, gives up one with that, and finds that it has the last. If
 * somebody else had one it would go on, and give up his: so he must not, or the line is not used
 * until he has none. A driver may have given a right away; and whoever has it could send the next
 * one what he likes. Nor is a port of less than a second ended: it costs the kernel memory for
 * ever, and who gives his line back is not always asked to. */
static int line_settle(struct io_line *line)
{
    mach_port_status_t status;
    unsigned senders, left = IO_LINE_TOGETHER;

    /* Each message that waits has one, too. In this order: one that comes meanwhile is one too
     * many.
     */
    if (mach_port_get_receive_status(mach_task_self(), line->port, &status) != KERN_SUCCESS ||
        kernel_debug_senders(mach_task_self(), line->port, &senders) != KERN_SUCCESS ||
        senders != 2 + status.mps_msgcount || status.mps_sorights != 0)
        return EBUSY;
    while (left > 0 && io_line_kernel_acknowledge(line))
        left--;
    if (left > 0 || clock_now() - line->renewed < CLOCK_SECOND)
        return left > 0 ? 0 : EBUSY;
    line->renewed = clock_now();
    port_destroy(line->port);
    mach_port_destroy(mach_task_self(), line->port); /* what is left of it: a dead name */
    line->acknowledged = io_line_count(line);
    return port_register(line); /* without a port it cannot be settled, nor used, any more */
}

/* A registered line that nobody has taken, of that number, or any message line, settled. */
static struct io_line *line_lookup_free(bool message, unsigned number, unsigned pin)
{
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (line->message == message && !line->taken && !line->lent && line->pin == pin &&
            (message ? line_settle(line) == 0 : line->number == number))
            return line;
    }
    return NULL;
}

static int line_take(struct io_line *line, struct io_line **result)
{
    if (!line)
        return ENOSPC;
    line->taken = true;
    line->masked = false;
    line->acknowledged = line->reported = 0;
    *result = line;
    return 0;
}

int io_line_take_message(struct io_line **result)
{
    static unsigned lowest = IO_LINE_COUNT; /* that was registered, or refused */

    if (!io_interrupt_messages)
        return ENOTSUP;
    struct io_line *line = line_lookup_free(true, 0, 0);
    while (!line && lowest > IO_LINE_FIRST_MESSAGE)
        line = line_register(--lowest, true);
    return line_take(line, result);
}

int io_line_take_fixed(unsigned pin, struct io_line **result)
{
    struct io_line *line = io_lines;

    if (!io_interrupt_messages)
        return io_line_take_shared(pin, result);
    while (line && (line->pin != pin || pin == 0))
        line = line->next;
    if (!line)
        return EINVAL;
    if (line->taken || line->lent)
        return EBUSY;
    return line_take(line, result);
}

int io_line_take_shared(unsigned number, struct io_line **result)
{
    /* 0, 1 and 13 are the kernel's clock, keyboard and coprocessor; 2 is the cascade of the 8259s.
     */
    if (number <= 2 || number == 13 || number >= IO_LINE_FIRST_MESSAGE)
        return EINVAL;

    struct io_line *line = line_lookup_free(false, number, 0);
    if (!line)
        line = line_register(number, false);
    return line_take(line, result);
}

void io_line_release(struct io_line *line)
{
    line->masked = true;
    io_line_mask(line);
    line->entry = NULL;
    line->taken = false;
}

bool io_line_is_astray(const char *name)
{
    const struct io_line *line = io_lines;

    while (line && (line->taken || !line->lent || strcmp(line->holder, name) != 0))
        line = line->next;
    if (line)
        log_warning("%s: gave interrupt line %u away, and gets none until whoever has it ends",
                    name, line->number);
    return line;
}

int io_line_lend(struct io_line *line, const char *holder, mach_port_t *right)
{
    mach_port_t previous = MACH_PORT_NULL;

    if (line->lent)
        return EBUSY;
    int error = line->entry ? line_settle(line) : 0;
    if (error == 0)
        error = error_from_kernel(
            mach_port_request_notification(mach_task_self(), line->port, MACH_NOTIFY_PORT_DESTROYED,
                                           0, home_port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    if (error != 0)
        return error;
    port_release(previous);
    port_disown(line->port);
    line->lent = true;
    snprintf(line->holder, sizeof(line->holder), "%s", holder);
    /* What was left is not this driver's to claim. */
    unsigned left = line->message ? LEFT_MAX : 0;
    while (left > 0 && io_line_kernel_acknowledge(line))
        left--;
    line->received = line->acknowledged;
    line->skipped = line->looks = line->unclaimed = 0;
    line->full = line->held = line->stormed = false;
    mach_port_set_qlimit(mach_task_self(), line->port, MACH_PORT_QLIMIT_DEFAULT);
    io_line_mask(line);
    io_storm_watch();
    *right = line->port;
    return 0;
}

void io_line_mask(const struct io_line *line)
{
    if (line->entry)
        io_msix_mask(line->entry, line->masked || line->held || line->stormed || !line->lent);
}

void io_line_acknowledge(struct io_line *line, unsigned count, bool claimed)
{
    if (!line->message) {
        io_sharing_acknowledge(line, claimed); /* masked since the last one: there can be no more */
        return;
    }
    /* A driver's number cannot keep us here, nor does the kernel count more than is outstanding. */
    if (count > IO_LINE_TOGETHER)
        count = IO_LINE_TOGETHER;
    line->unclaimed += claimed ? 0 : count;
    line->reported += line->entry ? count : 0;
    for (; !line->entry && count > 0; count--) {
        kernel_interrupt_acknowledge(io_privilege.interrupt_device, line->port);
        line->acknowledged++;
    }
}

void io_line_message(const struct io_line *line, uint64_t *address, uint32_t *data)
{
    /* Physical destination mode, to the processor with APIC id 0, which takes all the kernel's
     * interrupts; fixed delivery, edge. */
    *address = 0xfee00000;
    *data = IO_LINE_VECTOR_BASE + line->number;
}
