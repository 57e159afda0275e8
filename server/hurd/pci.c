/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus as libpciaccess sees it on the Hurd: a tree of directories (tree.h), at whose end
 * functions are. Configuration space can be read, and be written a little where there is no driver;
 * what a function does is its driver's and the PCI server's business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/bus.h>
#include <interface/hurd/directory_server.h>
#include <interface/hurd/io_server.h>
#include <interface/hurd/pci_server.h>
#include <interface/hurd/types.h>
#include <interface/pci_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>

#include "hurd.h"
#include "tree.h"

enum { CONFIG_SIZE = 256, PAGE = 4096, REGIONS = 6, LIST_SIZE = 2 * PAGE };

/* Behind each port: a place in the tree. */
struct node {
    struct tree_node place;
    mach_port_t port;
    uint64_t position; /* of a file, where it is read next */
};

static boolean_t node_serve(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return pci_server(request, reply) || directory_server(request, reply) ||
           io_server(request, reply);
}

static void node_no_senders(void *context)
{
    struct node *node = context;

    port_destroy(node->port);
    free(node);
}

static const struct port_type node_type = {
    .name = "pci", .serve = node_serve, .no_senders = node_no_senders};

static int node_create(const struct tree_node *place, mach_port_t *result)
{
    struct node *node = calloc(1, sizeof(*node));
    int error = node ? port_create(&node_type, node, &node->port) : ENOMEM;

    if (error != 0) {
        free(node);
        return error;
    }
    node->place = *place;
    *result = port_make_send(node->port);
    return 0;
}

int pci_open(mach_port_t *result)
{
    return node_create(&(struct tree_node){TREE_ROOT, 0, 0}, result);
}

int pci_functions(struct pci_function_info **functions, size_t *count)
{
    mach_msg_type_number_t size;
    mach_port_t bus;
    records_t records;
    int error = startup_capability("pci_bus", &bus); /* it may be another server each time */

    if (error != 0)
        return error;
    error = error_from_kernel(pci_bus_list(bus, &records, &size));
    port_release(bus);
    if (error != 0)
        return error;
    *functions = (struct pci_function_info *)records;
    *count = size / sizeof(**functions);
    return 0;
}

static int compare(const void *one, const void *other)
{
    unsigned first = tree_address(one), second = tree_address(other);

    return (first > second) - (first < second);
}

/* Functions as they are now; until tree_put. */
static int tree_get(struct tree *tree)
{
    struct pci_function_info *functions;
    int error = pci_functions(&functions, &tree->count);

    if (error != 0)
        return error;
    qsort(functions, tree->count, sizeof(functions[0]), compare);
    tree->functions = functions;
    return 0;
}

static void tree_put(const struct tree *tree)
{
    memory_pages_free((void *)tree->functions, tree->count * sizeof(tree->functions[0]));
}

static int function_info(const struct node *node, struct pci_function_info *info)
{
    struct tree tree;
    int error = tree_get(&tree);

    if (error != 0)
        return error;
    error = ENOENT;
    for (size_t i = 0; i < tree.count && error != 0; i++) {
        if (tree_address(&tree.functions[i]) != node->place.address)
            continue;
        *info = tree.functions[i];
        error = 0;
    }
    tree_put(&tree);
    return error;
}

/* A function's directory, or a file in it. */
static struct node *function_of(mach_port_t port)
{
    struct node *node = port_context(port, &node_type);

    return node && node->place.depth >= TREE_FUNCTION ? node : NULL;
}

