/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stand-in for the Hurd's boot file system and startup server: their part of the conversation
 * with a driver stage, against whatever answers at the bootstrap port.
 */
#ifndef TEST_HURD_STAND_IN_H
#define TEST_HURD_STAND_IN_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/mach_types.h>
#include <mach/port.h>

enum ending { END_EXIT, END_REBOOT, END_REFUSED, END_OFF };

struct options {
    const char *device;
    const char *card; /* null: none */
    uint64_t reads, seed, seconds, flight, pings, flood, price, tasks;
    uint64_t scratch_start, scratch_records; /* none: nothing is written */
    mach_port_t exec_task, kernel_task;
    enum ending ending;
    bool confined;  /* what would undo confinement is to be refused */
    bool pci, acpi; /* they have names too */
};

/* Checks: each one that fails is a line, the last line counts them. */

/* Lines go to the kernel until there is a console. */
void check_console(mach_port_t console);
bool check_equal(const char *what, int64_t expected, int64_t got);
bool check_refused(const char *what, kern_return_t code);
bool check_true(bool holds, const char *what, const char *expected);
/* A failure with words of its own. */
void check_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_passed(void);
void check_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_report(void);

struct disk {
    mach_port_t port;
    uint64_t records;
    uint32_t record_size;
    bool writable;
};

/* At the beginning, where the tree is, nobody writes. */
uint64_t disk_quiet_records(const struct disk *disk, const struct options *options);

/* The bytes that a record should hold: those last written into the scratch area, those first seen
 * elsewhere. */
int content_init(const struct disk *disk, const struct options *options);
/* The next contents of COUNT records of the scratch area, which may be there from now on. */
void content_make(uint64_t record, uint64_t count, unsigned char *data);
/* They are there (an acknowledged write), or it is not known what is. */
void content_settle(uint64_t record, uint64_t count, bool written);
/* One check. */
void content_check(const char *what, uint64_t record, uint64_t count, const unsigned char *data);

/* One call, and checks of its answer; null if it failed. Free the data with memory_pages_free. */
unsigned char *disk_read(const struct disk *disk, uint64_t record, uint64_t bytes);
bool disk_write(const struct disk *disk, uint64_t record, uint64_t bytes);
void disk_flush(const struct disk *disk);

bool disk_open(mach_port_t master, const char *name, struct disk *disk);
/* More often than there is room for at a time. */
void disk_reopen(mach_port_t master, const char *name);
void disk_sizes(const struct disk *disk, const struct options *options);
/* All that is known or will be: once before the load and once after it. */
void disk_survey(const struct disk *disk, const struct options *options);
void disk_mistakes(const struct disk *disk, const struct options *options);
void disk_reads(const struct disk *disk, const struct options *options);

/* Page-sized reads whose contents nobody looks at, for bench/outboard.py. */
void price_reads(const struct disk *disk, const struct options *options);
void disk_writes(const struct disk *disk, const struct options *options);

/* Many calls that nobody has answered yet. Returns how many bytes they moved. */
uint64_t flight_run(const struct disk *disk, const struct options *options);

/* What mounting reads of an ext2 file system, down to its root directory's first entries. */
void tree_check(const struct disk *disk);

struct privileges {
    mach_port_t host, device_master, driver_task;
};
/* Bytes of address space that a task has; 0 if it does not say. */
uint64_t system_task_size(mach_port_t task);
/* Calls that are wrong in themselves, modes that do not fit, ports that are dropped. */
void mistakes_check(const struct privileges *privileges, const struct disk *disk, const char *name);

/* The bus, whose tree of names is walked. */
void pci_check(mach_port_t master, bool confined);
void system_check(const struct privileges *privileges, const struct options *options);
/* As the shutdown server switches the machine off; comes back if it stays on. */
void system_off(const struct privileges *privileges);
void privileges_check(const struct privileges *privileges, const struct options *options);

/* `flood` messages that make no sense. */
void flood_run(const struct privileges *privileges, const struct options *options);

/* A network stack's part, if there is a card. */
void network_check(const struct privileges *privileges, const struct options *options);

bool boot_privileges(struct privileges *privileges);
void boot_startup(void);
void boot_shutdown(void);

/* Reproducible numbers. */
uint64_t random_mix(uint64_t value);
uint64_t random_next(void);

#endif
