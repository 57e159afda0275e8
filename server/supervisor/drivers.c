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
#define BUS_PERIOD        (10 * CLOCK_MILLISECOND)
#define UPGRADE_PROBATION (2 * CLOCK_SECOND)
#define ADDRESS_NONE      UINT32_MAX

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

    if (bus_pci() == MACH_PORT_NULL)
        return ENODEV;
    int error = error_from_kernel(pci_bus_list(bus_pci(), &records, &size));
    if (error == 0) {
        *functions = (struct pci_function_info *)records;
        *count = size / sizeof(**functions);
    }
    return error;
}

struct child *drivers_find(unsigned address)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_DRIVER && !child->fixed && child->address == address)
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

static bool stopping; /* nothing is started any more */

/* Memory that it could reach is somebody else's from now on. */
static void device_was_reset(struct child *child)
{
    if (child->unreset)
        io_control_device_reset(supervisor_io, child->name);
    child->unreset = false;
}

/* A driver is gone: its device goes back to the bus, which silences it, and resets it if the next
 * driver does not. */
static void device_release(struct child *child, bool reset)
{
    reset &= child_has(child, "device"); /* else nobody drove it */
    int error = bus_release(child, reset);

    /* ENODEV: the bus noticed that the driver's rights are gone, and has done it already. ENOTSUP
     * and EIO are in the log; EBUSY: its slot has its power for a while. */
    if (error != 0 && error != ENODEV && error != ENOTSUP && error != EIO && error != EBUSY)
        journal_note(LOG_ERROR, "%s: its device cannot be taken back: %s", child->name,
                     strerror(error));
    child->unreset = true;
    if (child->unplugged ? error != EBUSY : reset && error == 0)
        device_was_reset(child);
}

static void driver_begin(struct child *child);

static void driver_begin_again(void *context)
{
    driver_begin(context);
}

/* With its device, unless there was an error in getting that. */
static void driver_run(struct child *child, int error)
{
    char cause[sizeof(child->cause)];

    if (error != 0) {
        child->ready_at = 0; /* that was the one's before: this one lived for no time */
        snprintf(cause, sizeof(cause), "no device: %s", strerror(error));
        journal_note(LOG_ERROR, "%s: its device cannot be had: %s", child->name, strerror(error));
        child_end(child, CHILD_FAILED, cause);
        return;
    }
    /* With a bus that was started again it is only now taken from the driver before. */
    child->unreset = true;
    supervisor_begin(child, 0, DRIVER_QUOTA, policy_settings(&supervisor_policy, child->program));
}

static void driver_begin(struct child *child)
{
    if (bus_returns(child)) {
        child->state = CHILD_RESTARTING;
        clock_timer_start(&child->revive, BUS_PERIOD, driver_begin_again, child);
        return;
    }
    driver_run(child, bus_claim(child));
}

static void driver_revive(void *context)
{
    struct child *child = context;

    child->restarts++;
    driver_begin(child);
}

static void upgrade_drop(struct child *child)
{
    memory_pages_free((void *)child->upgrade.data, child->upgrade.size);
    child->upgrade = (struct task_image){0};
    child->on_probation = false;
}

/* Another program took its place and came to grief: the one from the archive returns. */
static bool upgrade_failed(struct child *child, uint64_t lived)
{
    if (!child->on_probation || lived >= UPGRADE_PROBATION || child->state == CHILD_STOPPED)
        return false;
    journal_note(LOG_ERROR, "%s: the new program fails: the old one comes back", child->name);
    upgrade_drop(child);
    child->restart = (struct restart){0};
    return true;
}

static void driver_given_up(void *context)
{
    struct child *child = context;

    journal_note(LOG_WARNING, "%s: its device does not come back", child->name);
    child_end(child, CHILD_FAILED, "its device is gone");
}

/* Its clients wait for the same device to be put in again. */
static bool unplugged_returns(struct child *child)
{
    if (stopping || child->state == CHILD_FAILED)
        return false;
    child->state = CHILD_RESTARTING;
    clock_timer_start(&child->revive, CHILD_AWAY_LIMIT, driver_given_up, child);
    return true;
}

/* Whether it is to be started again, and that is arranged. A driver that never was ready and says
 * itself why will say the same again. */