kern_return_t serve_dir_lookup(mach_port_t port, const_hurd_string_t name, int flags, uint32_t mode,
                               uint32_t *retry, hurd_string_t rest, mach_port_t *result,
                               mach_msg_type_name_t *result_type)
{
    const struct node *node = port_context(port, &node_type);
    struct tree tree;

    (void)flags, (void)mode;
    if (!node)
        return HURD_EOPNOTSUPP;
    struct tree_node place = node->place;
    if (tree_get(&tree) != 0)
        return HURD_EIO;
    bool found = tree_walk(&tree, name, &place);
    tree_put(&tree);
    if (!found)
        return HURD_ENOENT;
    if (node_create(&place, result) != 0)
        return KERN_RESOURCE_SHORTAGE;
    *retry = HURD_RETRY_NORMAL;
    rest[0] = '\0';
    *result_type = MACH_MSG_TYPE_MOVE_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_dir_readdir(mach_port_t port, hurd_data_t *data, mach_msg_type_number_t *size,
                                int first, int most, vm_size_t limit, int *amount)
{
    const struct node *node = port_context(port, &node_type);
    struct tree tree;
    unsigned listed;

    if (!node || node->place.depth == TREE_FILE)
        return HURD_ENOTDIR;
    if (first < 0)
        return HURD_EINVAL;
    if (tree_get(&tree) != 0)
        return HURD_EIO;
    static unsigned char bytes[LIST_SIZE]; /* all functions in one directory have room */
    size_t used = tree_list(&tree, &node->place, (unsigned)first, most, bytes,
                            limit == 0 || limit > LIST_SIZE ? LIST_SIZE : limit, &listed);
    tree_put(&tree);
    void *pages = used ? memory_pages_allocate(used) : NULL;
    if (used && !pages)
        return KERN_RESOURCE_SHORTAGE;
    if (used)
        memcpy(pages, bytes, used);
    *data = pages;
    *size = (mach_msg_type_number_t)used;
    *amount = (int)listed;
    return KERN_SUCCESS;
}

kern_return_t serve_pci_get_ndevs(mach_port_t port, mach_msg_type_number_t *count)
{
    struct pci_function_info *functions;
    size_t found;

    if (!port_context(port, &node_type))
        return HURD_EINVAL;
    if (pci_functions(&functions, &found) != 0)
        return HURD_EIO;
    memory_pages_free(functions, found * sizeof(functions[0]));
    *count = (mach_msg_type_number_t)found;
    return KERN_SUCCESS;
}

/* Bytes of configuration space, inside it. */
static int config_read(uint32_t address, unsigned offset, unsigned size, unsigned char *bytes)
{
    mach_port_t bus;
    int error = startup_capability("pci_bus", &bus);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < size && error == 0; i++) {
        unsigned value = 0;
        error = error_from_kernel(pci_bus_read(bus, address, offset + i, 1, &value));
        bytes[i] = (unsigned char)value;
    }
    port_release(bus);
    return error;
}

kern_return_t serve_pci_conf_read(mach_port_t port, int offset, hurd_data_t *data,
                                  mach_msg_type_number_t *size, vm_size_t amount)
{
    const struct node *function = function_of(port);

    if (!function || offset < 0 || offset > CONFIG_SIZE ||
        amount > (vm_size_t)(CONFIG_SIZE - offset))
        return HURD_EINVAL;
    unsigned char *bytes = amount ? memory_pages_allocate(PAGE) : NULL;
    int error = amount && !bytes ? ENOMEM
                                 : config_read(function->place.address, (unsigned)offset,
                                               (unsigned)amount, bytes);
    if (error != 0) {
        memory_pages_free(bytes, PAGE);
        return HURD_EIO;
    }
    *data = (hurd_data_t)bytes;
    *size = (mach_msg_type_number_t)amount;
    return KERN_SUCCESS;
}

/* The next register of so many bytes: as wide as its place and they allow. */
static unsigned register_width(unsigned offset, unsigned left)
{
    if (left >= 4 && offset % 4 == 0)
        return 4;
    return left >= 2 && offset % 2 == 0 ? 2 : 1;
}

/* Of functions that no driver has, and there what a driver might write: the PCI server decides. */
static int config_write(uint32_t address, unsigned offset, const unsigned char *bytes,
                        unsigned size, unsigned *written)
{
    mach_port_t bus;
    int error = startup_capability("pci_bus", &bus);

    if (error != 0)
        return error;
    for (*written = 0; *written < size;) {
        unsigned width = register_width(offset + *written, size - *written), value = 0;
        memcpy(&value, bytes + *written, width);
        error = error_from_kernel(pci_bus_write(bus, address, offset + *written, width, value));
        if (error != 0)
            break;
        *written += width;
    }
    port_release(bus);
    return error;
}

kern_return_t serve_pci_conf_write(mach_port_t port, int offset, const_hurd_data_t data,
                                   mach_msg_type_number_t size, vm_size_t *amount)
{
    const struct node *function = function_of(port);
    unsigned written = 0;

    if (!function || offset < 0 || offset > CONFIG_SIZE || size > (unsigned)(CONFIG_SIZE - offset))
        return HURD_EINVAL;
    int error = config_write(function->place.address, (unsigned)offset, (const unsigned char *)data,
                             size, &written);
    if (error != 0 && written == 0)
        return error == EPERM || error == EBUSY ? HURD_EPERM : HURD_EIO;
    *amount = written;
    return KERN_SUCCESS;
}

kern_return_t serve_pci_get_dev_regions(mach_port_t port, hurd_data_t *data,
                                        mach_msg_type_number_t *size)
{
    const struct node *function = function_of(port);
    struct pci_function_info info;

    if (!function || function_info(function, &info) != 0)
        return HURD_EIO;
    struct hurd_pci_region *regions = memory_pages_allocate(PAGE);
    if (!regions)
        return KERN_RESOURCE_SHORTAGE;
    for (unsigned i = 0; i < REGIONS; i++) {
        unsigned flags = info.bar[i].flags;
        regions[i] = (struct hurd_pci_region){
            .base = info.bar[i].base,
            .size = info.bar[i].size,
            .flags = (flags & PCI_BAR_PORTS ? HURD_PCI_PORTS : 0) |
                     (flags & PCI_BAR_PREFETCHABLE ? HURD_PCI_PREFETCHABLE : 0) |
                     (flags & PCI_BAR_64 ? HURD_PCI_64 : 0),
        };
    }
    *data = (hurd_data_t)regions;
    *size = REGIONS * sizeof(regions[0]);
    return KERN_SUCCESS;
}

