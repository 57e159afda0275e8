/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Hurd's way to its disk driver costs for 4 KiB: rumpdisk's pattern of messages and
 * threads, between three tasks of our own on the same kernel. A page-in is seven port messages:
 *
 *   1. memory_object_data_request: the kernel to the file system, for a thread that touches a page;
 *   2. device_read: the file system to the disk server;
 *   3. the interrupt, to the disk server's interrupt thread, while the thread of 2 sleeps;
 *   4. and 5. its acknowledgement, an RPC to the kernel, after which it wakes that thread;
 *   6. the answer to device_read, the page out of line;
 *   7. memory_object_data_supply: the page goes on to the kernel.
 *
 * Of 2 to 6 alone, which is `device_read`, the caller itself touches the page and frees it.
 *
 * Each is priced twice. Without a device the disk server sends message 3 to itself. With one it is
 * QEMU's `edu`, which computes for a while, as a disk would read, and interrupts: message 3 comes
 * from the kernel, and the machine has nothing to do meanwhile, which makes the eight context
 * switches: to the idle thread, and to the kernel's thread for interrupts.
 *
 * It is priced in the Hurd's favour. What its driver does for a request is not counted, but for one
 * register that is written and two that the interrupt takes; the device does not write the data.
 * Servers look at a message's id only. The sleep of 3 is gsync's, as the C library's locks are
 * there, and only one of it; a page is had and given back by traps, as there.
 *
 * The program is started as a driver for the want of anything else that is, and forks. All is
 * counted between the marks by bench/count.c: page-ins first, then device_reads, without the
 * device; then both with it.
 */
#include <stddef.h>
#include <stdint.h>

#include <mach/machine/thread_status.h>

#include <interface/io_device_user.h>
#include <kernel/device_user.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <bench/marks.h>
#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/log.h>
#include <kit/regs.h>

enum {
    ROUNDS = 1000, /* and from that page on with the device */
    PAGE = 4096,
    RECORDS = PAGE / 512, /* of a page */
    STACK = 64 * 1024,
    OBJECT_INIT = 2200, /* mach/memory_object.defs */
    OBJECT_DATA_REQUEST = 2203,
    DEVICE_READ = 2804, /* device/device.defs */
    DEVICE_READ_REPLY = 2904,
};

/* QEMU's docs/specs/edu.txt. */
enum { EDU_FACTORIAL = 0x08, EDU_STATUS = 0x20, EDU_INTERRUPT = 0x24, EDU_ACKNOWLEDGE = 0x64 };
enum { EDU_STATUS_INTERRUPTS = 0x80 };

/* Other drivers start meanwhile, and what they do would be counted. */
#define BOOT (5 * CLOCK_SECOND)

enum { READER, FILE_SYSTEM, DISK, DISK_INTERRUPT, THREADS };

/* Names that no task of ours has already. */
enum { OBJECT = 0x5001, DEVICE, INTERRUPT, LINE, INTERRUPTS, FINISHED };

struct object_message {
    mach_msg_header_t header;
    mach_msg_type_t control_type;
    mach_port_name_inlined_t control;
    mach_msg_type_t offset_type;
    vm_offset_t offset; /* of a request */
    char rest[128];
};
_Static_assert(offsetof(struct object_message, offset) == 56, "mach/memory_object.defs");

struct read_message {
    mach_msg_header_t header;
    mach_msg_type_t mode_type;
    int mode, mode_pad;
    mach_msg_type_t record_type;
    recnum_t record;
    char rest[128];
};
_Static_assert(offsetof(struct read_message, record) == 56, "device/device.defs");

struct read_reply {
    mach_msg_header_t header;
    mach_msg_type_t code_type;
    int code, code_pad;
    mach_msg_type_long_t data_type;
    void *data;
};
_Static_assert(sizeof(struct read_reply) == 64, "device/device_reply.defs");

static char stacks[THREADS][STACK] __attribute__((aligned(16)));
static mach_port_t reply_ports[THREADS + 1];
static mach_port_t self; /* in each task that is forked: mach_task_self is the first one's */
static volatile unsigned interrupts;          /* that were handled */
static mach_port_t reader, file_system, disk; /* tasks */
static struct regs regs;

/* Each thread has a port for the kernel's answers (see meson.build). */
mach_port_t __wrap_mig_get_reply_port(void);

mach_port_t __wrap_mig_get_reply_port(void)
{
    char here;
    uintptr_t offset = (uintptr_t)&here - (uintptr_t)stacks;
    mach_port_t *reply = &reply_ports[offset < sizeof(stacks) ? offset / STACK : THREADS];

    if (*reply == MACH_PORT_NULL)
        *reply = mach_reply_port();
    return *reply;
}

static void header_send(mach_port_t port, mach_msg_type_name_t type, int id)
{
    mach_msg_header_t message = {.msgh_bits = MACH_MSGH_BITS(type, 0),
                                 .msgh_size = sizeof(message),
                                 .msgh_remote_port = port,
                                 .msgh_id = id};

    mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
}

