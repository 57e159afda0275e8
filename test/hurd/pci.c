/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus, as libpciaccess finds what is on it: down four levels of directories to each function's
 * configuration space.
 */
#include <stdio.h>
#include <string.h>

#include <device/device_types.h>

#include <interface/hurd/directory_entry.h>
#include <interface/hurd/directory_user.h>
#include <interface/hurd/io_user.h>
#include <interface/hurd/pci_user.h>
#include <kernel/device_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>

#include "stand_in.h"

enum { WAIT_MS = 5000, PAGE = 4096, LEVELS = 4 };

static mach_port_t look_up(mach_port_t directory, const char *name)
{
    static hurd_string_t rest;
    mach_port_t result = MACH_PORT_NULL;
    uint32_t retry = 0;
    char what[40];

    snprintf(what, sizeof(what), "dir_lookup of %s", name);
    if (check_equal(what, KERN_SUCCESS,
                    dir_lookup(directory, WAIT_MS, (char *)name, 0, 0, &retry, rest, &result)))
        check_equal(what, HURD_RETRY_NORMAL, retry);
    return result;
}

/* One entry at a time, as it does; false: no more. */
static bool entry_read(mach_port_t directory, int number, struct hurd_directory_entry *entry,
                       char name[32])
{
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    int amount = 0;

    if (!check_equal("dir_readdir", KERN_SUCCESS,
                     dir_readdir(directory, WAIT_MS, &data, &size, number, 1, 0, &amount)) ||
        amount == 0)
        return false;
    bool whole = check_equal("dir_readdir: entries", 1, amount) &&
                 check_true(size >= sizeof(*entry), "dir_readdir: bytes", "an entry");
    if (whole) {
        memcpy(entry, data, sizeof(*entry));
        whole =
            check_equal("dir_readdir: bytes", entry->size, size) &&
            check_true(entry->name_length < 32 && sizeof(*entry) + entry->name_length < entry->size,
                       "dir_readdir: a name", "in its entry");
    }
    if (whole)
        snprintf(name, 32, "%s", data + sizeof(*entry));
    memory_pages_free(data, size);
    return whole;
}

/* PCI 3.0, 6.1. */
enum {
    COMMAND = 0x04,
    CLASS_BASE = 0x0b,
    CACHE_LINE = 0x0c,
    HEADER = 0x0e,
    ROM = 0x30,
    BRIDGE_ROM = 0x38,
    CLASS_STORAGE = 0x01
};

/* One byte of configuration space; 0xff if it cannot be read. */
static unsigned char byte_read(mach_port_t config, int offset)
{
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    unsigned char value = 0xff;

    if (check_equal("pci_conf_read of a byte", KERN_SUCCESS,
                    pci_conf_read(config, offset, &data, &size, 1)) &&
        size == 1)
        value = (unsigned char)data[0];
    memory_pages_free(data, size);
    return value;
}

/* Disks have drivers here. */
static void driven_check(mach_port_t config)
{
    vm_size_t written = 0;

    if (byte_read(config, CLASS_BASE) == CLASS_STORAGE)
        check_refused("pci_conf_write of what a driver has",
                      pci_conf_write(config, CACHE_LINE, "\20", 1, &written));
}

static void write_check(mach_port_t config)
{
    char before = (char)byte_read(config, CACHE_LINE), after = (char)(before ^ 0x10);
    vm_size_t written = 0;

    if (!check_equal("pci_conf_write", KERN_SUCCESS,
                     pci_conf_write(config, CACHE_LINE, &after, 1, &written)))
        return;
    check_equal("pci_conf_write: bytes", 1, written);
    check_equal("what was written", (unsigned char)after, byte_read(config, CACHE_LINE));
    pci_conf_write(config, CACHE_LINE, &before, 1, &written);
}

