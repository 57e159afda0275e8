/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver's main: argv[1] is the name that the supervisor gave its device, argv[2] what the
 * operator set for it.
 */
#include <stdlib.h>
#include <string.h>

#include <interface/startup_user.h>
#include <interface/task_control_server.h>
#include <interface/types.h>

#include <host/mach/device.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/driver.h>
#include <kit/log.h>

static const struct port_type control_type = {
    .name = "control",
    .serve = task_control_server,
};

static mach_port_t alarm_port;

static void alarm_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    mach_msg_destroy(message);
    loop_alarm_rang();
}

static const struct port_type alarm_type = {.name = "alarm", .message = alarm_message};

static void alarm_ask(uint64_t milliseconds)
{
    startup_alarm(startup_bootstrap_port(), alarm_port, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  (unsigned)milliseconds);
}

static void leave(void)
{
    driver.detach();
    loop_stop();
}

kern_return_t serve_task_control_stop(mach_port_t control)
{
    (void)control;
    leave();
    return 0;
}

int main(int argc, char **argv)
{
    struct device *device;
    mach_port_t control;
    int error = device_get(argc > 1 ? argv[1] : driver.name, argc > 2 ? argv[2] : "", &device);

    if (error == 0)
        error = port_create(&control_type, NULL, &control);
    if (error == 0 && port_create(&alarm_type, NULL, &alarm_port) == 0)
        loop_alarm_by(alarm_ask);
    if (error == 0)
        error = startup_offer("", "control", control);
    if (error == 0)
        error = driver.attach(device);
    if (error != 0)
        log_error("cannot drive the device: %s", strerror(error));
    return orphan_serve(error, leave);
}