static void disk_interrupt_main(void)
{
    self = mach_task_self_trap();
    for (;;) {
        mach_msg_header_t message[4];
        mach_msg(message, MACH_RCV_MSG, 0, sizeof(message), INTERRUPTS, 0, MACH_PORT_NULL);
        /* In the place of device_intr_ack: as small, and to the kernel. */
        mach_port_set_seqno(self, INTERRUPT, 0);
        if (message->msgh_local_port != INTERRUPT)
            regs_write32(&regs, EDU_ACKNOWLEDGE, regs_read32(&regs, EDU_INTERRUPT));
        interrupts++;
        gsync_wake(self, (vm_address_t)&interrupts, 0, 0);
    }
}

/* The page with its number in it, as a device would have put it there. */
static void *disk_read(uint64_t page)
{
    vm_address_t data = 0;
    unsigned seen = interrupts;

    if (syscall_vm_allocate(self, &data, PAGE, TRUE) != KERN_SUCCESS)
        return NULL;
    *(uint64_t *)data = page;
    if (page < ROUNDS)
        header_send(INTERRUPT, MACH_MSG_TYPE_MAKE_SEND, 0);
    else
        regs_write32(&regs, EDU_FACTORIAL, 1);
    while (interrupts == seen)
        gsync_wait(self, (vm_address_t)&interrupts, seen, 0, 0, 0);
    return (void *)data;
}

/* Answers and waits in one system call. */
static void disk_main(void)
{
    union {
        mach_msg_header_t header;
        struct read_message read;
        struct read_reply reply;
    } message;

    self = mach_task_self_trap();
    mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), DEVICE, 0, MACH_PORT_NULL);
    for (;;) {
        void *data =
            message.header.msgh_id == DEVICE_READ ? disk_read(message.read.record / RECORDS) : NULL;
        message.reply = (struct read_reply){
            .header = {.msgh_bits =
                           MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                       .msgh_size = sizeof(message.reply),
                       .msgh_remote_port = message.header.msgh_remote_port,
                       .msgh_id = DEVICE_READ_REPLY},
            .code_type = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                          .msgt_size = 32,
                          .msgt_inline = TRUE,
                          .msgt_number = 1},
            .code = data ? KERN_SUCCESS : D_IO_ERROR,
            .data_type = {.msgtl_name = MACH_MSG_TYPE_INTEGER_8,
                          .msgtl_size = 8,
                          .msgtl_longform = TRUE,
                          .msgtl_deallocate = TRUE,
                          .msgtl_number = data ? PAGE : 0},
            .data = data};
        mach_msg(&message.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(message.reply),
                 sizeof(message), DEVICE, 0, MACH_PORT_NULL);
    }
}

static void file_system_main(void)
{
    self = mach_task_self_trap();
    for (;;) {
        struct object_message message;
        char *data = NULL;
        mach_msg_type_number_t size = 0;

        mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), OBJECT, 0, MACH_PORT_NULL);
        if (message.header.msgh_id == OBJECT_INIT)
            memory_object_ready(message.control.name, FALSE, MEMORY_OBJECT_COPY_NONE);
        if (message.header.msgh_id != OBJECT_DATA_REQUEST)
            continue;
        if (device_read(DEVICE, D_READ, message.offset / 512, PAGE, &data, &size) == KERN_SUCCESS)
            memory_object_data_supply(message.control.name, message.offset, (vm_offset_t)data, size,
                                      TRUE, VM_PROT_NONE, FALSE, MACH_PORT_NULL);
        else
            memory_object_data_error(message.control.name, message.offset, PAGE, KERN_FAILURE);
    }
}

/* How many pages were wrong. */
static unsigned pages_touch(const unsigned char *pages, unsigned first)
{
    unsigned wrong = 0;

    for (unsigned page = first; page < first + ROUNDS; page++)
        wrong += *(const volatile uint64_t *)(pages + (size_t)page * PAGE) != page;
    return wrong;
}

static unsigned pages_read(unsigned first)
{
    unsigned wrong = 0;

    for (unsigned page = first; page < first + ROUNDS; page++) {
        char *data = NULL;
        mach_msg_type_number_t size = 0;
        kern_return_t code = device_read(DEVICE, D_READ, page * RECORDS, PAGE, &data, &size);
        if (code != KERN_SUCCESS || size != PAGE || *(volatile uint64_t *)data != page)
            wrong++;
        syscall_vm_deallocate(self, (vm_address_t)data, size);
    }
    return wrong;
}

static unsigned both_measure(const unsigned char *pages, unsigned first)
{
    bench_mark_begin();
    unsigned wrong = pages_touch(pages, first);
    bench_mark_end();
    bench_mark_begin();
    wrong += pages_read(first);
    bench_mark_end();
    return wrong;
}

