/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the stubs of interface/hurd send and take, against what a running Hurd was recorded to send
 * and expect: numbers of calls, kinds and order of arguments. Here nobody receives: mach_msg keeps
 * what was sent, and answers with what the test laid out.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mach/mig_errors.h>

#include <interface/hurd/acpi_user.h>
#include <interface/hurd/directory_user.h>
#include <interface/hurd/exec_startup_user.h>
#include <interface/hurd/fsys_control_user.h>
#include <interface/hurd/fsys_user.h>
#include <interface/hurd/hurd_startup_user.h>
#include <interface/hurd/io_user.h>
#include <interface/hurd/pci_user.h>
#include <interface/hurd/startup_notify_user.h>

#include <test/unit/cmocka.h>

enum { PORT = 7, ROOM = 4096 };

static union {
    mach_msg_header_t head;
    unsigned char bytes[ROOM];
} sent;

static union {
    mig_reply_header_t head;
    unsigned char bytes[ROOM];
} answer; /* of size 0: there is none */

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                           mach_port_t receive_name, mach_msg_timeout_t timeout, mach_port_t notify)
{
    assert_true(option & MACH_SEND_MSG);
    assert_true(send_size <= ROOM && send_size == message->msgh_size);
    memcpy(&sent, message, send_size);
    if (answer.head.Head.msgh_size == 0 || answer.head.Head.msgh_size > receive_limit)
        return MACH_SEND_INVALID_DEST;
    memcpy(message, &answer, answer.head.Head.msgh_size);
    return MACH_MSG_SUCCESS;
}

mach_port_t mig_get_reply_port(void)
{
    return 1;
}

void mig_dealloc_reply_port(mach_port_t port)
{
}

void mig_put_reply_port(mach_port_t port)
{
}

vm_size_t mig_strncpy(char *to, const char *from, vm_size_t size)
{
    return (vm_size_t)snprintf(to, size, "%s", from);
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    *address = 0;
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
}

static const char *kind_name(unsigned name)
{
    switch (name) {
    case MACH_MSG_TYPE_INTEGER_32:
        return "int";
    case MACH_MSG_TYPE_INTEGER_64:
        return "long";
    case MACH_MSG_TYPE_CHAR:
        return "char";
    case MACH_MSG_TYPE_STRING_C:
        return "string";
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return "receive";
    case MACH_MSG_TYPE_MOVE_SEND:
    case MACH_MSG_TYPE_COPY_SEND:
    case MACH_MSG_TYPE_MAKE_SEND:
        return "send";
    default:
        return "?";
    }
}

/* The arguments of the message that was sent: "send int char*3". */
static void arguments_describe(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t at = sizeof(sent.head); at < sent.head.msgh_size;) {
        mach_msg_type_long_t type;
        memcpy(&type, sent.bytes + at, sizeof(type));
        bool is_long = type.msgtl_header.msgt_longform;
        unsigned name = is_long ? type.msgtl_name : type.msgtl_header.msgt_name;
        uint64_t bits = is_long ? type.msgtl_size : type.msgtl_header.msgt_size;
        uint64_t number = is_long ? type.msgtl_number : type.msgtl_header.msgt_number;
        used += (size_t)snprintf(text + used, size - used, number == 1 ? "%s%s" : "%s%s*%lu",
                                 used ? " " : "", kind_name(name), (unsigned long)number);
        at += is_long ? sizeof(type) : sizeof(type.msgtl_header);
        at += type.msgtl_header.msgt_inline ? (bits * number / 8 + 7) & ~UINT64_C(7) : 8;
    }
}

static void sends(const char *call, kern_return_t code, int id, const char *arguments)
{
    char text[200];

    assert_int_equal(code, MACH_SEND_INVALID_DEST);
    arguments_describe(text, sizeof(text));
    if (sent.head.msgh_id != id || strcmp(text, arguments) != 0)
        fail_msg("%s: %d (%s), expected %d (%s)", call, sent.head.msgh_id, text, id, arguments);
}

static void the_boot_file_systems_calls(void **state)
{
    mach_port_t one, other, third;
    vm_address_t address;
    vm_size_t size;
    int number;
    hurd_data_t data = NULL;
    hurd_ports_t ports = NULL;
    hurd_numbers_t numbers = NULL;
    mach_msg_type_number_t count = 0;

    sends("exec_startup_get_info",
          exec_startup_get_info(PORT, &address, &address, &size, &address, &size, &number, &data,
                                &count, &data, &count, &ports, &count, &ports, &count, &numbers,
                                &count),
          30500, "");
    sends("fsys_startup", fsys_startup(PORT, 0, 5, MACH_MSG_TYPE_COPY_SEND, &one), 22000,
          "int send");
    sends("fsys_getpriv", fsys_getpriv(PORT, &one, &other, &third), 22006, "");
    sends("fsys_init", fsys_init(PORT, 5, MACH_MSG_TYPE_COPY_SEND, 6), 22007, "send send");
}