static bool driver_returns(struct child *child, uint64_t lived)
{
    uint64_t delay;
    const char *reason;
    bool reverts = upgrade_failed(child, lived);
    bool refused =
        !reverts && child->restarts == 0 && child->ready_at == 0 && child->state == CHILD_FAILED;

    if (stopping || (child->state == CHILD_STOPPED && !child->wanted_again) || refused)
        return false;
    if (!restart_decide(&child->restart, &supervisor_policy.restart, clock_now(), lived, &delay,
                        &reason)) {
        journal_note(LOG_ERROR, "%s: given up after %u deaths: %s; `restart %s` tries again",
                     child->name, child->restart.deaths, reason, child->name);
        child->restart = (struct restart){0};
        return false;
    }
    child->state = CHILD_RESTARTING;
    clock_timer_start(&child->revive, delay, driver_revive, child);
    return true;
}

static void driver_ended(struct child *child)
{
    if (child->kind != CHILD_DRIVER) {
        partitions_stop(child, false); /* a filter's, if it is one */
        services_ended(child);
        return;
    }
    uint64_t lived = child_lived(child);
    clock_timer_cancel(&child->revive);
    bool returns = child->unplugged ? unplugged_returns(child) : driver_returns(child, lived);
    partitions_stop(child, returns);
    /* One that resets its device before it lets it master the bus does not need the bus to do it,
     * which takes long; but if it came to grief at once, something else may be wrong. */
    bool resets =
        !child->unplugged && (!returns || !child->manifest->resets || lived < RESTART_PROBATION);
    device_release(child, resets);
}

static void driver_ready(struct child *child)
{
    if (child_offer_of(child, "pci_bus"))
        hotplug_watch();
    if (child->kind != CHILD_DRIVER) {
        services_ready(child);
        return;
    }
    device_was_reset(child);
    partitions_tidy(child);
    if (child->restarts > 0)
        journal_note(LOG_INFO, "%s: running again, %llu us after it was started (%u restarts)",
                     child->name, (unsigned long long)(child->ready_at - child->started) / 1000,
                     child->restarts);
}

static struct child *driver_create(const struct manifest *manifest)
{
    char name[OUTBOARD_NAME_SIZE];

    snprintf(name, sizeof(name), "%s%u", manifest->program, instance_number(manifest->program));
    struct child *child = child_create(name, manifest->program, CHILD_DRIVER);
    if (child) {
        child->manifest = manifest;
        child->class = manifest->class;
    }
    return child;
}

static void driver_start(const struct pci_function_info *function, const struct manifest *manifest)
{
    struct child *child = driver_create(manifest);

    if (!child)
        return;
    child->paging_needs_it = true;
    child->address = drivers_address(function);
    driver_begin(child);
}

/* Nobody lists fixed devices: one that is not there, or is the kernel's, is found out by asking. */
static void fixed_start(const struct isa_resources *fixed, const struct manifest *manifest)
{
    struct child *child = driver_create(manifest);

    if (!child)
        return;
    child->fixed = fixed;
    int error = bus_claim(child);
    if (error == EBUSY)
        journal_note(LOG_INFO, "%s: the device at ports %03x-%03x is not ours to drive",
                     manifest->program, fixed->ports[0].first, fixed->ports[0].last);
    if (error == ENODEV || error == EBUSY)
        child_remove(child);
    else
        driver_run(child, error);
}

void drivers_meet(const struct pci_function_info *function)
{
    struct child *child = drivers_find(drivers_address(function));
    int which = manifest_choose(manifests, manifest_count, function);

    if (stopping || which < 0 || (child && !child->unplugged))
        return;
    if (child && child->manifest == &manifests[which]) {
        child->unplugged = false;
        clock_timer_cancel(&child->revive);
        driver_revive(child);
        return;
    }
    if (child) { /* another kind of device is in its place */
        child->address = ADDRESS_NONE;
        clock_timer_cancel(&child->revive);
        driver_given_up(child);
    }
    driver_start(function, &manifests[which]);
}

struct child *drivers_lookup(const char *name)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind == CHILD_DRIVER && strcmp(child->name, name) == 0)
            return child;
    }
    return NULL;
}