static void reader_main(void)
{
    unsigned wrong = ROUNDS;
    vm_address_t pages = 0;

    self = mach_task_self_trap();
    pages_read(0); /* first touches */
    if (vm_map(self, &pages, (vm_size_t)2 * ROUNDS * PAGE, 0, TRUE, OBJECT, 0, FALSE, VM_PROT_READ,
               VM_PROT_READ, VM_INHERIT_NONE) == KERN_SUCCESS)
        wrong = both_measure((const unsigned char *)pages, 0) +
                both_measure((const unsigned char *)pages, ROUNDS);
    header_send(FINISHED, MACH_MSG_TYPE_COPY_SEND, (int)wrong);
    for (;;)
        mach_msg(&(mach_msg_header_t){0}, MACH_RCV_MSG, 0, 0, mach_reply_port(), 0, MACH_PORT_NULL);
}

static kern_return_t thread_start(mach_port_t task, unsigned number, void (*begin)(void))
{
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mach_port_t thread;
    kern_return_t code = thread_create(task, &thread);

    if (code == KERN_SUCCESS)
        code = thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count);
    state.rip = (uintptr_t)begin;
    state.ursp = (uintptr_t)stacks[number] + STACK - 8;
    if (code == KERN_SUCCESS)
        code = thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count);
    return code == KERN_SUCCESS ? thread_resume(thread) : code;
}

/* A task with this one's memory, and a send right to a port of its own if `port` is not null. */
static kern_return_t task_fork(mach_port_t *task, mach_port_name_t name, mach_port_t *port)
{
    mach_msg_type_name_t type;
    kern_return_t code = task_create(mach_task_self(), TRUE, task);

    if (code == KERN_SUCCESS && port)
        code = mach_port_allocate_name(*task, MACH_PORT_RIGHT_RECEIVE, name);
    if (code == KERN_SUCCESS && port)
        code = mach_port_extract_right(*task, name, MACH_MSG_TYPE_MAKE_SEND, port, &type);
    return code;
}

static void finished(void *context, mach_msg_header_t *message)
{
    (void)context;
    log_info("hurd-path: %d operations of each kind, %d wrong", ROUNDS, message->msgh_id);
}

static const struct port_type finished_type = {.name = "finished", .message = finished};

/* Registers that tasks which are forked have too, and where its interrupts come. */
static int device_begin(struct device *device, mach_port_t *line)
{
    unsigned together;
    int error = device_window_open(device, 0, PAGE, &regs);

    if (error == 0)
        error = error_from_kernel(
            vm_inherit(mach_task_self(), (vm_address_t)regs.base, PAGE, VM_INHERIT_SHARE));
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = error_from_kernel(
            io_device_interrupt_attach(device_io_port(device), 0, line, &together));
    if (error == 0)
        regs_write32(&regs, EDU_STATUS, EDU_STATUS_INTERRUPTS);
    return error;
}

/* One thread of the disk server's hears of both kinds. */
static kern_return_t interrupts_give(mach_port_t server, mach_port_t line)
{
    kern_return_t code = mach_port_allocate_name(server, MACH_PORT_RIGHT_RECEIVE, INTERRUPT);

    if (code == KERN_SUCCESS)
        code = mach_port_allocate_name(server, MACH_PORT_RIGHT_PORT_SET, INTERRUPTS);
    if (code == KERN_SUCCESS)
        code = mach_port_move_member(server, INTERRUPT, INTERRUPTS);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(server, LINE, line, MACH_MSG_TYPE_MOVE_RECEIVE);
    if (code == KERN_SUCCESS)
        code = mach_port_move_member(server, LINE, INTERRUPTS);
    return code;
}

static void threads_start(void *context)
{
    (void)context;
    if (thread_start(disk, DISK_INTERRUPT, disk_interrupt_main) != KERN_SUCCESS ||
        thread_start(disk, DISK, disk_main) != KERN_SUCCESS ||
        thread_start(file_system, FILE_SYSTEM, file_system_main) != KERN_SUCCESS ||
        thread_start(reader, READER, reader_main) != KERN_SUCCESS)
        log_error("a thread does not start");
}

static int attach(struct device *device)
{
    static struct clock_timer boot;
    mach_port_t read_port, object, done, line;
    int error = device_begin(device, &line);

    if (error == 0)
        error = port_create(&finished_type, NULL, &done);
    if (error != 0)
        return error;
    kern_return_t code = task_fork(&disk, DEVICE, &read_port);
    if (code == KERN_SUCCESS)
        code = interrupts_give(disk, line);
    if (code == KERN_SUCCESS)
        code = task_fork(&file_system, OBJECT, &object);
    if (code == KERN_SUCCESS)
        code = task_fork(&reader, MACH_PORT_NULL, NULL);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(file_system, DEVICE, read_port, MACH_MSG_TYPE_COPY_SEND);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(reader, DEVICE, read_port, MACH_MSG_TYPE_COPY_SEND);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(reader, OBJECT, object, MACH_MSG_TYPE_COPY_SEND);
    if (code == KERN_SUCCESS)
        code = mach_port_insert_right(reader, FINISHED, done, MACH_MSG_TYPE_MAKE_SEND);
    clock_timer_start(&boot, BOOT, threads_start, NULL);
    return error_from_kernel(code);
}

static void detach(void)
{
}

const struct driver driver = {.name = "hurd-path", .attach = attach, .detach = detach};
