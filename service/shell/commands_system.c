/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/fs_user.h>
#include <interface/supervisor_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <kit/clock.h>

#include "console.h"
#include "mounts.h"
#include "shell.h"

static int report(const char *what)
{
    records_t text = NULL;
    mach_msg_type_number_t size = 0;
    int error = error_from_kernel(supervisor_report(shell_supervisor, what, &text, &size));

    if (error != 0)
        return shell_complain(what, "supervisor", error);
    console_write(text, size);
    memory_pages_free(text, size);
    return 0;
}

static int devices_run(unsigned count, char **words)
{
    if (count > 2 || (count == 2 && strcmp(words[1], "-v") != 0))
        return SHELL_USAGE;
    return report(count == 2 ? "devices -v" : "devices");
}

static int drivers_run(unsigned count, char **words)
{
    (void)words;
    return count == 1 ? report("drivers") : SHELL_USAGE;
}

static int stats_run(unsigned count, char **words)
{
    (void)words;
    return count == 1 ? report("stats") : SHELL_USAGE;
}

static int log_run(unsigned count, char **words)
{
    (void)words;
    return count == 1 ? report("log") : SHELL_USAGE;
}

static int mount_list(void)
{
    for (struct mount *mount = mounts_first(); mount; mount = mounts_next(mount))
        console_print("%s on %s\n", mount->device, mount->path[0] ? mount->path : "/");
    return 0;
}

/* What the file system service means by its errors; the log has the rest. */
static int mount_complain(const char *device, int error)
{
    switch (error) {
    case EINVAL:
        console_print("mount: %s: no ext2, ext3 or ext4 file system; see log\n", device);
        return 1;
    case EROFS:
        console_print("mount: %s: may only be read: mount it with \"ro\"; see log\n", device);
        return 1;
    case EIO:
        console_print("mount: %s: the device or its file system is damaged; see log\n", device);
        return 1;
    case EOPNOTSUPP:
        console_print("mount: %s: features that are not known here; see log\n", device);
        return 1;
    default:
        return shell_complain("mount", device, error);
    }
}

static int mount_run(unsigned count, char **words)
{
    bool read_only = count > 2 && strcmp(words[count - 1], "ro") == 0;
    unsigned rest = read_only ? count - 1 : count;
    const char *path = rest > 2 ? words[2] : "/";
    mach_port_t fs;

    if (count == 1)
        return mount_list();
    if (rest < 2 || rest > 3)
        return SHELL_USAGE;
    if (mounts_at(path))
        return shell_complain("mount", path, EBUSY);
    int error = error_from_kernel(supervisor_mount(shell_supervisor, words[1], read_only, &fs));
    if (error != 0)
        return mount_complain(words[1], error);
    error = mounts_add(path, words[1], fs);
    if (error != 0) {
        port_release(fs);
        supervisor_unmount(shell_supervisor, words[1]);
        return shell_complain("mount", path, error);
    }
    return 0;
}

static int umount_run(unsigned count, char **words)
{
    if (count != 2)
        return SHELL_USAGE;
    struct mount *mount = mounts_at(words[1]);
    if (!mount)
        return shell_complain("umount", words[1], EINVAL);
    int error = error_from_kernel(supervisor_unmount(shell_supervisor, mount->device));
    mounts_remove(mount);
    return error ? shell_complain("umount", words[1], error) : 0;
}

static int sync_run(unsigned count, char **words)
{
    int status = 0;

    (void)words;
    if (count != 1)
        return SHELL_USAGE;
    for (struct mount *mount = mounts_first(); mount; mount = mounts_next(mount)) {
        int error = error_from_kernel(fs_sync(mount->fs));
        if (error != 0)
            status = shell_complain("sync", mount->device, error);
    }
    return status;
}

static int kill_run(unsigned count, char **words)
{
    uint64_t times = 1, period = 1000, seed = 1;

    if (count < 2 || count > 5 || (count > 2 && !shell_number(words[2], &times)) ||
        (count > 3 && !shell_number(words[3], &period)) ||
        (count > 4 && !shell_number(words[4], &seed)) || times > 1000000 || period > 1000000)
        return SHELL_USAGE;
    int error = error_from_kernel(supervisor_kill(shell_supervisor, words[1], (unsigned)times,
                                                  (unsigned)period, (unsigned)seed));
    if (error == ENOENT) {
        console_print("kill: %s: no such task; see drivers\n", words[1]);
        return 1;
    }
    if (error == 0 && times == 0)
        console_print("%s: is not killed any more\n", words[1]);
    return error ? shell_complain("kill", words[1], error) : 0;
}

static int restart_run(unsigned count, char **words)
{
    if (count != 2)
        return SHELL_USAGE;
    int error = error_from_kernel(supervisor_restart(shell_supervisor, words[1]));
    return error ? shell_complain("restart", words[1], error) : 0;
}

static int halt_run(unsigned count, char **words)
{
    bool reboot = count == 2 && strcmp(words[1], "-r") == 0;

    if (count > 2 || (count == 2 && !reboot))
        return SHELL_USAGE;
    /* A program on the other end gets its answer before there is nobody to give it. */
    console_frame_finish(shell_status());
    int error = error_from_kernel(supervisor_halt(shell_supervisor, reboot));
    if (error != 0)
        return shell_complain("halt", "supervisor", error);
    clock_sleep(120 * CLOCK_SECOND); /* the machine ends before that */
    return shell_complain("halt", "machine", ETIMEDOUT);
}

static int uptime_run(unsigned count, char **words)
{
    uint64_t now = clock_now();

    (void)words;
    if (count != 1)
        return SHELL_USAGE;
    console_print("%llu.%03llu s\n", (unsigned long long)(now / CLOCK_SECOND),
                  (unsigned long long)(now % CLOCK_SECOND / CLOCK_MILLISECOND));
    return 0;
}

static int sleep_run(unsigned count, char **words)
{
    uint64_t milliseconds;

    if (count != 2 || !shell_number(words[1], &milliseconds) || milliseconds > 3600000)
        return SHELL_USAGE;
    clock_sleep(milliseconds * CLOCK_MILLISECOND);
    return 0;
}

const struct command commands_system[] = {
    {"devices", "[-v]", "the device tree; -v: what each driver holds", devices_run},
    {"drivers", "", "the tasks: state, memory, uptime, restarts", drivers_run},
    {"stats", "", "what became of drivers, as their clients saw it", stats_run},
    {"mount", "[DEVICE [PATH] [ro]]", "mount a file system (at / if not said), or list mounts",
     mount_run},
    {"umount", "PATH", "flush and unmount", umount_run},
    {"sync", "", "make everything written durable", sync_run},
    {"log", "", "the machine's log", log_run},
    {"kill", "DRIVER [TIMES [MILLISECONDS [SEED]]]",
     "end a driver's task as if it had died; again after a time drawn around that; 0: no more",
     kill_run},
    {"restart", "DRIVER", "stop a driver in order and start it again", restart_run},
    {"uptime", "", "time since the machine started", uptime_run},
    {"sleep", "MILLISECONDS", "do nothing for a while", sleep_run},
    {"halt", "[-r]", "stop in order and power off; -r: reboot", halt_run},
    {0},
};
