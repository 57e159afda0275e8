/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The lines of fixed devices: keyboard and mouse, serial and parallel ports.
 *
 * They raise edges, and an edge that comes while the IO-APIC's pin is masked is lost. The kernel
 * masks a line from each interrupt to its acknowledgement, and keeps line 1 for itself. So their
 * pins, of which firmware may say that PCI's levels come there, are made to raise the vectors of
 * message lines, which the kernel knows nothing of and never masks: to it and to the driver an edge
 * is a message. This is done once, before anybody else uses the IO-APIC's index register
 * (ioapic.c), for lines that the kernel does not sit on; those that have no driver end here and are
 * acknowledged.
 */
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/ioapic.h>
#include <server/io/line.h>
#include <server/io/madt.h>

/* Lines 3 and 4 are those of the kernel's consoles; so is the first of these, the keyboard's, if
 * its console is on the screen. */
static const unsigned char pins[] = {1, 5, 7, 12};

static int pin_start(uint32_t registers, unsigned pin)
{
    struct io_line *line;
    int error = io_line_take_message(&line);

    if (error != 0)
        return error;
    io_line_release(line);
    line->pin = pin;
    return ioapic_route(registers, pin, (uint8_t)(IO_LINE_VECTOR_BASE + line->number));
}

void io_fixed_start(bool on_screen)
{
    struct madt madt;

    if (!io_interrupt_messages)
        return;
    int error = io_acpi_madt(&madt);
    for (unsigned i = on_screen; i < sizeof(pins) && error == 0 && madt.ioapic_count > 0; i++)
        error = pin_start(madt.ioapic[0].address, pins[i]);
    if (error != 0)
        log_warning("fixed devices have no interrupts");
}
