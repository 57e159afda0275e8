/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first task. The kernel gives it everything; it gives the privileges to io, the archive to the
 * supervisor, and then only watches these two, as nobody could start them again: without the
 * supervisor the machine is stopped when all has come to rest, without io it is reset at once, as
 * the memory of the IOMMU's tables is free by then. Its arguments are those of a Hurd's first
 * module, as the boot script fills them in; all but the first three are for a system that has a
 * Hurd on top:
 *
 *   --host-priv-port=PORT --device-master-port=PORT --archive-task=PORT
 *   --next-task=PORT                the first task of the Hurd, which is suspended
 *   --multiboot-command-line=TEXT   the kernel's: root=device:NAME in it names the root device
 *   --root=NAME                     names it, too
 *   --name=ALIAS=DEVICE             a name that stands for a device: --name=wd0=nvme0n1
 *   --wait=SECONDS                  how long it may take to appear
 *   --paging=NAME                   a disk that the Hurd pages to; may be repeated
 *   --host=real                     the Hurd gets the kernel's own privileged host port
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mach/task_special_ports.h>
#include <mach/vm_wire.h>

#include <interface/io_control_user.h>
#include <interface/root_server.h>
#include <kernel/device_user.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/archive.h>
#include <host/mach/error.h>
#include <host/mach/log.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/task.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/root/power.h>
#include <server/root/processors.h>

/* Rights are inserted in a new task under names far above those that the kernel hands out there. */
enum { NAME_FIRST = 0x4000 };

struct grant {
    mach_port_t right; /* null: argv has 0 for it */
    mach_msg_type_name_t type;
};

enum { GRANTS_MAX = 7 };

/* With a Hurd on top, the right to wire memory: it may page to a disk of ours. */
static mach_port_t wiring_host;

/* Start `program` from the archive with rights, whose names it finds in argv, and after them a text
 * (null: none). */
static int start(const struct archive *archive, const char *program, const struct grant *grants,
                 unsigned count, const char *words, void (*died)(void *context, mach_port_t name))
{
    struct task_image image = {NULL, 0, false};
    struct task task = {MACH_PORT_NULL, MACH_PORT_NULL};
    char text[GRANTS_MAX][16];
    const char *argv[1 + GRANTS_MAX + 2] = {program};
    int error = archive_find(archive, program, &image.data, &image.size);

    if (error != 0) {
        log_error("%s is missing from the boot archive", program);
        return error;
    }
    for (unsigned i = 0; i < count; i++) {
        snprintf(text[i], sizeof(text[i]), "%u", grants[i].right ? NAME_FIRST + i : 0);
        argv[1 + i] = text[i];
    }
    argv[1 + count] = words;
    error = task_load(program, &image, argv, MACH_PORT_NULL, &task);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < count && error == 0; i++) {
        if (grants[i].right != MACH_PORT_NULL)
            error = error_from_kernel(
                mach_port_insert_right(task.task, NAME_FIRST + i, grants[i].right, grants[i].type));
    }
    if (error == 0 && wiring_host != MACH_PORT_NULL)
        error = error_from_kernel(
            vm_wire_all(wiring_host, task.task, VM_WIRE_CURRENT | VM_WIRE_FUTURE));
    if (error == 0)
        error = port_watch(task.task, died, NULL);
    if (error == 0)
        error = task_begin(&task);
    if (error != 0) {
        log_error("%s cannot be started: %s", program, strerror(error));
        task_kill(&task);
    }
    return error;
}

struct options {
    mach_port_t host, device_master, archive_task, next_task;
    char hurd[160]; /* what the server for the Hurd is told */
    bool on_screen; /* the kernel's console, and the keyboard is its own */
};

static mach_port_t port_parse(const char *text)
{
    return (mach_port_t)strtoul(text, NULL, 10);
}

/* What follows `name` in an argument, or null. */
static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);

    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

/* One more word, NAME=VALUE, for the server. */
static void hurd_add(struct options *options, const char *word)
{
    size_t used = strlen(options->hurd), length = strcspn(word, " ");

    if (length + 1 < sizeof(options->hurd) - used)
        snprintf(options->hurd + used, sizeof(options->hurd) - used, "%.*s ", (int)length, word);
    else
        log_error("%s: there is no room for it, ignored", word);
}

/* The kernel's command line: "console=com0 root=device:wd0". Its console is on the screen if it is
 * on no serial line. Without a command line this is a boot image of ours (boot/make-image). */
static void command_line_parse(struct options *options, const char *line)
{
    options->on_screen = true;
    for (; *line != '\0'; line += strspn(line, " ")) {
        size_t length = strcspn(line, " ");
        if (strncmp(line, "root=", 5) == 0)
            hurd_add(options, line);
        else if (strncmp(line, "console=com", 11) == 0)
            options->on_screen = false;
        line += length;
    }
}

static void options_parse(struct options *options, int argc, char **argv)
{
    const char *value;

    *options = (struct options){0};
    for (int i = 1; i < argc; i++) {
        if ((value = value_of(argv[i], "--host-priv-port=")) != NULL)
            options->host = port_parse(value);
        else if ((value = value_of(argv[i], "--device-master-port=")) != NULL)
            options->device_master = port_parse(value);
        else if ((value = value_of(argv[i], "--archive-task=")) != NULL)
            options->archive_task = port_parse(value);
        else if ((value = value_of(argv[i], "--next-task=")) != NULL)
            options->next_task = port_parse(value);
        else if ((value = value_of(argv[i], "--multiboot-command-line=")) != NULL)
            command_line_parse(options, value);
        else if (value_of(argv[i], "--root="))
            hurd_add(options, argv[i] + 2);
        else if ((value = value_of(argv[i], "--name=")) != NULL && strchr(value, '='))
            hurd_add(options, value);
        else if (value_of(argv[i], "--wait=") || value_of(argv[i], "--host=") ||
                 value_of(argv[i], "--paging="))
            hurd_add(options, argv[i] + 2);
        else
            log_warning("%s: not known, ignored", argv[i]);
    }
}