int drivers_restart(const char *name)
{
    struct child *child = drivers_lookup(name);

    if (!child)
        return ENOENT;
    if (child->state == CHILD_RESTARTING)
        return EBUSY;
    child->restart = (struct restart){0};
    if (child->task.task != MACH_PORT_NULL) {
        child->wanted_again = true;
        int error = child_stop(child, DRIVER_STOP_LIMIT);
        child->wanted_again = false;
        return error;
    }
    driver_revive(child);
    return 0;
}

int drivers_upgrade(const char *name, const void *program, size_t size)
{
    struct child *child = drivers_lookup(name);

    if (!child)
        return ENOENT;
    if (child->state == CHILD_RESTARTING)
        return EBUSY;
    void *copy = memory_pages_allocate(size);
    if (!copy)
        return ENOMEM;
    memcpy(copy, program, size);
    if (child->upgrade.data)
        upgrade_drop(child);
    child->upgrade = (struct task_image){copy, size, false};
    child->on_probation = true;
    journal_note(LOG_INFO, "%s: another program takes its place", name);
    return drivers_restart(name);
}

static void device_offered(struct child *child, const struct child_offer *device)
{
    if (child->kind == CHILD_DRIVER && strcmp(device->class, child->class) == 0)
        device_was_reset(child); /* before it has clients */
    partitions_start(child, device);
    integrity_look();
    netmux_look();
}

static void disk_withdrawn(struct child *child, const struct child_offer *disk)
{
    if (disk)
        partitions_hold(child, disk);
    else
        partitions_tidy(child);
}

static void functions_start(void)
{
    struct pci_function_info *functions;
    size_t count;
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
    hotplug_watch();
}

void drivers_start(void)
{
    archive_each(&supervisor_archive, manifest_visit, NULL);
    child_on_end(driver_ended);
    child_on_offer(device_offered);
    child_on_withdraw(disk_withdrawn);
    child_on_ready(driver_ready);
    functions_start();
    for (unsigned i = 0; i < manifest_count; i++) {
        for (unsigned j = 0; j < manifests[i].fixed_count; j++)
            fixed_start(&manifests[i].fixed[j], &manifests[i]);
    }
}

/* Last started, first stopped. */
void drivers_stop(void)
{
    stopping = true;
    services_stop();
    for (struct child *child = child_first(); child; child = child->next)
        clock_timer_cancel(&child->revive);
    integrity_stop();
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
    static const char *const names[] = {"starting", "running", "failed",
                                        "stopped",  "died",    "restarting"};

    return names[state];
}

void drivers_report(struct text *text)
{
    static const char *const kinds[] = {"server", "driver", "service"};

    text_print(text, "%-12s %-8s %-10s %5s %11s %10s %8s  %s\n", "NAME", "KIND", "STATE", "TASK",
               "MEMORY/KIB", "UPTIME/S", "RESTARTS", "CAUSE");
    for (const struct child *child = child_first(); child; child = child->next) {
        bool up = child->task.task != MACH_PORT_NULL;
        uint64_t uptime = up ? clock_now() - child->started : 0;
        text_print(text, "%-12s %-8s %-10s %5u %11llu %6llu.%03llu %8u  %s\n", child->name,
                   kinds[child->kind], state_name(child->state), child->task.task,
                   child_memory(child), (unsigned long long)(uptime / CLOCK_SECOND),
                   (unsigned long long)(uptime % CLOCK_SECOND / CLOCK_MILLISECOND), child->restarts,
                   child->cause[0] ? child->cause : "-");
    }
}

void drivers_counts(struct text *text)
{
    text_print(text, "%-12s %8s %10s %9s %9s %9s %9s %10s %10s\n", "NAME", "RESTARTS", "RECOVERIES",
               "REPLAYED", "REWRITTEN", "POISONED", "REJECTED", "COMPLAINTS", "DMA-FAULTS");
    for (const struct child *child = child_first(); child; child = child->next) {
        const struct child_counts *counts = &child->counts;
        if (child->kind == CHILD_DRIVER)
            text_print(text, "%-12s %8u %10u %9u %9u %9u %9u %10u %10u\n", child->name,
                       child->restarts, counts->recoveries, counts->replayed, counts->rewritten,
                       counts->poisoned, counts->rejected, counts->complaints, counts->faults);
    }
}