kern_return_t serve_pci_get_dev_rom(mach_port_t port, hurd_data_t *data,
                                    mach_msg_type_number_t *size)
{
    const struct node *function = function_of(port);
    struct pci_function_info info;

    if (!function || function_info(function, &info) != 0)
        return HURD_EIO;
    struct hurd_pci_rom *rom = memory_pages_allocate(PAGE);
    if (!rom)
        return KERN_RESOURCE_SHORTAGE;
    *rom = (struct hurd_pci_rom){.base = info.rom_base, .size = info.rom_size};
    *data = (hurd_data_t)rom;
    *size = sizeof(*rom);
    return KERN_SUCCESS;
}

/* Bytes of a ROM, inside it, in as many parts as the PCI server makes of them. */
static int rom_read(uint32_t address, unsigned offset, unsigned size, unsigned char *bytes)
{
    enum { PART = 64 << 10 };
    mach_port_t bus;
    int error = startup_capability("pci_bus", &bus);

    if (error != 0)
        return error;
    for (unsigned at = 0; at < size && error == 0; at += PART) {
        records_t part;
        mach_msg_type_number_t length = 0;
        unsigned wanted = size - at < PART ? size - at : PART;
        error = error_from_kernel(pci_bus_rom(bus, address, offset + at, wanted, &part, &length));
        if (error == 0)
            memcpy(bytes + at, part, length < wanted ? length : wanted);
        if (error == 0)
            memory_pages_free(part, length);
    }
    port_release(bus);
    return error;
}

/* How long a file is that can be read; regions cannot. */
static kern_return_t file_size(const struct node *node, uint64_t *size)
{
    struct pci_function_info info;

    if (!node || node->place.depth != TREE_FILE)
        return HURD_EINVAL;
    if (node->place.file != TREE_CONFIG && node->place.file != TREE_ROM)
        return HURD_EOPNOTSUPP;
    if (function_info(node, &info) != 0)
        return HURD_EIO;
    *size = node->place.file == TREE_ROM ? info.rom_size : CONFIG_SIZE;
    return KERN_SUCCESS;
}

static kern_return_t file_error(int error)
{
    return error == EBUSY ? HURD_EBUSY : error == ENXIO ? HURD_ENXIO : HURD_EIO;
}

kern_return_t serve_io_read(mach_port_t port, hurd_data_t *data, mach_msg_type_number_t *count,
                            int64_t offset, vm_size_t amount)
{
    struct node *node = port_context(port, &node_type);
    uint64_t size;
    kern_return_t code = file_size(node, &size);

    if (code != KERN_SUCCESS)
        return code;
    uint64_t from = offset == -1 ? node->position : (uint64_t)offset;
    if (from > size) /* a negative one, too */
        return HURD_EINVAL;
    unsigned wanted = (unsigned)(amount < size - from ? amount : size - from);
    unsigned char *bytes = memory_pages_allocate(wanted);
    if (wanted > 0 && !bytes)
        return KERN_RESOURCE_SHORTAGE;
    int error = node->place.file == TREE_ROM
                    ? rom_read(node->place.address, (unsigned)from, wanted, bytes)
                    : config_read(node->place.address, (unsigned)from, wanted, bytes);
    if (error != 0) {
        memory_pages_free(bytes, wanted);
        return file_error(error);
    }
    if (offset == -1)
        node->position = from + wanted;
    *data = (hurd_data_t)bytes;
    *count = wanted;
    return KERN_SUCCESS;
}

kern_return_t serve_io_seek(mach_port_t port, int64_t offset, int whence, int64_t *position)
{
    enum { FROM_START, FROM_HERE, FROM_END }; /* SEEK_SET and so on */
    struct node *node = port_context(port, &node_type);
    uint64_t size;
    kern_return_t code = file_size(node, &size);

    if (code != KERN_SUCCESS)
        return code;
    uint64_t from = whence == FROM_START ? 0 : whence == FROM_HERE ? node->position : size;
    if (whence < FROM_START || whence > FROM_END || from + (uint64_t)offset > size)
        return HURD_EINVAL; /* before the start, too: neither is near what wraps */
    node->position = from + (uint64_t)offset;
    *position = (int64_t)node->position;
    return KERN_SUCCESS;
}