/* The machine comes up without a Hurd if there is none to start. */
static void next_task_check(struct options *options)
{
    mach_port_t bootstrap;

    if (options->next_task == MACH_PORT_NULL)
        return;
    if (task_get_special_port(options->next_task, TASK_BOOTSTRAP_PORT, &bootstrap) == KERN_SUCCESS)
        return;
    log_error("--next-task is no task, so no Hurd is started: it takes ${NAME-task} where another "
              "module has $(NAME-task=task-create)");
    options->next_task = MACH_PORT_NULL;
}

#define REST_LIMIT  (20 * CLOCK_SECOND)
#define REST_PERIOD (20 * CLOCK_MILLISECOND)

static mach_port_t control; /* io's */
static struct power_rights power_rights;

static const struct port_type root_type = {.name = "root", .serve = root_server};

kern_return_t serve_root_power(mach_port_t root, int action)
{
    (void)root;
    power_stop(&power_rights, action == 0);
    return MIG_NO_REPLY;
}

static void io_died(void *context, mach_port_t name)
{
    (void)context, (void)name;
    /* The kernel's own printing waits for each character; what its console device was given would
     * be lost with the reset, which cannot wait: devices go on writing to memory that was io's. */
    mach_print("root: io has ended: the machine is reset\n");
    power_stop(&power_rights, false);
}

/* Drivers give their devices back when nobody uses them any more (host/mach/orphan.h). */
static void rest_wait(void *context)
{
    static struct clock_timer timer;
    static uint64_t deadline;
    unsigned devices = 0;

    (void)context;
    if (deadline == 0)
        deadline = clock_now() + REST_LIMIT;
    io_control_devices(control, &devices);
    if (devices > 0 && clock_now() < deadline) {
        clock_timer_start(&timer, REST_PERIOD, rest_wait, NULL);
        return;
    }
    if (devices > 0)
        log_error("%u devices are not at rest: power off", devices);
    else
        log_info("all devices are at rest: power off");
    power_stop(&power_rights, true);
}

static void supervisor_died(void *context, mach_port_t name)
{
    (void)context, (void)name;
    log_error("the supervisor has ended: the machine stops");
    rest_wait(NULL);
}

static int servers_start(const struct options *options, const struct archive *archive)
{
    mach_port_t root;
    int error = port_create(&root_type, &power_rights, &root);
    struct grant grants[] = {{control, MACH_MSG_TYPE_COPY_SEND},
                             {root, MACH_MSG_TYPE_MAKE_SEND},
                             {options->archive_task, MACH_MSG_TYPE_COPY_SEND},
                             {root_processors_others(options->host), MACH_MSG_TYPE_MOVE_SEND},
                             {options->next_task, MACH_MSG_TYPE_COPY_SEND},
                             {options->host, MACH_MSG_TYPE_COPY_SEND},
                             {options->device_master, MACH_MSG_TYPE_COPY_SEND}};

    if (error != 0)
        return error;
    /* With a Hurd on top the supervisor has a server for it, which needs the privileges. */
    return options->next_task == MACH_PORT_NULL
               ? start(archive, "supervisor", grants, 4, NULL, supervisor_died)
               : start(archive, "supervisor", grants, 7, options->hurd, supervisor_died);
}

int main(int argc, char **argv)
{
    mach_port_t console;
    struct archive archive;
    struct options options;
    char words[32]; /* for io */

    options_parse(&options, argc, argv);
    if (device_open(options.device_master, D_READ | D_WRITE, "console", &console) == 0)
        log_to_console(console, "root");
    next_task_check(&options);
    power_rights = (struct power_rights){options.host, options.device_master, MACH_PORT_NULL};
    if (options.next_task != MACH_PORT_NULL)
        wiring_host = options.host;
    snprintf(words, sizeof(words), "%s%s", strstr(options.hurd, "paging=") ? "paging " : "",
             options.on_screen ? "screen" : "");
    int error = archive_take(options.archive_task, &archive);
    if (error == 0)
        error = error_from_kernel(
            mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &control));
    if (error == 0 && port_make_send(control) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error == 0)
        error = start(&archive, "io",
                      (struct grant[]){{options.host, MACH_MSG_TYPE_COPY_SEND},
                                       {options.device_master, MACH_MSG_TYPE_COPY_SEND},
                                       {control, MACH_MSG_TYPE_MOVE_RECEIVE}},
                      3, words, io_died);
    if (error != 0) {
        log_error("the machine cannot start: %s", strerror(error));
        power_stop(&power_rights, true);
        return EXIT_FAILURE;
    }

    power_rights.io = control;
    error = servers_start(&options, &archive);
    memory_pages_free((void *)archive.data, archive.size);
    if (error != 0) {
        log_error("there is nobody to start the drivers: powering off");
        power_stop(&power_rights, true);
        return EXIT_FAILURE;
    }
    loop_run();
    return EXIT_SUCCESS;
}
