/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnumach_client DEVICE-PORT DISK BYTES OPERATIONS
 *
 * The client of GNU Mach's own disk drivers, for its 32-bit kernel (bench/gnumach.py): random
 * device_reads, one at a time, as the shell's device-bench does on ours. A task without a library:
 * its messages are those of <device/device.defs>, its calls those of <mach/syscall_sw.h>.
 */
#include <device/device_types.h>
#include <mach/message.h>
#include <mach/mig_errors.h>
#include <stddef.h>
#include <stdint.h>

enum { DEVICE_OPEN = 2800, DEVICE_WRITE_INBAND = 2803, DEVICE_READ = 2804, REPLY = 100 };
enum { RECORD = 512, DISK_SIZE = 1 << 30, INBAND = 128, FIRST_TOUCHES = 64 };

#define TYPE(name, size, count)                                                                    \
    {                                                                                              \
        .msgt_name = (name), .msgt_size = (size), .msgt_number = (count), .msgt_inline = 1         \
    }
#define INTEGER TYPE(MACH_MSG_TYPE_INTEGER_32, 32, 1)

struct open_request {
    mach_msg_header_t head;
    mach_msg_type_t mode_type;
    uint32_t mode;
    mach_msg_type_long_t name_type;
    char name[128];
};

struct write_request {
    mach_msg_header_t head;
    mach_msg_type_t mode_type;
    uint32_t mode;
    mach_msg_type_t record_type;
    uint32_t record;
    mach_msg_type_t data_type;
    char data[INBAND];
};

struct read_request {
    mach_msg_header_t head;
    mach_msg_type_t mode_type;
    uint32_t mode;
    mach_msg_type_t record_type;
    uint32_t record;
    mach_msg_type_t wanted_type;
    int32_t wanted;
};

struct reply {
    mach_msg_header_t head;
    mach_msg_type_t code_type;
    kern_return_t code;
    union {
        struct {
            mach_msg_type_t device_type;
            mach_port_t device;
        };
        struct {
            mach_msg_type_long_t data_type;
            vm_address_t data;
        };
    };
};

union message {
    mach_msg_header_t head;
    struct open_request open;
    struct write_request write;
    struct read_request read;
    struct reply reply;
};

mach_msg_return_t trap_message(mach_msg_header_t *message, mach_msg_option_t option,
                               mach_msg_size_t send_size, mach_msg_size_t receive_size,
                               mach_port_t receive, mach_msg_timeout_t timeout, mach_port_t notify);
mach_port_t trap_reply_port(void);
mach_port_t trap_task_self(void);
kern_return_t trap_deallocate(mach_port_t task, vm_address_t address, vm_size_t size);
void start(unsigned count, char **words);

#define TRAP(name, number)                                                                         \
    __asm__(".text\n.globl " #name "\n" #name ": movl $" #number ", %eax\nlcall $7, $0\nret\n")
TRAP(trap_message, -25);
TRAP(trap_reply_port, -26);
TRAP(trap_task_self, -28);
TRAP(trap_deallocate, -66);

/* The kernel's start: argc and argv lie on the stack. */
__asm__(".text\n.globl _start\n_start: movl (%esp), %eax\nleal 4(%esp), %edx\nandl $-16, %esp\n"
        "subl $8, %esp\npushl %edx\npushl %eax\ncall start\n1: jmp 1b\n");

void *memset(void *to, int value, size_t size);

static mach_port_t reply_port, console, self;

__attribute__((noinline)) void bench_mark_begin(void);
__attribute__((noinline)) void bench_mark_end(void);

void bench_mark_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

void bench_mark_end(void)
{
    __asm__ volatile("" ::: "memory");
}

/* For what the compiler makes of initialisers. */
void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((volatile char *)to)[i] = (char)value;
    return to;
}

