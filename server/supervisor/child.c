/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/child.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mach/exception.h>
#include <mach/machine/thread_status.h>
#include <mach/task_special_ports.h>
#include <mach/vm_wire.h>

#include <interface/io_control_user.h>
#include <kernel/exc_server.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/archive.h>
#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/core/setting.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/manifest.h>
#include <server/supervisor/spares.h>
#include <server/supervisor/supervisor.h>

static const struct port_type exception_type = {.name = "exception", .serve = exc_server};

static struct child *children;
static child_ended ended_hook;

void child_on_end(child_ended ended)
{
    ended_hook = ended;
}

struct child *child_first(void)
{
    return children;
}

struct child *child_create(const char *name, const char *program, enum child_kind kind)
{
    struct child *child = calloc(1, sizeof(*child));

    if (!child)
        return NULL;
    snprintf(child->name, sizeof(child->name), "%s", name);
    snprintf(child->program, sizeof(child->program), "%s", program);
    snprintf(child->offers, sizeof(child->offers), "%s", name);
    child->kind = kind;
    child->state = CHILD_FAILED;
    snprintf(child->cause, sizeof(child->cause), "not started");
    struct child **link = &children;
    while (*link)
        link = &(*link)->next;
    *link = child;
    return child;
}

void child_remove(struct child *child)
{
    for (struct child **link = &children; *link; link = &(*link)->next) {
        if (*link == child) {
            clock_timer_cancel(&child->leave);
            clock_timer_cancel(&child->revive);
            startup_forget(child);
            *link = child->next;
            free(child);
            return;
        }
    }
}

int child_grant(struct child *child, const char *name, mach_port_t right)
{
    if (child->grant_count == CHILD_GRANTS_MAX || !MACH_PORT_VALID(right)) {
        port_release(right);
        return MACH_PORT_VALID(right) ? ENOSPC : ENODEV;
    }
    snprintf(child->grant[child->grant_count].name, OUTBOARD_NAME_SIZE, "%s", name);
    child->grant[child->grant_count].right = right;
    child->grant_count++;
    return 0;
}

bool child_has(const struct child *child, const char *name)
{
    unsigned i = 0;

    while (i < child->grant_count && strcmp(child->grant[i].name, name) != 0)
        i++;
    return i < child->grant_count;
}

int child_grant_device(struct child *child, const char *name, const char *device)
{
    if (child->grant_count == CHILD_GRANTS_MAX)
        return ENOSPC;
    snprintf(child->grant[child->grant_count].name, OUTBOARD_NAME_SIZE, "%s", name);
    snprintf(child->grant[child->grant_count].device, OUTBOARD_NAME_SIZE, "%s", device);
    child->grant[child->grant_count].right = MACH_PORT_NULL;
    child->grant_count++;
    return 0;
}

struct child *child_lookup(const char *name)
{
    struct child *child = children;

    while (child && strcmp(child->name, name) != 0)
        child = child->next;
    return child;
}

mach_port_t child_right_copy(mach_port_t right)
{
    kern_return_t code = mach_port_mod_refs(mach_task_self(), right, MACH_PORT_RIGHT_SEND, 1);

    return code == KERN_SUCCESS ? right : MACH_PORT_NULL; /* it died meanwhile */
}