static void what_is_asked_of_the_system_above(void **state)
{
    static hurd_string_t text;
    int nobody[2] = {0, 0};
    unsigned retry;
    mach_port_t port;
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    int amount;

    sends("fsys_getroot",
          fsys_getroot(PORT, 0, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND, nobody, 1, nobody, 2, 0,
                       &retry, text, &port),
          22002, "send int int*2 int");
    sends("dir_lookup", dir_lookup(PORT, 0, "servers", 0, 0, &retry, text, &port), 20018,
          "string*1024 int int");
    sends("dir_readdir", dir_readdir(PORT, 0, &data, &size, 0, -1, 0, &amount), 20019,
          "int int long");
    sends("startup_essential_task", startup_essential_task(PORT, 5, 6, text, 7), 29000,
          "send receive string*1024 send");
    sends("startup_request_notification",
          startup_request_notification(PORT, 0, 5, MACH_MSG_TYPE_COPY_SEND, text), 29001,
          "send string*1024");
    sends("startup_dosync", startup_dosync(PORT, 0), 29500, "");
}

static void the_bus_and_the_firmware(void **state)
{
    char bytes[3] = {0};
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    vm_size_t written;
    int64_t position;
    int line;

    sends("pci_conf_read", pci_conf_read(PORT, 4, &data, &size, 64), 39000, "int long");
    sends("pci_conf_write", pci_conf_write(PORT, 4, bytes, sizeof(bytes), &written), 39001,
          "int char*3");
    sends("pci_get_ndevs", pci_get_ndevs(PORT, &size), 39002, "");
    sends("pci_get_dev_regions", pci_get_dev_regions(PORT, &data, &size), 39003, "");
    sends("pci_get_dev_rom", pci_get_dev_rom(PORT, &data, &size), 39004, "");
    sends("io_read", io_read(PORT, 0, &data, &size, -1, 4096), 21001, "long long");
    sends("io_seek", io_seek(PORT, 0, 0, 2, &position), 21002, "long int");
    sends("acpi_sleep", acpi_sleep(PORT, 5), 41000, "int");
    sends("acpi_get_pci_irq", acpi_get_pci_irq(PORT, 0, 2, 0, &line), 41001, "int int int");
}

static mach_msg_type_t type_of(unsigned name, unsigned bits)
{
    return (mach_msg_type_t){
        .msgt_name = name, .msgt_size = bits, .msgt_number = 1, .msgt_inline = 1};
}

static void answer_begin(mach_msg_id_t id, mach_msg_size_t size, mach_msg_bits_t bits)
{
    memset(&answer, 0, sizeof(answer));
    answer.head.Head =
        (mach_msg_header_t){.msgh_bits = bits, .msgh_size = size, .msgh_id = id + 100};
    answer.head.RetCodeType = type_of(MACH_MSG_TYPE_INTEGER_32, 32);
}

/* host_priv, the device master and the driver's task, in this order, all of them send rights. */
static void the_answer_to_getpriv(void **state)
{
    mach_port_t host = 0, master = 0, task = 0;
    struct {
        mach_msg_type_t type;
        mach_port_name_inlined_t right;
    } rights[3] = {{type_of(MACH_MSG_TYPE_PORT_SEND, 64), {.name = 11}},
                   {type_of(MACH_MSG_TYPE_PORT_SEND, 64), {.name = 12}},
                   {type_of(MACH_MSG_TYPE_PORT_SEND, 64), {.name = 13}}};

    answer_begin(22006, sizeof(answer.head) + sizeof(rights), MACH_MSGH_BITS_COMPLEX);
    memcpy(answer.bytes + sizeof(answer.head), rights, sizeof(rights));
    assert_int_equal(fsys_getpriv(PORT, &host, &master, &task), KERN_SUCCESS);
    assert_int_equal(host, 11);
    assert_int_equal(master, 12);
    assert_int_equal(task, 13);
    answer.head.Head.msgh_size -= sizeof(rights[2]);
    assert_int_equal(fsys_getpriv(PORT, &host, &master, &task), MIG_TYPE_ERROR);
    memset(&answer, 0, sizeof(answer));
}

static void an_answer_with_a_number(void **state)
{
    mach_msg_type_number_t count = 0;
    struct {
        mach_msg_type_t type;
        unsigned number, padding;
    } number = {type_of(MACH_MSG_TYPE_INTEGER_32, 32), 6, 0};

    answer_begin(39002, sizeof(answer.head) + sizeof(number), 0);
    memcpy(answer.bytes + sizeof(answer.head), &number, sizeof(number));
    assert_int_equal(pci_get_ndevs(PORT, &count), KERN_SUCCESS);
    assert_int_equal(count, 6);
    /* What nobody serves is told by its number alone: the first call of a boot. */
    answer_begin(39002, sizeof(answer.head), 0);
    answer.head.RetCode = MIG_BAD_ID;
    assert_int_equal(pci_get_ndevs(PORT, &count), MIG_BAD_ID);
    assert_int_equal(MIG_BAD_ID, -303);
    memset(&answer, 0, sizeof(answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_boot_file_systems_calls),
        cmocka_unit_test(what_is_asked_of_the_system_above),
        cmocka_unit_test(the_bus_and_the_firmware),
        cmocka_unit_test(the_answer_to_getpriv),
        cmocka_unit_test(an_answer_with_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
