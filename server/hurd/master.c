/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device master port of the whole system: names of ours go to the device service, the kernel's
 * harmless ones to the kernel. Both answer the caller themselves.
 */
#include <stddef.h>
#include <string.h>

#include <device/device_types.h>
#include <mach/mig_errors.h>

#include <interface/hurd/types.h>
#include <kernel/device_user.h>

#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/log.h>

#include "hurd.h"
#include "relay.h"

enum { DEVICE_OPEN = 2800, IO_PERMISSION = 3805, OPENED_MAX = 64 };

struct open_message { /* as MIG lays it out */
    mach_msg_header_t head;
    mach_msg_type_t mode_type;
    dev_mode_t mode;
    char padding[4];
    mach_msg_type_long_t name_type;
    dev_name_t name;
};
static_assert(offsetof(struct open_message, name) % 8 == 0, "wire layout");

struct permission_message { /* i386_io_perm_create, likewise */
    mach_msg_header_t head;
    mach_msg_type_t first_type;
    uint16_t first, first_padding[3];
    mach_msg_type_t last_type;
    uint16_t last, last_padding[3];
};

/* The devices that somebody asked for: what is to be flushed when the system goes down. */
static char opened[OPENED_MAX][OUTBOARD_NAME_SIZE];

static void opened_note(const char *device)
{
    for (unsigned i = 0; i < OPENED_MAX; i++) {
        if (strcmp(opened[i], device) == 0)
            return;
        if (opened[i][0] == '\0') {
            strcpy(opened[i], device);
            return;
        }
    }
}

unsigned master_flush(void)
{
    unsigned failed = 0;
    mach_port_t master, device;

    if (startup_capability("device-master", &master) != 0)
        return opened[0][0] != '\0';
    for (unsigned i = 0; i < OPENED_MAX && opened[i][0] != '\0'; i++) {
        if (device_open(master, D_READ, opened[i], &device) != D_SUCCESS)
            continue; /* a name that is no disk */
        kern_return_t code = device_set_status(device, DEV_FLUSH_CACHE, NULL, 0);
        if (code != D_SUCCESS && code != D_INVALID_OPERATION) { /* the latter: it is no disk */
            log_error("%s was not flushed", opened[i]);
            failed++;
        }
        port_release(device);
    }
    port_release(master);
    return failed;
}

/* What device_open answers, by hand: the right to a port of ours. */
static void own_open(mach_msg_header_t *message, int (*open)(mach_port_t *port))
{
    struct {
        mig_reply_header_t head;
        mach_msg_type_t type;
        mach_port_name_inlined_t port;
    } reply = {
        .head.RetCodeType = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                             .msgt_size = 32,
                             .msgt_number = 1,
                             .msgt_inline = 1},
        .type = {.msgt_name = MACH_MSG_TYPE_MOVE_SEND,
                 .msgt_size = sizeof(reply.port) * 8,
                 .msgt_number = 1,
                 .msgt_inline = 1},
    };
    mach_port_t port;

    if (open(&port) != 0) {
        relay_answer(message, D_NO_MEMORY);
        return;
    }
    reply.port.name = port;
    reply.head.Head = (mach_msg_header_t){
        .msgh_bits =
            MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(message->msgh_bits), 0),
        .msgh_size = sizeof(reply),
        .msgh_remote_port = message->msgh_remote_port,
        .msgh_id = message->msgh_id + 100,
    };
    if (mach_msg(&reply.head.Head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(reply), 0,
                 MACH_PORT_NULL, 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        mach_msg_destroy(&reply.head.Head);
}

static void open_pass(mach_msg_header_t *message)
{
    struct open_message *request = (struct open_message *)message;
    char device[OUTBOARD_NAME_SIZE];
    mach_port_t master;

    if (message->msgh_size != sizeof(*request) ||
        !memchr(request->name, '\0', sizeof(request->name))) {
        relay_answer(message, MIG_BAD_ARGUMENTS);
        return;
    }
    if (names_is_kernels(request->name)) {
        relay_pass(message, hurd.kernel_master);
        return;
    }
    if (strcmp(request->name, "pci") == 0 || strcmp(request->name, "acpi") == 0) {
        own_open(message, request->name[0] == 'p' ? pci_open : firmware_open);
        return;
    }
    if (names_resolve(&hurd.names, request->name, device) != 0) {
        relay_answer(message, D_NO_SUCH_DEVICE);
        return;
    }
    /* Who is paged to is served apart: the other service may have to wait for the pager. */
    bool paging = names_is_paged_to(&hurd.names, device);
    if (startup_capability(paging ? "paging-master" : "device-master", &master) != 0) {
        relay_answer(message, D_DEVICE_DOWN);
        return;
    }
    strncpy(request->name, device, sizeof(request->name));
    opened_note(device);
    relay_pass(message, master);
    port_release(master);
}

/* Ports behind which there is nothing that reaches memory or another device: the speaker, the port
 * that is written to let time pass, VGA. */
static bool ports_are_harmless(uint16_t first, uint16_t last)
{
    static const struct {
        uint16_t first, last;
    } harmless[] = {{0x61, 0x61}, {0x80, 0x80}, {0x3b0, 0x3df}};

    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (first >= harmless[i].first && first <= last && last <= harmless[i].last)
            return true;
    }
    return false;
}

static void permission_pass(mach_msg_header_t *message)
{
    const struct permission_message *request = (const void *)message;

    if (message->msgh_size == sizeof(*request) &&
        ports_are_harmless(request->first, request->last)) {
        relay_pass(message, hurd.kernel_master);
        return;
    }
    log_warning("I/O ports are refused: a device could be reached by them");
    relay_answer(message, HURD_EPERM);
}

static void master_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    if (message->msgh_id == DEVICE_OPEN) {
        open_pass(message);
        return;
    }
    if (message->msgh_id == IO_PERMISSION) {
        permission_pass(message);
        return;
    }
    log_warning("call %d on the device master port is refused", message->msgh_id);
    relay_answer(message, MIG_BAD_ID);
}

static const struct port_type master_type = {.name = "device master", .message = master_message};

int master_port(mach_port_t *port)
{
    return port_create(&master_type, NULL, port);
}
