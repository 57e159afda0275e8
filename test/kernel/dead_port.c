/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the kernel makes of an interrupt port that dies: the reason why the authority never lets one
 * die (server/io/interrupt.c). Started in the authority's place, with its arguments, it needs
 * QEMU's 82540EM (`e1000`), whose interrupt is a level on a line. Device number 16: the port dies
 * with an interrupt unacknowledged, and another is registered. Number 20: it dies with nothing
 * outstanding, and the device raises the line with nobody registered. The log says how far the
 * machine came.
 */
#include <stdbool.h>
#include <stdlib.h>

#include <kernel/device_user.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/log.h>
#include <host/mach/memory.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <kit/regs.h>

/* 317453, 13.4.17 to 13.4.21: interrupt cause read and set, mask set. */
enum { CAUSE_READ = 0xc0, CAUSE_SET = 0xc8, MASK_SET = 0xd0, CAUSE_LINK = 4 };
enum { ID_E1000 = 0x100e8086, CONFIG_BAR = 0x10, CONFIG_COMMAND = 4, CONFIG_LINE = 0x3c };
enum { WINDOW = 0x20000 };

static mach_port_t device_master, interrupt_device;
static struct regs regs;
static unsigned device;
static int line;

/* PCI 3.0, 3.2.2.3.2. */
static uint32_t config_read(unsigned offset)
{
    uint32_t value;

    __asm__ volatile("outl %0, %1"
                     :
                     : "a"(0x80000000u | device << 11 | offset), "Nd"((uint16_t)0xcf8));
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)0xcfc));
    return value;
}

static void config_write(unsigned offset, uint32_t value)
{
    config_read(offset);
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)0xcfc));
}

static bool device_find(void)
{
    mach_port_t permission, memory, pager;
    void *address;

    if (i386_io_perm_create(device_master, 0xcf8, 0xcff, &permission) != KERN_SUCCESS ||
        i386_io_perm_modify(mach_task_self(), permission, TRUE) != KERN_SUCCESS)
        return false;
    while (device < 32 && config_read(0) != ID_E1000)
        device++;
    if (device == 32)
        return false;
    line = (int)(config_read(CONFIG_LINE) & 0xff);
    config_write(CONFIG_COMMAND, 2);
    uint32_t base = config_read(CONFIG_BAR) & ~15u;
    if (device_open(device_master, D_READ | D_WRITE, "mem", &memory) != KERN_SUCCESS ||
        device_map(memory, VM_PROT_READ | VM_PROT_WRITE, base, WINDOW, &pager, 0) != KERN_SUCCESS ||
        memory_map_object(pager, WINDOW, true, &address) != 0)
        return false;
    regs = (struct regs){.base = address, .size = WINDOW};
    regs_write32(&regs, MASK_SET, CAUSE_LINK);
    return true;
}

static mach_port_t line_register(void)
{
    mach_port_t port;

    if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port) != KERN_SUCCESS ||
        device_intr_register(interrupt_device, line, 0, port, MACH_MSG_TYPE_MAKE_SEND) !=
            KERN_SUCCESS)
        return MACH_PORT_NULL;
    return port;
}

static unsigned interrupts_count(mach_port_t port, mach_msg_timeout_t wait)
{
    struct {
        mach_msg_header_t header;
        char body[256];
    } message;
    unsigned count = 0;

    while (count < 1000 &&
           mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), port,
                    wait, MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        count++;
    return count;
}

int main(int argc, char **argv)
{
    mach_port_t console;

    if (argc < 4) /* what io is told besides does not matter here */
        return EXIT_FAILURE;
    device_master = (mach_port_t)strtoul(argv[2], NULL, 10);
    if (device_open(device_master, D_READ | D_WRITE, "console", &console) == KERN_SUCCESS)
        log_to_console(console, "dead-port");
    if (device_open(device_master, D_READ | D_WRITE, "irq", &interrupt_device) != KERN_SUCCESS ||
        !device_find())
        return EXIT_FAILURE;

    mach_port_t first = line_register();
    regs_write32(&regs, CAUSE_SET, CAUSE_LINK);
    log_info("first port: interrupts %u", interrupts_count(first, 200));
    regs_read32(&regs, CAUSE_READ);
    if (device == 20)
        device_intr_ack(interrupt_device, first, MACH_MSG_TYPE_MAKE_SEND);
    mach_port_mod_refs(mach_task_self(), first, MACH_PORT_RIGHT_RECEIVE, -1);
    clock_sleep(3 * CLOCK_SECOND); /* the kernel means to look for dead ports once a second */
    log_info("first port: dead for a while");

    mach_port_t second = device == 20 ? MACH_PORT_NULL : line_register();
    regs_write32(&regs, CAUSE_SET, CAUSE_LINK);
    if (second != MACH_PORT_NULL)
        log_info("second port: interrupts %u", interrupts_count(second, 200));
    clock_sleep(CLOCK_SECOND);
    log_info("the machine goes on");
    return EXIT_SUCCESS;
}
