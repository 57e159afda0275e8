/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which driver for which function, and what becomes of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/mach_user.h>

#include <interface/io_control_user.h>
#include <interface/pci_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/manifest.h>
#include <server/supervisor/supervisor.h>

enum { MANIFESTS_MAX = 64 };
#define DRIVER_QUOTA      (UINT64_C(16) << 20)
#define DRIVER_STOP_LIMIT (10 * CLOCK_SECOND)

static struct manifest manifests[MANIFESTS_MAX];
static unsigned manifest_count;

static int manifest_visit(void *context, const char *name, const void *data, size_t size)
{
    size_t length = strlen(name);
    char problem[160];

    (void)context;
    if (length < 9 || strcmp(name + length - 9, ".manifest") != 0)
        return 0;
    if (manifest_count == MANIFESTS_MAX) {
        journal_note(LOG_ERROR, "%s: more than %d manifests: not used", name, MANIFESTS_MAX);
        return 0;
    }
    if (manifest_parse(data, size, &manifests[manifest_count], problem, sizeof(problem)) == 0)
        manifest_count++;
    else
        journal_note(LOG_ERROR, "%s: %s: this driver is not used", name, problem);
    return 0;
}

unsigned drivers_address(const struct pci_function_info *function)
{
    return (unsigned)function->segment << 16 | (unsigned)function->bus << 8 |
           (unsigned)function->device << 3 | function->function;
}

int drivers_functions(struct pci_function_info **functions, size_t *count)
{
    records_t records;
    mach_msg_type_number_t size;

    if (supervisor_pci_bus == MACH_PORT_NULL)
        return ENODEV;
    int error = error_from_kernel(pci_bus_list(supervisor_pci_bus, &records, &size));
    if (error == 0) {
        *functions = (struct pci_function_info *)records;
        *count = size / sizeof(**functions);
    }
    return error;
}

const struct child *drivers_find(unsigned address)
{
    for (const struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_DRIVER && child->address == address)
            return child;
    }
    return NULL;
}

/* How many functions have that driver already. Several manifests may name one program. */
static unsigned instance_number(const char *program)
{
    unsigned number = 0;

    for (const struct child *child = child_first(); child; child = child->next)
        number += child->kind == CHILD_DRIVER && strcmp(child->program, program) == 0;
    return number;
}

/* A driver is gone: its device goes back to the bus, which silences and resets it. */
static void driver_ended(struct child *child)
{
    if (child->kind != CHILD_DRIVER)
        return;
    partitions_stop(child);
    int error = error_from_kernel(pci_bus_release(supervisor_pci_bus, child->address));
    /* ENODEV: the bus noticed that the driver's rights are gone, and has done it already. */
    if (error != 0 && error != ENODEV)
        journal_note(LOG_ERROR, "%s: its device cannot be taken back: %s", child->name,
                     strerror(error));
}

static void driver_start(const struct pci_function_info *function, const struct manifest *manifest)
{
    char name[OUTBOARD_NAME_SIZE];
    mach_port_t device, handle;

    snprintf(name, sizeof(name), "%s%u", manifest->program, instance_number(manifest->program));
    struct child *child = child_create(name, manifest->program, CHILD_DRIVER);
    if (!child)
        return;
    child->address = drivers_address(function);
    int error = error_from_kernel(pci_bus_claim(supervisor_pci_bus, child->address, name,
                                                manifest->vectors, &device, &handle));
    if (error != 0) {
        journal_note(LOG_ERROR, "%s: its device cannot be had: %s", name, strerror(error));
        child->state = CHILD_FAILED;
        snprintf(child->cause, sizeof(child->cause), "no device: %s", strerror(error));
        return;
    }
    error = child_grant(child, "device", device);
    if (error == 0)
        error = child_grant(child, "function", handle);
    if (error == 0)
        error = supervisor_grant_pool(child, DRIVER_QUOTA);
    if (error != 0)
        child_end(child, CHILD_FAILED, strerror(error));
    else
        child_start(child, policy_settings(&supervisor_policy, child->program));
}

void drivers_start(void)
{
    struct pci_function_info *functions;
    size_t count;

    archive_each(&supervisor_archive, manifest_visit, NULL);
    child_on_end(driver_ended);
    child_on_offer(partitions_start);
    int error = drivers_functions(&functions, &count);
    if (error != 0) {
        journal_note(LOG_ERROR, "no devices: the PCI server does not list them: %s",
                     strerror(error));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int which = manifest_choose(manifests, manifest_count, &functions[i]);
        if (which >= 0)
            driver_start(&functions[i], &manifests[which]);
    }
    memory_pages_free(functions, count * sizeof(*functions));
}

/* Last started, first stopped. */
void drivers_stop(void)
{
    for (;;) {
        struct child *last = NULL;
        for (struct child *child = child_first(); child; child = child->next) {
            if (child->kind == CHILD_DRIVER && child->task.task != MACH_PORT_NULL)
                last = child;
        }
        if (!last)
            return;
        child_stop(last, DRIVER_STOP_LIMIT);
    }
}

static const char *state_name(enum child_state state)
{
    static const char *const names[] = {"starting", "running", "failed", "stopped", "died"};

    return names[state];
}

static unsigned long long resident_kib(const struct child *child)
{
    struct task_basic_info info = {0};
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    if (child->task.task == MACH_PORT_NULL ||
        task_info(child->task.task, TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS)
        return 0;
    return info.resident_size / 1024;
}

void drivers_report(struct text *text)
{
    static const char *const kinds[] = {"server", "driver", "service"};

    text_print(text, "%-12s %-8s %-9s %5s %11s %10s %8s  %s\n", "NAME", "KIND", "STATE", "TASK",
               "MEMORY/KIB", "UPTIME/S", "RESTARTS", "CAUSE");
    for (const struct child *child = child_first(); child; child = child->next) {
        bool up = child->task.task != MACH_PORT_NULL;
        uint64_t uptime = up ? clock_now() - child->started : 0;
        text_print(text, "%-12s %-8s %-9s %5u %11llu %6llu.%03llu %8u  %s\n", child->name,
                   kinds[child->kind], state_name(child->state), child->task.task,
                   resident_kib(child), (unsigned long long)(uptime / CLOCK_SECOND),
                   (unsigned long long)(uptime % CLOCK_SECOND / CLOCK_MILLISECOND), child->restarts,
                   child->cause[0] ? child->cause : "-");
    }
}
