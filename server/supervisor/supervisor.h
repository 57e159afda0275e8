/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's parts: main.c starts what is always there; child.c keeps the tasks and stop.c
 * stops them; bus.c has the bus servers; drivers.c matches manifests (manifest.c) and starts
 * drivers; partitions.c has their disks divided and integrity.c has them checked; netmux.c has
 * network cards shared; mount.c runs file systems; operator.c serves an operator, with reports from
 * devices.c, drivers.c and journal.c.
 */
#ifndef SERVER_SUPERVISOR_SUPERVISOR_H
#define SERVER_SUPERVISOR_SUPERVISOR_H

#include <mach/port.h>

#include <host/mach/archive.h>
#include <server/supervisor/child.h>
#include <server/supervisor/policy.h>
#include <server/supervisor/text.h>

extern struct archive supervisor_archive;
extern mach_port_t supervisor_io;   /* interface/io_control.defs */
extern mach_port_t supervisor_root; /* interface/root.defs */
extern mach_port_t
    supervisor_processors; /* on which no task runs but those we assign; null: there are none */
extern struct policy supervisor_policy;

/* Every child may allocate memory that devices reach, up to a quota. */
int supervisor_grant_pool(struct child *child, uint64_t quota);

/* Start it with such a quota; or, if there was an error in granting it something else, or is one
 * now, end it as failed, so that nobody waits for it. */
void supervisor_begin(struct child *child, int error, uint64_t quota, const char *argument);

/* bus.c: start the bus servers and wait for them; the PCI server's port (null: there is none, which
 * may change). */
void bus_start(void);
mach_port_t bus_pci(void);

/* Whether the server of the driver's bus is being started (again); have it lend the driver its
 * device, which is granted, and take it back. 0 or an errno value: ENODEV: there is no such device
 * or bus, or nothing was lent; EBUSY: it is another's. */
bool bus_returns(const struct child *driver);
int bus_claim(struct child *driver);
/* Likewise; ENOTSUP, EIO: it was not reset, though it was to be; EBUSY: nor is it gone, though it
 * is leaving. */
int bus_release(const struct child *driver, bool reset);

/* drivers.c */
void drivers_start(void);
void drivers_stop(void);

struct child *drivers_lookup(const char *name);

/* As supervisor_upgrade says. */
int drivers_upgrade(const char *name, const void *program, size_t size);
/* Stop a driver in order and start it again, or start one that was given up. ENOENT; EBUSY: that is
 * under way; or why it did not stop in order. */
int drivers_restart(const char *name);

void drivers_report(struct text *text);
void drivers_counts(struct text *text);

/* A function that may be new: start its driver, if there is one and it does not run. */
void drivers_meet(const struct pci_function_info *function);

/* Functions as the PCI server lists them, in pages; free with memory_pages_free. */
int drivers_functions(struct pci_function_info **functions, size_t *count);
unsigned drivers_address(const struct pci_function_info *function);
struct child *drivers_find(unsigned address); /* null: none */

/* hotplug.c: have the bus, which has just started, tell what comes and goes. */
void hotplug_watch(void);

/* services.c: one that has `begin` has ended, is ready; none is started again from now on. */
void services_ended(struct child *child);
void services_ready(const struct child *child);
void services_stop(void);

/* partitions.c */
void partitions_start(struct child *driver, const struct child_offer *disk);
void partitions_stop(const struct child *driver, bool returns);
/* One is not started again, if it is one: its disk's driver may be why. */
void partitions_given_up(struct child *child);
/* A disk is away, and may come back. */
void partitions_hold(const struct child *driver, const struct child_offer *disk);
/* Disks that are not there any more are not divided either. */
void partitions_tidy(const struct child *driver);

/* integrity.c: start the filters whose disks are all offered by now; say which are not there;
 * whether one has that device, and nobody else should. */
void integrity_look(void);
void integrity_report_missing(void);
bool integrity_holds(const char *device);
void integrity_stop(void);

/* netmux.c: start the multiplexers whose cards are offered by now; say which are not there. */
void netmux_look(void);
void netmux_report_missing(void);

/* kills.c: as supervisor_kill says. */
int kills_start(const char *driver, unsigned times, unsigned milliseconds, unsigned seed);

/* As supervisor_fault says. */
int kills_fault(const char *driver, uint64_t address, const void *bytes, size_t size);

/* watch.c */
void watch_start(void);

/* faults.c */
void faults_start(void);

/* devices.c */
void devices_report(struct text *text, bool verbose);
/* A line with the names of all that is offered of a class. */
void devices_names(struct text *text, const char *class);

/* mount.c */
int mount_start(const char *device, bool read_only, mach_port_t *fs);
int mount_stop(const char *device);
void mount_stop_all(void);

/* hurd.c: the server for a Hurd on top, which starts its first task; takes the rights. */
void hurd_start(mach_port_t next, mach_port_t host, mach_port_t kernel_master, const char *words);

/* operator.c: what waits for others and serves everybody meanwhile, one at a time, so that none
 * finds its records changed under it. False: another one is under way. */
bool operation_begin(void);
void operation_end(void);

/* operator.c: a send right to the operator's interface (interface/supervisor.defs). */
int operator_port(mach_port_t *port);

#endif
