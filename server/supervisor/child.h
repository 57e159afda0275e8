/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tasks that the supervisor started: what each was granted, what each offers, how it is.
 */
#ifndef SERVER_SUPERVISOR_CHILD_H
#define SERVER_SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/port.h>

#include <host/mach/task.h>
#include <interface/bus.h>
#include <interface/lives.h>
#include <interface/types.h>
#include <kit/clock.h>
#include <server/supervisor/restart.h>

enum child_kind { CHILD_SERVER, CHILD_DRIVER, CHILD_SERVICE };
enum child_state {
    CHILD_STARTING,
    CHILD_RUNNING,
    CHILD_FAILED,
    CHILD_STOPPED,
    CHILD_DIED,
    CHILD_RESTARTING, /* it has no task, and will have one: what it offered is kept by name */
};

/* For what was withdrawn, or its device taken out, to be there again. */
#define CHILD_AWAY_LIMIT (10 * CLOCK_SECOND)

enum { CHILD_GRANTS_MAX = 8, CHILD_OFFERS_MAX = 128, CHILD_ARGUMENTS_MAX = 4 };

struct child {
    char name[OUTBOARD_NAME_SIZE]; /* "nvme0" */
    char program[OUTBOARD_NAME_SIZE];
    char offers[OUTBOARD_NAME_SIZE]; /* what its offers' names begin with: its own, or its disk's */
    enum child_kind kind;
    enum child_state state;
    int status;     /* errno of a start that failed */
    char cause[96]; /* why it is not running, or why it was restarted last */
    struct task task;
    mach_port_t bootstrap, exception; /* receive rights of ours */
    uint64_t started, ready_at;       /* 0: it is not ready yet */
    struct clock_timer leave;         /* how long one that failed has to say why and go by itself */
    struct clock_timer away;          /* when something that it withdrew is waited for no longer */
    uint64_t withdrew;                /* when it first did, lately ... */
    unsigned withdrawals;             /* ... and how often since */
    struct clock_timer alarm;         /* that it asked for */
    mach_port_t alarmed;              /* a send-once right; null: it did not */
    uint64_t log_second;              /* when the present second of its log began */
    unsigned log_lines;               /* how many lines it sent since */
    struct task_image image;          /* its program, in the archive; empty: not looked for yet */
    struct task_image upgrade;        /* in pages of ours; runs instead of its program, if there */
    bool on_probation;                /* the upgrade is: the program comes back if it dies soon */
    unsigned restarts;
    bool is_excused;      /* it is ended for nothing that it did: set by who ends it ... */
    struct lives lives;   /* ... of which those before are told */
    struct child_counts { /* of a driver, over all its lives */
        unsigned faults;  /* accesses of its device that were refused */
        unsigned complaints;
        unsigned recoveries, replayed, rewritten, poisoned, rejected; /* startup_recovered */
    } counts;
    struct restart restart;             /* a driver's */
    struct clock_timer revive;          /* when it is started again */
    void (*begin)(struct child *child); /* how a service is; null: it is not */
    unsigned address;                   /* a driver's PCI function, if not `fixed` */
    const struct isa_resources *fixed;  /* its fixed device; null: it is PCI's */
    const struct manifest *manifest;    /* likewise */
    const char *class;    /* what the devices speak that it offers, and nobody else's; null: none */
    mach_port_t answers;  /* a receive right for a driver's; null: it was not asked yet */
    unsigned unanswered;  /* how often it was asked since it answered */
    bool excepted;        /* `cause` is of its present life */
    bool wanted_again;    /* it is stopped to be started again */
    bool unplugged;       /* its device is not there */
    bool unreset;         /* its device still has the commands of drivers that are gone */
    bool is_believed;     /* when it complains of a driver */
    bool paging_needs_it; /* to reach a disk that is paged to, or to have its driver again */
    bool sees_devices;    /* may look up every published device by its name */
    bool sees_networks;   /* or every network device */
    struct child *source; /* whose device it divides; null: of none */

    unsigned grant_count;
    struct {
        char name[OUTBOARD_NAME_SIZE];
        mach_port_t right; /* a send right; null: what is offered as `device` */
        char device[OUTBOARD_NAME_SIZE];
    } grant[CHILD_GRANTS_MAX];

    unsigned offer_count;
    struct child_offer {
        char name[OUTBOARD_NAME_SIZE]; /* its first part and the suffix: "nvme0n1" */
        char class[OUTBOARD_NAME_SIZE];
        mach_port_t right; /* null: it is being restarted, or away ... */
        uint64_t due;      /* ... until then */
    } offer[CHILD_OFFERS_MAX];

    struct child *next;
};

/* From now on the memory of each task that is started is wired. The right is ours. */
void child_wire_all(mach_port_t host);
bool child_all_are_wired(void);

/* Who wants to know when a child is no longer there; it may have it restarted. */
typedef void (*child_ended)(struct child *child);
void child_on_end(child_ended ended);

/* Who wants to know what a child offers. */
typedef void (*child_offered)(struct child *child, const struct child_offer *offer);
void child_on_offer(child_offered offered);

/* Who wants to know when it withdraws that, and when (null) something does not come back. */
void child_on_withdraw(child_offered withdrawn);

/* Who wants to know when a child is ready, and all that it offers is there. */
typedef void (*child_readied)(struct child *child);
void child_on_ready(child_readied readied);

/* A record for a task that is not running yet; at the end of the list. Null: no memory. */
struct child *child_create(const char *name, const char *program, enum child_kind kind);

/* Grant a capability; the right is the child's from now on. */
int child_grant(struct child *child, const char *name, mach_port_t right);
bool child_has(const struct child *child, const char *name);

/* Grant what is offered under the name `device` at the time when it is looked up. */
int child_grant_device(struct child *child, const char *name, const char *device);

/* Load the program from the archive and start it; `arguments` (null: none) follow its name in argv.
 * 0 or an errno value, with a line in the log and the child's state. */
int child_start(struct child *child, const char *argument);

/* Serve everybody until the child is no longer starting, or the time is over (ETIMEDOUT). The
 * child's own errno value if it failed. */
int child_wait(struct child *child, uint64_t limit);

/* Ask it to stop and wait, at most so long, then end its task. 0, or why it was not in order. */
int child_stop(struct child *child, uint64_t limit);

/* End the task at once and forget what it was granted and offered. */
void child_end(struct child *child, enum child_state state, const char *cause);

/* For how many nanoseconds one that ended had been ready, as far as it is to blame: what it was
 * excused of it outlived. */
uint64_t child_lived(const struct child *child);

/* Forget the record of a child that has no task. */
void child_remove(struct child *child);

struct child *child_first(void);
struct child *child_lookup(const char *name); /* null: none of that name */

/* startup.c: the port on which it asks for things; wake whoever waits for names that are decided by
 * now; forget that a child waits. */
extern const struct port_type child_bootstrap_type;
void startup_look(void);
void startup_forget(const struct child *child);

/* An offer by full name and class; null if there is none. Its right may be null, or dead by now. */
const struct child_offer *child_offer_find(const char *name, const char *class);
/* A child's own offer of that class. */
const struct child_offer *child_offer_of(const struct child *child, const char *class);

/* Among one child's. */
const struct child_offer *child_offer_in(const struct child *child, const char *name,
                                         const char *class);

/* The device of that name among those that it offers. */
const struct child_offer *child_device_in(const struct child *child, const char *name);

/* How much memory its task has, in KiB; 0 if it has none. */
unsigned long long child_memory(const struct child *child);

/* One more reference on a send right. */
mach_port_t child_right_copy(mach_port_t right);

#endif