unsigned long long child_memory(const struct child *child)
{
    struct task_basic_info info = {0};
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    if (child->task.task == MACH_PORT_NULL ||
        task_info(child->task.task, TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS)
        return 0;
    return info.resident_size / 1024;
}

uint64_t child_lived(const struct child *child)
{
    if (child->is_excused)
        return UINT64_MAX;
    return child->ready_at ? clock_now() - child->ready_at : 0;
}

void child_end(struct child *child, enum child_state state, const char *cause)
{
    child->state = state;
    lives_end(&child->lives, child->is_excused);
    if (cause != child->cause)
        snprintf(child->cause, sizeof(child->cause), "%s", cause);
    clock_timer_cancel(&child->leave);
    clock_timer_cancel(&child->away);
    clock_timer_cancel(&child->alarm);
    port_release(child->alarmed);
    child->alarmed = MACH_PORT_NULL;
    if (child->task.task != MACH_PORT_NULL) {
        port_unwatch(child->task.task);
        task_kill(&child->task);
    }
    port_destroy(child->bootstrap);
    port_destroy(child->exception);
    port_destroy(child->answers);
    child->answers = MACH_PORT_NULL;
    child->bootstrap = child->exception = MACH_PORT_NULL;
    for (unsigned i = 0; i < child->offer_count; i++) {
        port_release(child->offer[i].right);
        child->offer[i].right = MACH_PORT_NULL;
    }
    /* Before its rights go: with them the bus would take the device back by itself. */
    if (ended_hook)
        ended_hook(child);
    child->is_excused = false;
    for (unsigned i = 0; i < child->grant_count; i++)
        port_release(child->grant[i].right);
    child->grant_count = 0;
    if (child->state != CHILD_RESTARTING)
        child->offer_count = 0;
    startup_forget(child);
    startup_look();
}

static void child_died(void *context, mach_port_t name)
{
    struct child *child = context;

    (void)name;
    if (child->state == CHILD_FAILED) { /* it has said so itself */
        child_end(child, CHILD_FAILED, child->cause);
        return;
    }
    if (child->state == CHILD_STARTING) {
        journal_note(LOG_ERROR, "%s: its task ended while it was starting", child->name);
        child->status = ENODEV;
    } else {
        journal_note(LOG_ERROR, "%s: its task ended", child->name);
    }
    child_end(child, CHILD_DIED, child->excepted ? child->cause : "task ended");
}

static mach_port_t wiring_host;

void child_wire_all(mach_port_t host)
{
    wiring_host = host;
}

bool child_all_are_wired(void)
{
    return wiring_host != MACH_PORT_NULL;
}

/* A default pager may page to a disk of ours: the way there must not lead through memory that is
 * paged out. */
static int task_wire(const struct child *child)
{
    if (wiring_host == MACH_PORT_NULL)
        return 0;
    return error_from_kernel(
        vm_wire_all(wiring_host, child->task.task, VM_WIRE_CURRENT | VM_WIRE_FUTURE));
}

/* A driver's whole address space: what it allocates, and its windows. No more of memory is its to
 * take. */
#define DRIVER_ADDRESSES (UINT64_C(64) << 20)

static int task_bound(const struct child *child)
{
    if (child->kind != CHILD_DRIVER)
        return 0;
    return error_from_kernel(
        vm_set_size_limit(mach_host_self(), child->task.task, DRIVER_ADDRESSES, DRIVER_ADDRESSES));
}

/* A driver's calls on its task go by the authority, which passes on what it needs: with the task's
 * own port it could map registers of others (server/io/task.c). */
static int task_limit(struct child *child)
{
    mach_port_t limited;

    if (child->kind != CHILD_DRIVER)
        return 0;
    int error = error_from_kernel(io_control_task(supervisor_io, child->task.task, &limited));
    if (error != 0)
        return error;
    if (child->manifest->whole_task) {
        journal_note(LOG_WARNING, "%s: is given its whole task: its registers are not confined",
                     child->name);
        return child_grant(child, "task", limited);
    }
    error = error_from_kernel(task_set_special_port(child->task.task, TASK_KERNEL_PORT, limited));
    port_release(limited);
    return error;
}

static int task_prepare(struct child *child, const struct task_image *image, const char *argument)
{
    const char *argv[] = {child->program, child->name, argument, NULL};
    int error = port_create(&child_bootstrap_type, child, &child->bootstrap);

    if (error == 0)
        error = port_create(&exception_type, child, &child->exception);
    if (error != 0)
        return error;
    /* A task that logs while we wait for another's answer should not have to wait for us. */
    mach_port_set_qlimit(mach_task_self(), child->bootstrap, MACH_PORT_QLIMIT_MAX);

    mach_port_t bootstrap = port_make_send(child->bootstrap);
    if (child->paging_needs_it && !spares_take(&child->task))
        journal_note(LOG_WARNING, "%s: may have to wait when memory is short", child->name);
    error = task_load(child->name, image, argv, bootstrap, &child->task);
    port_release(bootstrap);
    if (error != 0)
        return error;
    mach_port_t exception = port_make_send(child->exception);
    error =
        error_from_kernel(task_set_special_port(child->task.task, TASK_EXCEPTION_PORT, exception));
    port_release(exception);
    if (error == 0)
        error = port_watch(child->task.task, child_died, child);
    return error;
}

/* One that is to poll for ever does so where it is in nobody's way. */
static void processor_give(const struct child *child, const char *settings)
{
    unsigned apart = 0;

    if (!setting_find(settings, "apart", &apart) || apart == 0)
        return;
    int error = supervisor_processors == MACH_PORT_NULL
                    ? ENODEV
                    : error_from_kernel(task_assign(child->task.task, supervisor_processors, TRUE));
    if (error != 0)
        journal_note(LOG_WARNING, "%s: gets no processor of its own: %s", child->name,
                     strerror(error));
}

int child_start(struct child *child, const char *argument)
{
    struct task_image *image = child->upgrade.data ? &child->upgrade : &child->image;
    int error = image->data
                    ? 0
                    : archive_find(&supervisor_archive, child->program, &image->data, &image->size);

    if (error != 0) {
        journal_note(LOG_ERROR, "%s: its program %s is not in the boot archive", child->name,
                     child->program);
        child_end(child, CHILD_FAILED, "no program");
        return error;
    }
    child->state = CHILD_STARTING;
    child->ready_at = 0;
    child->unanswered = 0;
    child->excepted = false;
    if (child->restarts == 0)
        child->cause[0] = '\0';
    image->shared = child->kind == CHILD_DRIVER && !child->manifest->whole_task;
    error = task_prepare(child, image, argument);
    if (error == 0)
        error = task_bound(child);
    if (error == 0)
        error = task_limit(child);
    if (error == 0)
        error = task_wire(child);
    if (error == 0 && argument)
        processor_give(child, argument);
    if (error == 0)
        error = task_begin(&child->task);
    if (error != 0) {
        if (error != ENOEXEC) /* the loader has said what is wrong with the program */
            journal_note(LOG_ERROR, "%s: cannot be started: %s", child->name, strerror(error));
        child_end(child, CHILD_FAILED, strerror(error));
        return error;
    }
    child->started = clock_now();
    return 0;
}

int child_wait(struct child *child, uint64_t limit)
{
    uint64_t deadline = clock_now() + limit;

    while (child->state == CHILD_STARTING && clock_now() < deadline)
        loop_once(deadline);
    if (child->state == CHILD_STARTING) {
        journal_note(LOG_ERROR, "%s: not ready after %llu ms", child->name,
                     (unsigned long long)(limit / CLOCK_MILLISECOND));
        return ETIMEDOUT;
    }
    return child->state == CHILD_RUNNING ? 0 : child->status ? child->status : ENODEV;
}

const struct child_offer *child_offer_of(const struct child *child, const char *class)
{
    for (unsigned i = 0; i < child->offer_count; i++) {
        if (strcmp(child->offer[i].class, class) == 0)
            return &child->offer[i];
    }
    return NULL;
}

const struct child_offer *child_offer_in(const struct child *child, const char *name,
                                         const char *class)
{
    for (unsigned i = 0; i < child->offer_count; i++) {
        if (strcmp(child->offer[i].name, name) == 0 && strcmp(child->offer[i].class, class) == 0)
            return &child->offer[i];
    }
    return NULL;
}

const struct child_offer *child_device_in(const struct child *child, const char *name)
{
    return child->class ? child_offer_in(child, name, child->class) : NULL;
}

const struct child_offer *child_offer_find(const char *name, const char *class)
{
    const struct child_offer *offer = NULL;

    for (const struct child *child = children; child && !offer; child = child->next)
        offer = child_offer_in(child, name, class);
    return offer;
}

/* A child's thread did something that it cannot go on from. The child has a right to this port too,
 * and could send what it likes: only our own name for its thread is asked, as a port that it made
 * up might never answer. */
kern_return_t catch_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task,
                                    integer_t exception, integer_t code, rpc_long_integer_t subcode)
{
    static const char *const names[] = {"exception", "bad access", "bad instruction", "arithmetic",
                                        "emulation", "software",   "breakpoint"};
    struct child *child = port_context(port, &exception_type);
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    if (child) {
        thread_get_state(child->task.thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
        child->excepted = true;
        snprintf(child->cause, sizeof(child->cause), "%s at %llx (code %d, %llx)",
                 exception > 0 && exception < 7 ? names[exception] : names[0],
                 (unsigned long long)state.rip, code, (unsigned long long)subcode);
        journal_note(LOG_ERROR, "%s: %s: its task is ended", child->name, child->cause);
        task_terminate(child->task.task);
    }
    port_release(thread);
    port_release(task);
    return KERN_SUCCESS;
}