static uint32_t crc_make(const unsigned char *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Its end once more, from where it says that it is. */
static void end_check(mach_port_t file, const unsigned char *bytes, size_t size)
{
    enum { END = 6 };
    hurd_data_t data = NULL;
    mach_msg_type_number_t length = 0;
    int64_t position = 0;

    check_equal("io_seek", KERN_SUCCESS, io_seek(file, WAIT_MS, -END, 2, &position));
    check_equal("io_seek: position", (int64_t)size - END, position);
    if (check_equal("io_read of the end", KERN_SUCCESS,
                    io_read(file, WAIT_MS, &data, &length, -1, PAGE))) {
        if (check_equal("io_read of the end: bytes", END, length))
            check_equal("the end", 0, memcmp(data, bytes + size - END, END));
        memory_pages_free(data, length);
    }
    if (check_equal("io_read at the end", KERN_SUCCESS,
                    io_read(file, WAIT_MS, &data, &length, -1, PAGE)))
        check_equal("io_read at the end: bytes", 0, length);
    check_refused("io_read past the end",
                  io_read(file, WAIT_MS, &data, &length, (int64_t)size + 1, 1));
    check_refused("io_seek before the start", io_seek(file, WAIT_MS, -1, 0, &position));
}

/* All of it in one read, as libpciaccess does it, and then it answers no more than before. */
static void rom_read(mach_port_t function, mach_port_t config, unsigned id, size_t size)
{
    mach_port_t file = look_up(function, "rom");
    hurd_data_t data = NULL;
    mach_msg_type_number_t length = 0;
    unsigned char command = byte_read(config, COMMAND);
    kern_return_t code = io_read(file, WAIT_MS, &data, &length, -1, size);

    if (code == HURD_EBUSY) {
        check_note("the rom of %04x:%04x has %zu bytes, and a driver", id & 0xffff, id >> 16, size);
    } else if (check_equal("io_read of a rom", KERN_SUCCESS, code) &&
               check_equal("io_read of a rom: bytes", (int64_t)size, length)) {
        check_note("the rom of %04x:%04x has %zu bytes, crc %08x", id & 0xffff, id >> 16, size,
                   crc_make((const unsigned char *)data, size));
        end_check(file, (const unsigned char *)data, size);
    }
    if (code == KERN_SUCCESS)
        memory_pages_free(data, length);
    check_equal("the command register after it", command, byte_read(config, COMMAND));
    check_equal("a rom that answers", 0,
                byte_read(config, byte_read(config, HEADER) & 0x7f ? BRIDGE_ROM : ROM) & 1);
    port_release(file);
}

static void rom_check(mach_port_t function, mach_port_t config)
{
    static hurd_string_t rest;
    struct hurd_pci_rom rom;
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    mach_port_t file = MACH_PORT_NULL;
    uint32_t id = 0, retry = 0;

    for (int i = 0; i < 4; i++)
        id |= (uint32_t)byte_read(config, i) << 8 * i;
    if (!check_equal("pci_get_dev_rom", KERN_SUCCESS, pci_get_dev_rom(config, &data, &size)) ||
        !check_equal("pci_get_dev_rom: bytes", sizeof(rom), size))
        return;
    memcpy(&rom, data, sizeof(rom));
    memory_pages_free(data, size);
    if (rom.size != 0)
        rom_read(function, config, id, rom.size);
    else
        check_refused("dir_lookup of no rom",
                      dir_lookup(function, WAIT_MS, "rom", 0, 0, &retry, rest, &file));
}

/* The same bytes by a file's interface. */
static void config_read_check(mach_port_t config)
{
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;

    if (!check_equal("io_read of config", KERN_SUCCESS,
                     io_read(config, WAIT_MS, &data, &size, 0, PAGE)))
        return;
    if (check_equal("io_read of config: bytes", 256, size))
        check_equal("io_read of config: class", byte_read(config, CLASS_BASE),
                    (unsigned char)data[CLASS_BASE]);
    memory_pages_free(data, size);
}

static void function_check(mach_port_t function)
{
    mach_port_t config = look_up(function, "config");
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    uint16_t vendor = 0xffff;

    if (check_equal("pci_conf_read", KERN_SUCCESS, pci_conf_read(config, 0, &data, &size, 2))) {
        if (check_equal("pci_conf_read: bytes", sizeof(vendor), size))
            memcpy(&vendor, data, sizeof(vendor));
        memory_pages_free(data, size);
        check_true(vendor != 0 && vendor != 0xffff, "vendor id", "one");
    }
    if (check_equal("pci_get_dev_regions", KERN_SUCCESS,
                    pci_get_dev_regions(config, &data, &size))) {
        check_equal("pci_get_dev_regions: bytes", 6 * sizeof(struct hurd_pci_region), size);
        memory_pages_free(data, size);
    }
    driven_check(config);
    config_read_check(config);
    rom_check(function, config);
    port_release(config);
}

/* How many functions are in it. */
static unsigned directory_check(mach_port_t directory, unsigned level)
{
    struct hurd_directory_entry entry;
    unsigned functions = 0;
    char name[32];

    if (level == LEVELS) {
        function_check(directory);
        return 1;
    }
    for (int i = 0; entry_read(directory, i, &entry, name); i++) {
        if (name[0] == '.' || entry.type != HURD_ENTRY_DIRECTORY)
            continue;
        mach_port_t below = look_up(directory, name);
        functions += directory_check(below, level + 1);
        port_release(below);
    }
    return functions;
}

static void refusals_check(mach_port_t bus, bool confined)
{
    static hurd_string_t rest;
    mach_port_t host_bridge = look_up(bus, "0000/00/00/0"), other = MACH_PORT_NULL;
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    vm_size_t written = 0;
    uint32_t retry = 0;
    int amount = 0;

    check_refused("dir_lookup of no function",
                  dir_lookup(bus, WAIT_MS, "0000/00/1e/7", 0, 0, &retry, rest, &other));
    check_refused("dir_readdir of what is before the first",
                  dir_readdir(bus, WAIT_MS, &data, &size, -1, 1, 0, &amount));
    check_refused("pci_conf_read of a bus", pci_conf_read(bus, 0, &data, &size, 4));
    check_refused("pci_conf_read past the end", pci_conf_read(host_bridge, 250, &data, &size, 8));
    if (confined) {
        check_refused("pci_conf_write of the command",
                      pci_conf_write(host_bridge, COMMAND, "\7", 1, &written));
        check_refused("pci_conf_write past the end",
                      pci_conf_write(host_bridge, 255, "\0\0", 2, &written));
        write_check(host_bridge);
    }
    port_release(host_bridge);
}

void pci_check(mach_port_t master, bool confined)
{
    mach_port_t bus = MACH_PORT_NULL;
    mach_msg_type_number_t count = 0;

    if (!check_equal("device_open of pci", D_SUCCESS, device_open(master, D_READ, "pci", &bus)))
        return;
    mach_port_t root = look_up(bus, ".");
    if (check_equal("pci_get_ndevs", KERN_SUCCESS, pci_get_ndevs(root, &count)) &&
        check_true(count > 0, "PCI functions", "more than none"))
        check_equal("functions in the tree", count, directory_check(root, 0));
    refusals_check(root, confined);
    port_release(root);
    port_release(bus);
}
