/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's interrupt lines.
 *
 * GNU Mach mishandles a registered port that dies (doc/architecture.md, "Interrupts"), so none ever
 * does: a line is registered once and the registration kept for ever. Only the receive right of its
 * port travels; the kernel sends it home when the driver that held it is gone.
 */
#include <errno.h>
#include <stdlib.h>

#include <device/irq_status.h>
#include <device/notify.h>
#include <mach/notify.h>

#include <interface/kernel_interrupt_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/line.h>
#include <server/io/msix.h>

/* Lines above the IO-APIC's pins are free for messages. They are taken from the top, away from the
 * pins of a second IO-APIC, should there be one. */

/* How many acknowledgements are passed on for one message to us. */
enum { ACKNOWLEDGED_TOGETHER = 256 };

struct io_line *io_lines;
static bool messages;
static mach_port_t home_port; /* port-destroyed notifications; only the kernel can send here */

static void line_message(void *context, mach_msg_header_t *message);
static void home_message(void *context, mach_msg_header_t *message);

static const struct port_type line_type = {.name = "interrupt line", .message = line_message};
static const struct port_type home_type = {.name = "returning lines", .message = home_message};

int io_interrupt_start(void)
{
    int mode[1] = {ACPI_PICMODE_PIC};
    mach_msg_type_number_t count = 1;

    /* A kernel that does not know the question has the 8259s. */
    if (device_get_status(io_privilege.interrupt_device, IRQGETPICMODE, mode, &count) ==
            KERN_SUCCESS &&
        count == 1)
        messages = mode[0] == ACPI_PICMODE_APIC;
    return port_create(&home_type, NULL, &home_port);
}

bool io_interrupt_messages(void)
{
    return messages;
}

bool io_line_kernel_acknowledge(struct io_line *line)
{
    if (device_intr_ack(io_privilege.interrupt_device, line->port, MACH_MSG_TYPE_COPY_SEND) !=
        KERN_SUCCESS)
        return false;
    line->acknowledged++;
    return true;
}

/* An interrupt that comes here, not to a driver: served if it is our own, and either way it must
 * not stay masked for the others who share it. */
static void line_message(void *context, mach_msg_header_t *message)
{
    struct io_line *line = context;

    (void)message;
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
 * acknowledged now. */
static void home_message(void *context, mach_msg_header_t *message)
{
    const mach_port_destroyed_notification_t *note = (const void *)message;

    (void)context;
    if (message->msgh_id != MACH_NOTIFY_PORT_DESTROYED || message->msgh_size < sizeof(*note))
        return;
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (line->port != note->not_port)
            continue;
        line->lent = false;
        line->holder = NULL;
        /* A line has one outstanding at most, as it was masked. Of messages a device can have
         * raised any number: what is left of them does no harm, as a message is never masked. */
        unsigned left = line->message ? ACKNOWLEDGED_TOGETHER : 0;
        while (left > 0 && io_line_kernel_acknowledge(line))
            left--;
        if (!line->message)
            io_sharing_acknowledge(line, false);
        port_adopt(&line_type, line, line->port);
        return;
    }
    log_error("a receive right came home that was never lent (name %u)", note->not_port);
}

static int line_register(unsigned number, bool message, struct io_line **result)
{
    struct io_line *line = calloc(1, sizeof(*line));
    int error = line ? port_create(&line_type, line, &line->port) : ENOMEM;

    if (error == 0)
        error = error_from_kernel(device_intr_register(io_privilege.interrupt_device, (int)number,
                                                       0, line->port, MACH_MSG_TYPE_MAKE_SEND));
    /* A send right of our own names the line in acknowledgements, wherever its receive right is. */
    if (error == 0 && port_make_send(line->port) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error != 0) {
        if (line)
            port_destroy(line->port);
        free(line);
        return error;
    }
    line->number = number;
    line->message = message;
    line->next = io_lines;
    io_lines = line;
    *result = line;
    return 0;
}

/* A registered line that nobody has taken, of that number, or any message line for that pin. */
static struct io_line *line_lookup_free(bool message, unsigned number, unsigned pin)
{
    for (struct io_line *line = io_lines; line; line = line->next) {
        if (line->message == message && !line->taken && !line->lent && line->pin == pin &&
            (message || line->number == number))
            return line;
    }
    return NULL;
}

static void line_take(struct io_line *line, struct io_line **result)
{
    line->taken = true;
    line->acknowledged = 0;
    *result = line;
}

int io_line_take_message(struct io_line **result)
{
    static unsigned lowest = IO_LINE_COUNT; /* that was registered, or refused */

    if (!messages)
        return ENOTSUP;
    struct io_line *line = line_lookup_free(true, 0, 0);
    while (!line && lowest > IO_LINE_FIRST_MESSAGE)
        line_register(--lowest, true, &line);
    if (!line)
        return ENOSPC;
    line_take(line, result);
    return 0;
}

int io_line_take_fixed(unsigned pin, struct io_line **result)
{
    struct io_line *line = io_lines;

    if (!messages)
        return io_line_take_shared(pin, result);
    while (line && (line->pin != pin || pin == 0))
        line = line->next;
    if (!line)
        return EINVAL;
    if (line->taken || line->lent)
        return EBUSY;
    line_take(line, result);
    return 0;
}

int io_line_take_shared(unsigned number, struct io_line **result)
{
    /* 0, 1 and 13 are the kernel's clock, keyboard and coprocessor; 2 is the cascade of the 8259s.
     */
    if (number <= 2 || number == 13 || number >= IO_LINE_FIRST_MESSAGE)
        return EINVAL;

    struct io_line *line = line_lookup_free(false, number, 0);
    if (!line) {
        int error = line_register(number, false, &line);
        if (error != 0)
            return error;
    }
    line_take(line, result);
    return 0;
}

void io_line_release(struct io_line *line)
{
    if (line->entry)
        io_msix_mask(line->entry, true);
    line->entry = NULL;
    line->taken = false;
    line->holder = NULL;
}

int io_line_lend(struct io_line *line, const char *holder, mach_port_t *right)
{
    mach_port_t previous = MACH_PORT_NULL;

    if (line->lent)
        return EBUSY;
    int error = error_from_kernel(
        mach_port_request_notification(mach_task_self(), line->port, MACH_NOTIFY_PORT_DESTROYED, 0,
                                       home_port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
    if (error != 0)
        return error;
    port_release(previous);
    port_disown(line->port);
    line->lent = true;
    line->holder = holder;
    line->skipped = 0;
    line->received = line->acknowledged;
    io_storm_watch();
    *right = line->port;
    return 0;
}

void io_line_acknowledge(struct io_line *line, unsigned count, bool claimed)
{
    if (!line->message) {
        io_sharing_acknowledge(line, claimed); /* masked since the last one: there can be no more */
        return;
    }
    /* A driver's number cannot keep us here, nor does the kernel count more than is outstanding. */
    if (count > ACKNOWLEDGED_TOGETHER)
        count = ACKNOWLEDGED_TOGETHER;
    line->unclaimed += claimed ? 0 : count;
    for (; count > 0; count--) {
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
