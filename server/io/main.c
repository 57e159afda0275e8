/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The authority starts: root gave it the kernel's privileged ports, which nobody else will hold.
 * argv: host port, device master port, receive right for the supervisor's interface.
 */
#include <stdlib.h>
#include <string.h>

#include <kernel/device_user.h>

#include <host/mach/error.h>
#include <host/mach/log.h>
#include <host/mach/port.h>
#include <kit/log.h>
#include <server/io/io.h>

struct io_privilege io_privilege;
struct resource_map io_memory_map, io_port_map;

static int kernel_device_open(const char *name, mach_port_t *device)
{
    int error =
        error_from_kernel(device_open(io_privilege.device_master, D_READ | D_WRITE, name, device));

    if (error != 0)
        log_error("the kernel's device %s cannot be opened: %s", name, strerror(error));
    return error;
}

/* What the kernel and this machine's fixed hardware hold is nobody's to lend. */
static int fixed_ranges_claim(bool on_screen)
{
    static const struct {
        uint64_t base, size;
        const char *name;
        struct resource_map *map;
    } fixed[] = {
        {0xfec00000, 0x1000, "IO-APIC", &io_memory_map},
        {0xfee00000, 0x100000, "local APIC and interrupt messages", &io_memory_map},
        {0x20, 2, "8259 interrupt controller", &io_port_map},
        {0x40, 4, "8254 timer", &io_port_map},
        {0xa0, 2, "8259 interrupt controller", &io_port_map},
        {0x70, 2, "clock and NMI mask", &io_port_map},
        {0x3f8, 8, "kernel console (com0)", &io_port_map},
        {0x2f8, 8, "operator's console (com1)", &io_port_map},
        {0x60, 1, "kernel console (keyboard)", &io_port_map},
        {0x64, 1, "kernel console (keyboard)", &io_port_map},
    };
    enum { KEYBOARD = 2 }; /* the last ones, which are ours if its console is on a serial line */
    static int kernel_owner;
    unsigned count = sizeof(fixed) / sizeof(fixed[0]) - (on_screen ? 0 : KEYBOARD);

    int error = 0;
    for (unsigned i = 0; i < count && error == 0; i++)
        error = resource_map_claim(fixed[i].map, fixed[i].base, fixed[i].size, &kernel_owner,
                                   fixed[i].name, NULL);
    return error;
}

int main(int argc, char **argv)
{
    mach_port_t console = MACH_PORT_NULL;

    if (argc != 5)
        return EXIT_FAILURE;
    bool on_screen = strstr(argv[4], "screen"), paging = strstr(argv[4], "paging");
    io_privilege.host = (mach_port_t)strtoul(argv[1], NULL, 10);
    io_privilege.device_master = (mach_port_t)strtoul(argv[2], NULL, 10);

    if (kernel_device_open("console", &console) == 0)
        log_to_console(console, "io");
    int error = kernel_device_open("mem", &io_privilege.memory_device);
    if (error == 0)
        error = kernel_device_open("irq", &io_privilege.interrupt_device);
    if (error == 0)
        error = fixed_ranges_claim(on_screen);
    if (error == 0)
        error = io_interrupt_start();
    if (error == 0)
        io_fixed_start(on_screen);
    bool confined = error == 0 && io_iommu_start();
    if (paging)
        io_memory_keep(confined);
    if (error == 0)
        error = io_control_start((mach_port_t)strtoul(argv[3], NULL, 10));
    if (error != 0) {
        log_error("cannot start: %s", strerror(error));
        return EXIT_FAILURE;
    }
    log_info("interrupts come as %s",
             io_interrupt_messages ? "messages and by lines" : "lines only");
    loop_run();
    return EXIT_SUCCESS;
}
