/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Started by the kernel in the place of ext2fs, with its arguments; others come after them:
 *
 *   --multiboot-command-line=LINE --exec-server-task=PORT --kernel-task=PORT -T typed device:NAME
 *   --reads=N      so many page-sized reads one after the other, and calls at a time (1000)
 *   --scratch=A,N  N records from A may be written; without it nothing is
 *   --seed=N       for the pattern and the order of things
 *   --seconds=N    the calls at a time go on for so long instead
 *   --flight=N     calls at a time (16)
 *   --card=NAME    a network card, behind which 10.0.2.2 answers
 *   --pings=N      so many times (200)
 *   --price=N      so many page-sized reads more, which are counted (0)
 *   --tasks=N      the list of tasks is asked for so many times more (0)
 *   --flood=N      first so many messages that make no sense (0)
 *   --confined     what would undo confinement is to be refused
 *   --pci, --acpi  the device master has these names too
 *   --end=refused  host_reboot is to be refused
 *   --end=reboot, --end=off  what comes last is host_reboot, or acpi_sleep
 *
 * The last line on the console is "stand-in: N checks, M failed".
 */
#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>

#include <kernel/device_user.h>
#include <kernel/mach_host_user.h>

#include <host/mach/port.h>

#include "stand_in.h"

enum { LEAK_ALLOWED = 4 << 20 };

static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);

    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

static bool option_number(const char *argument, struct options *options)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"--reads=", &options->reads},     {"--seed=", &options->seed},
                   {"--seconds=", &options->seconds}, {"--flight=", &options->flight},
                   {"--pings=", &options->pings},     {"--flood=", &options->flood},
                   {"--price=", &options->price},     {"--tasks=", &options->tasks}};

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        const char *value = value_of(argument, numbers[i].name);
        if (value) {
            *numbers[i].value = strtoull(value, NULL, 0);
            return true;
        }
    }
    return false;
}

static bool option_parse(const char *argument, struct options *options)
{
    const char *value;
    char *end;

    if (option_number(argument, options) || value_of(argument, "--multiboot-command-line="))
        return true;
    if (strcmp(argument, "--confined") == 0) {
        options->confined = true;
    } else if (strcmp(argument, "--pci") == 0) {
        options->pci = true;
    } else if (strcmp(argument, "--acpi") == 0) {
        options->acpi = true;
    } else if ((value = value_of(argument, "--card="))) {
        options->card = value;
    } else if ((value = value_of(argument, "--exec-server-task="))) {
        options->exec_task = (mach_port_t)strtoul(value, NULL, 10);
    } else if ((value = value_of(argument, "--kernel-task="))) {
        options->kernel_task = (mach_port_t)strtoul(value, NULL, 10);
    } else if ((value = value_of(argument, "--scratch="))) {
        options->scratch_start = strtoull(value, &end, 0);
        options->scratch_records = *end == ',' ? strtoull(end + 1, NULL, 0) : 0;
    } else if ((value = value_of(argument, "--end="))) {
        options->ending = strcmp(value, "reboot") == 0    ? END_REBOOT
                          : strcmp(value, "refused") == 0 ? END_REFUSED
                          : strcmp(value, "off") == 0     ? END_OFF
                                                          : END_EXIT;
    } else {
        return false;
    }
    return true;
}

static void options_parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-T") == 0 && i + 2 < argc && strcmp(argv[i + 1], "typed") == 0) {
            options->device = value_of(argv[i + 2], "device:");
            i += 2;
        } else if (!option_parse(argv[i], options)) {
            check_failed("argument %.80s: expected one that I know", argv[i]);
        }
    }
}

/* The data of a write is the receiver's to free, and that of a read the sender's. */
static void leak_check(uint64_t before, uint64_t after, uint64_t moved)
{
    uint64_t allowed = LEAK_ALLOWED + moved / 8;

    if (after <= before || after - before <= allowed)
        check_passed();
    else
        check_failed("address space of fstask: expected to grow by %llu KiB at most, got %llu",
                     (unsigned long long)(allowed >> 10),
                     (unsigned long long)((after - before) >> 10));
}

static void disk_check(const struct privileges *privileges, const struct options *options)
{
    struct disk disk;

    if (!disk_open(privileges->device_master, options->device, &disk))
        return;
    if (!check_true(options->scratch_start <= disk.records &&
                        options->scratch_records <= disk.records - options->scratch_start,
                    "--scratch", "on the disk") ||
        !check_equal("memory for the disk's contents", 0, content_init(&disk, options)))
        return;
    disk_reopen(privileges->device_master, options->device);
    tree_check(&disk);
    disk_writes(&disk, options);
    disk_survey(&disk, options);
    disk_reads(&disk, options);
    price_reads(&disk, options);
    disk_sizes(&disk, options);
    disk_mistakes(&disk, options);
    mistakes_check(privileges, &disk, options->device);
    uint64_t size = system_task_size(privileges->driver_task);
    uint64_t moved = flight_run(&disk, options);
    leak_check(size, system_task_size(privileges->driver_task), moved);
    disk_flush(&disk);
    disk_survey(&disk, options);
    port_release(disk.port); /* never device_close */
}

int main(int argc, char **argv)
{
    struct options options = {.reads = 1000, .flight = 16, .seed = 1, .pings = 200};
    struct privileges privileges;
    mach_port_t console = MACH_PORT_NULL;

    options_parse(argc, argv, &options);
    if (!check_true(options.device != NULL, "arguments", "-T typed device:NAME among them") ||
        !boot_privileges(&privileges)) {
        check_report();
        return EXIT_FAILURE;
    }
    if (check_equal("device_open of console", D_SUCCESS,
                    device_open(privileges.device_master, D_READ | D_WRITE, "console", &console)))
        check_console(console);

    if (options.flood != 0)
        flood_run(&privileges, &options);
    disk_check(&privileges, &options);
    network_check(&privileges, &options);
    system_check(&privileges, &options);
    boot_startup();
    privileges_check(&privileges, &options);
    boot_shutdown();
    if (options.ending == END_REFUSED)
        check_refused("host_reboot", host_reboot(privileges.host, 0));
    check_report();
    if (options.ending == END_OFF)
        system_off(&privileges);
    if (options.ending == END_REBOOT)
        check_note("host_reboot came back with %d", host_reboot(privileges.host, 0));
    return EXIT_SUCCESS;
}
