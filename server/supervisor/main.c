/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor starts: the log, the bus servers, the drivers, a shell; then it watches.
 * argv: io's control port, root's, the archive module's task, the other processors; with a Hurd on
 * top also its first task, the privileged host port, the kernel's device master port, and words for
 * server/hurd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/mach_host_user.h>
#include <kernel/mach_user.h>

#include <interface/io_control_user.h>
#include <interface/root_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/spares.h>
#include <server/supervisor/supervisor.h>

struct archive supervisor_archive;
mach_port_t supervisor_io, supervisor_root, supervisor_processors;
struct policy supervisor_policy;

#define SHELL_QUOTA     (UINT64_C(32) << 20)
#define DEVICE_QUOTA    (UINT64_C(160) << 20) /* 8 MiB and some for each disk that is open */
#define NETDEVICE_QUOTA (UINT64_C(32) << 20)  /* 4 MiB for each card */
#define DRIVERS_WAIT    (CLOCK_SECOND * 3 / 2)

int supervisor_grant_pool(struct child *child, uint64_t quota)
{
    mach_port_t pool;
    int error = error_from_kernel(io_control_pool_create(supervisor_io, child->name, quota, &pool));

    return error == 0 ? child_grant(child, "pool", pool) : error;
}

static void policy_read(void)
{
    const void *text;
    size_t size;
    char problem[200];

    if (archive_find(&supervisor_archive, "supervisor.conf", &text, &size) == 0 &&
        policy_parse(text, size, &supervisor_policy, problem, sizeof(problem)) != 0)
        journal_note(LOG_ERROR, "supervisor.conf: %s: not used", problem);
}

/* It serves every block device by its name, when somebody opens it. */
static void device_begin(struct child *child)
{
    int error = child_grant_device(child, "net-master", "netdevice");

    supervisor_begin(child, error, DEVICE_QUOTA, child_all_are_wired() ? "wired=1" : NULL);
}

static void device_start(const char *name, bool for_paging)
{
    struct child *child = child_create(name, "device", CHILD_SERVICE);

    if (!child)
        return;
    child->sees_devices = child->is_believed = true;
    child->paging_needs_it = for_paging;
    child->begin = device_begin;
    device_begin(child);
}

/* The same for network devices, whose packet filters are for a task of their own. */
static void netdevice_begin(struct child *child)
{
    supervisor_begin(child, 0, NETDEVICE_QUOTA, NULL);
}

static void netdevice_start(void)
{
    struct child *child = child_create("netdevice", "netdevice", CHILD_SERVICE);

    if (!child)
        return;
    child->sees_networks = child->is_believed = true;
    child->begin = netdevice_begin;
    netdevice_begin(child);
}

static bool somebody_starts(void)
{
    const struct child *child = child_first();

    while (child && child->state != CHILD_STARTING)
        child = child->next;
    return child != NULL;
}

/* Until every driver has said how it is, and who looks at its disks, or long enough.
 */
static void drivers_wait(void)
{
    /* Filters and multiplexers begin when their devices' drivers are there. */
    bool waits_twice = supervisor_policy.filter_count + supervisor_policy.mux_count > 0;
    uint64_t deadline = clock_now() + DRIVERS_WAIT * (waits_twice ? 2 : 1);

    while (somebody_starts() && clock_now() < deadline)
        loop_once(deadline);
}

/* With a Hurd on top the kernel's console is the Hurd's. */
static void shell_start(bool console_is_taken)
{
    struct child *shell = child_create("shell", "shell", CHILD_SERVICE);
    mach_port_t console, operator_right;

    if (!shell)
        return;
    shell->sees_devices = shell->is_believed = true; /* it may end drivers anyway */
    int error = error_from_kernel(io_control_kernel_device(supervisor_io, "com1", &console));
    if (error != 0 && !console_is_taken)
        error = error_from_kernel(io_control_kernel_device(supervisor_io, "console", &console));
    if (error == 0)
        error = child_grant(shell, "console", console);
    if (error == 0)
        error = operator_port(&operator_right);
    if (error == 0)
        error = child_grant(shell, "supervisor", operator_right);
    if (error == 0)
        error = child_grant_device(shell, "device-master", "device");
    if (error == 0)
        error = supervisor_grant_pool(shell, SHELL_QUOTA);
    if (error == 0)
        error = child_start(shell, NULL);
    if (error != 0)
        journal_note(LOG_ERROR, "no shell: %s", strerror(error));
}

/* With a Hurd on top nothing of ours is paged out. If it pages to a disk of ours, that must go on
 * when memory is short. */
static void memory_keep(mach_port_t host, bool paging)
{
    child_wire_all(host);
    if (!paging)
        return;
    int error = error_from_kernel(thread_wire(host, mach_thread_self(), TRUE));
    if (error != 0)
        journal_note(LOG_WARNING, "paging may come to a stop when memory is short: %s",
                     strerror(error));
    spares_start(host);
}

int main(int argc, char **argv)
{
    mach_port_t console;

    if (argc != 5 && argc != 9)
        return EXIT_FAILURE;
    supervisor_io = (mach_port_t)strtoul(argv[1], NULL, 10);
    supervisor_root = (mach_port_t)strtoul(argv[2], NULL, 10);
    mach_port_t archive_module = (mach_port_t)strtoul(argv[3], NULL, 10);
    supervisor_processors = (mach_port_t)strtoul(argv[4], NULL, 10);

    if (io_control_kernel_device(supervisor_io, "console", &console) == KERN_SUCCESS)
        journal_start(console);
    int error = archive_take(archive_module, &supervisor_archive);
    task_terminate(archive_module); /* frees the module's copy */
    if (error != 0) {
        root_power(supervisor_root, 0);
        return EXIT_FAILURE;
    }
    if (argc == 9)
        memory_keep((mach_port_t)strtoul(argv[6], NULL, 10), strstr(argv[8], "paging=") != NULL);
    policy_read();
    faults_start();
    bus_start();
    device_start("device", false);
    /* Who serves others touches their memory and may have to wait for the pager: it has one of its
     * own. */
    if (spares_are_kept())
        device_start("paging", true);
    netdevice_start();
    drivers_start();
    drivers_wait();
    integrity_report_missing();
    netmux_report_missing();
    watch_start();
    shell_start(argc == 9);
    if (argc == 9)
        hurd_start((mach_port_t)strtoul(argv[5], NULL, 10), (mach_port_t)strtoul(argv[6], NULL, 10),
                   (mach_port_t)strtoul(argv[7], NULL, 10), argv[8]);
    loop_run();
    return EXIT_SUCCESS;
}
