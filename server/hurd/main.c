/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Outboard's first contact with the Hurd: when the root device is there, the next task of the boot
 * chain is started on it. argv[2] has words NAME=VALUE: root, wait, host; others are aliases.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>
#include <mach/task_special_ports.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/clock.h>
#include <kit/log.h>

#include "hurd.h"

struct hurd hurd;

#define LOOK_AGAIN (50 * CLOCK_MILLISECOND)

static struct clock_timer look_timer;
static uint64_t begun;
static bool complained;

/* It asks its questions on the bootstrap port as soon as it runs. */
static void next_start(void)
{
    mach_port_t port;
    int error = bootstrap_port(&port);

    if (error == 0 && port_make_send(port) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error == 0)
        error = error_from_kernel(task_set_special_port(hurd.next, TASK_BOOTSTRAP_PORT, port));
    if (error == 0)
        error = error_from_kernel(task_resume(hurd.next));
    if (error != 0)
        log_error("the next task cannot be started: %s", strerror(error));
    else
        log_info("the next task is started");
}

static void look(void *context)
{
    char device[OUTBOARD_NAME_SIZE];
    mach_port_t right;

    (void)context;
    if (names_resolve(&hurd.names, hurd.root, device) != 0) {
        log_error("%s: too long for the name of a device", hurd.root);
        return;
    }
    if (startup_capability(device, &right) == 0) {
        port_release(right);
        if (complained)
            log_info("the root device %s is there", hurd.root);
        next_start();
        return;
    }
    if (!complained && clock_now() - begun >= hurd.wait * CLOCK_SECOND) {
        complained = true;
        log_error("the root device %s (%s) is not there after %u s, so the Hurd is not started; it "
                  "will be if it comes. Which devices there are: `devices` in the shell on com1",
                  hurd.root, device, hurd.wait);
    }
    clock_timer_start(&look_timer, complained ? CLOCK_SECOND : LOOK_AGAIN, look, NULL);
}

/* "wd0", or what the kernel's command line has: "device:wd0". */
static void root_parse(const char *text)
{
    const char *name = names_root(text);

    snprintf(hurd.root, sizeof(hurd.root), "%s", name ? name : text);
}

/* "a=b c=d", whose words of other meanings are for names_parse. */
static int options_parse(char *text)
{
    char aliases[512] = "";

    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        if (strncmp(word, "root=", 5) == 0)
            root_parse(word + 5);
        else if (strncmp(word, "wait=", 5) == 0)
            hurd.wait = (unsigned)strtoul(word + 5, NULL, 10);
        else if (strcmp(word, "host=real") == 0)
            hurd.host_is_real = true;
        else if (strlen(aliases) + strlen(word) + 2 <= sizeof(aliases))
            strcat(strcat(aliases, word), " ");
        else
            return ENOSPC;
    }
    return hurd.root[0] == '\0' ? EINVAL : names_parse(aliases, &hurd.names);
}

static int capabilities_get(void)
{
    int error = startup_capability("host", &hurd.host);

    if (error == 0)
        error = startup_capability("kernel-master", &hurd.kernel_master);
    if (error == 0)
        error = startup_capability("next-task", &hurd.next);
    if (error == 0)
        error = startup_capability("supervisor", &hurd.supervisor);
    if (error == 0)
        error = startup_capability("supervisor-task", &hurd.supervisor_task);
    return error;
}

int main(int argc, char **argv)
{
    int error = argc == 3 ? options_parse(argv[2]) : EINVAL;

    if (error != 0)
        log_error("the root device is not named, or what names devices is wrong: %s",
                  strerror(error));
    else
        error = capabilities_get();
    if (error == 0)
        error = tasks_start();
    startup_done(error);
    if (error != 0)
        return EXIT_FAILURE;
    if (hurd.host_is_real)
        log_warning("the Hurd gets the kernel's own host port: what it runs as root is not kept "
                    "from memory or devices");
    begun = clock_now();
    look(NULL);
    loop_run();
    return EXIT_SUCCESS;
}