/* Send a request, of which only the body is filled in; its reply takes its place. */
static kern_return_t call(union message *message, mach_port_t port, mach_msg_id_t id,
                          mach_msg_size_t size)
{
    message->head = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = size,
        .msgh_remote_port = port,
        .msgh_local_port = reply_port,
        .msgh_id = id,
    };
    kern_return_t code = trap_message(&message->head, MACH_SEND_MSG | MACH_RCV_MSG, size,
                                      sizeof(*message), reply_port, 0, MACH_PORT_NULL);
    if (code != MACH_MSG_SUCCESS)
        return code;
    return message->head.msgh_id == id + REPLY ? message->reply.code : MIG_REPLY_MISMATCH;
}

static kern_return_t device_open(mach_port_t master, const char *name, uint32_t mode,
                                 mach_port_t *device)
{
    static union message message;
    unsigned length = 0;

    message.open = (struct open_request){
        .mode_type = INTEGER,
        .mode = mode,
        .name_type = {.msgtl_header = {.msgt_inline = 1, .msgt_longform = 1},
                      .msgtl_name = MACH_MSG_TYPE_STRING_C,
                      .msgtl_size = 8 * sizeof(message.open.name),
                      .msgtl_number = 1},
    };
    for (; length < sizeof(message.open.name) - 1 && name[length]; length++)
        message.open.name[length] = name[length];
    kern_return_t code = call(&message, master, DEVICE_OPEN, sizeof(message.open));
    if (code == KERN_SUCCESS)
        *device = message.reply.device;
    return code;
}

static void print(const char *text)
{
    static union message message;
    unsigned length = 0;

    message.write = (struct write_request){.mode_type = INTEGER, .record_type = INTEGER};
    for (; length < INBAND && text[length]; length++)
        message.write.data[length] = text[length];
    message.write.data_type = (mach_msg_type_t)TYPE(MACH_MSG_TYPE_CHAR, 8, length);
    call(&message, console, DEVICE_WRITE_INBAND,
         offsetof(struct write_request, data) + ((length + 3) & ~3U));
}

static void fail(const char *what, kern_return_t code)
{
    char text[] = ": code 00000000\r\n";

    for (unsigned i = 0; i < 8; i++)
        text[7 + i] = "0123456789abcdef"[(uint32_t)code >> (28 - 4 * i) & 15];
    print("gnumach: failed: ");
    print(what);
    print(text);
    for (;;)
        ;
}

static kern_return_t device_read(mach_port_t device, uint32_t record, int32_t bytes)
{
    static union message message;

    message.read = (struct read_request){.mode_type = INTEGER,
                                         .mode = D_READ,
                                         .record_type = INTEGER,
                                         .record = record,
                                         .wanted_type = INTEGER,
                                         .wanted = bytes};
    kern_return_t code = call(&message, device, DEVICE_READ, sizeof(message.read));

    if (code != KERN_SUCCESS)
        return code;
    vm_size_t came = message.reply.data_type.msgtl_number;
    code = trap_deallocate(self, message.reply.data, came);
    return code == KERN_SUCCESS && came != (vm_size_t)bytes ? D_IO_ERROR : code;
}

static void reads_run(mach_port_t disk, uint32_t bytes, unsigned count)
{
    static uint64_t position = 1;

    for (unsigned i = 0; i < count; i++) {
        position = position * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t place = (uint32_t)(position >> 33) & (DISK_SIZE / 4096 - 1);
        kern_return_t code = device_read(disk, place * (4096 / RECORD), (int32_t)bytes);
        if (code != KERN_SUCCESS)
            fail("device_read", code);
    }
}

static uint32_t number(const char *text)
{
    uint32_t value = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

void start(unsigned count, char **words)
{
    mach_port_t disk;

    self = trap_task_self();
    reply_port = trap_reply_port();
    if (count != 5 || device_open(number(words[1]), "console", D_WRITE, &console) != KERN_SUCCESS)
        return;
    kern_return_t code = device_open(number(words[1]), words[2], D_READ, &disk);
    if (code != KERN_SUCCESS)
        fail("device_open", code);
    reads_run(disk, number(words[3]), FIRST_TOUCHES);
    print("gnumach: begin\r\n");
    bench_mark_begin();
    reads_run(disk, number(words[3]), number(words[4]));
    bench_mark_end();
    print("gnumach: end\r\n");
}
