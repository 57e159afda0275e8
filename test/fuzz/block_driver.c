/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/block_driver.h>

#include <errno.h>

#include <kit/driver.h>

enum { STEPS_MAX = 300, DEVICES = 4, VECTORS = 8 };
#define DATA_ADDRESS UINT64_C(0x567800000000)
#define DATA_APART   UINT64_C(0x10000000)

struct block_request fuzz_request[FUZZ_REQUESTS];
static struct block_segment segments[FUZZ_REQUESTS][BLOCK_PARTS];
static struct block_device *owner[FUZZ_REQUESTS]; /* whose it is while the driver has it */

static struct block_device offered[DEVICES]; /* those with ops */
static struct block_session session[DEVICES];
static unsigned clients;

bool fuzz_request_is_held(unsigned index)
{
    return owner[index];
}

int fuzz_request_find(uint64_t address, uint64_t length)
{
    uint64_t offset = address - DATA_ADDRESS, index = offset / DATA_APART;

    if (address < DATA_ADDRESS || index >= FUZZ_REQUESTS || !owner[index])
        return -1;
    const struct block_request *request = &fuzz_request[index];
    const struct block_segment whole = {request->address, request->length};
    const struct block_segment *part = request->segments ? request->segments : &whole;
    for (unsigned i = 0; i < (request->segments ? request->segment_count : 1); i++) {
        if (address >= part[i].address && address - part[i].address <= part[i].length &&
            length <= part[i].length - (address - part[i].address))
            return (int)index;
    }
    return -1;
}

int block_host_publish(struct device *device, const char *suffix,
                       const struct block_device_limits *limits, const struct block_device_ops *ops,
                       void *context, struct block_device **result)
{
    unsigned place = 0;

    (void)device, (void)suffix;
    while (place < DEVICES && offered[place].ops)
        place++;
    if (place == DEVICES)
        return EEXIST;
    /* The class refuses what cannot be. */
    uint32_t size = limits->block_size;
    if (size < 512 || size > 65536 || (size & (size - 1)) != 0 || limits->max_transfer < size ||
        limits->max_transfer % size != 0 || limits->blocks > UINT64_MAX / size)
        return EINVAL;
    fuzz_require(memchr(limits->serial, '\0', sizeof(limits->serial)));
    fuzz_require(memchr(limits->model, '\0', sizeof(limits->model)));
    offered[place] = (struct block_device){.ops = ops, .context = context, .limits = *limits};
    session[place].device = &offered[place];
    *result = &offered[place];
    return 0;
}

int block_device_moderate(struct block_device *device, const struct moderation *moderation)
{
    return device->ops->gather
               ? device->ops->gather(device->context, moderation->gather, moderation->gather_us)
               : 0;
}

/* What the driver has of it, it gives back as always. */
void block_device_withdraw(struct block_device *device)
{
    fuzz_require(device->ops);
    device->ops = NULL;
}

void block_device_resize(struct block_device *device, uint64_t blocks)
{
    fuzz_require(device->ops && blocks <= UINT64_MAX / device->limits.block_size);
    device->limits.blocks = blocks;
}

void block_request_done(struct block_request *request, enum block_status status)
{
    size_t index = (size_t)(request - fuzz_request);

    fuzz_require(index < FUZZ_REQUESTS && owner[index]);
    fuzz_require(fuzz_device_ends((unsigned)index, status));
    owner[index] = NULL;
}

/* One that is offered, or null. */
static struct block_device *offered_choose(unsigned choice)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        struct block_device *one = &offered[(choice + i) % DEVICES];
        if (one->ops)
            return one;
    }
    return NULL;
}

static enum block_operation operation_choose(const struct block_device_limits *limits,
                                             unsigned choice)
{
    static const struct {
        enum block_operation operation;
        unsigned needs, excludes; /* flags */
    } operations[] = {
        {BLOCK_READ, 0, 0},
        {BLOCK_WRITE, 0, BLOCK_INFO_READ_ONLY},
        {BLOCK_FLUSH, 0, BLOCK_INFO_READ_ONLY},
        {BLOCK_DISCARD, BLOCK_INFO_DISCARD, BLOCK_INFO_READ_ONLY},
        {BLOCK_WRITE_ZEROES, BLOCK_INFO_WRITE_ZEROES, BLOCK_INFO_READ_ONLY},
    };
    unsigned index = choice % (sizeof(operations) / sizeof(operations[0]));

    if ((limits->flags & operations[index].needs) != operations[index].needs ||
        (limits->flags & operations[index].excludes))
        return BLOCK_READ;
    return operations[index].operation;
}

/* Two pieces, the first of so many blocks; both begin and end at pages where the device wants that.
 */
static void scatter(const struct block_device_limits *limits, unsigned index, uint64_t blocks)
{
    struct block_request *request = &fuzz_request[index];
    uint64_t first = blocks * limits->block_size, page = DMA_PAGE_SIZE;

    if (first == 0 || first >= request->length || !(limits->flags & BLOCK_INFO_SCATTER))
        return;
    segments[index][0] = (struct block_segment){request->address, first};
    segments[index][1] =
        (struct block_segment){request->address + 0x1000000 - 512, request->length - first};
    if (limits->flags & BLOCK_INFO_SCATTER_PAGES) {
        segments[index][0].address += page - first % page - request->address % page;
        segments[index][1].address = request->address + 0x1000000 - request->address % page;
    }
    request->address = segments[index][0].address;
    request->segments = segments[index];
    request->segment_count = 2;
}

static void request_make(struct fuzz_input *input, const struct block_device *to, unsigned index,
                         uint8_t choice)
{
    const struct block_device_limits *limits = &to->limits;
    enum block_operation operation = operation_choose(limits, choice >> 2 & 7);
    bool has_data = operation == BLOCK_READ || operation == BLOCK_WRITE;
    uint64_t most = has_data ? limits->max_transfer / limits->block_size : limits->max_blocks;
    uint16_t amount = fuzz_take16(input);
    uint64_t count = operation == BLOCK_FLUSH ? 0 : 1 + amount % most;

    if (count > limits->blocks)
        count = limits->blocks;
    fuzz_request[index] = (struct block_request){
        .operation = operation,
        .block = count == 0 ? 0 : fuzz_take64(input) % (limits->blocks - count + 1),
        .count = (uint32_t)count,
        .client = clients ? amount % clients : 0,
        .silent = to->ops->poll && choice & 0x40,
        .session = &session[to - offered],
    };
    if (!has_data)
        return;
    fuzz_request[index].address = DATA_ADDRESS + index * DATA_APART + (amount >> 12) * 4;
    fuzz_request[index].length = count * limits->block_size;
    if (choice & 2)
        scatter(limits, index, fuzz_take8(input));
}

static void request_start(struct fuzz_input *input)
{
    unsigned index = 0, held = 0;
    uint8_t choice = fuzz_take8(input);
    struct block_device *to = offered_choose(choice & 1);

    while (index < FUZZ_REQUESTS && owner[index])
        index++;
    if (index == FUZZ_REQUESTS || !to || to->limits.blocks == 0)
        return;
    request_make(input, to, index, choice);
    for (unsigned i = 0; i < FUZZ_REQUESTS; i++)
        held += owner[i] != NULL;
    owner[index] = to;
    if (!to->ops->start(to->context, &fuzz_request[index])) {
        /* It is offered again when one of the driver's is done: there has to be one. */
        fuzz_require(owner[index] == to && held > 0);
        owner[index] = NULL;
    }
    if (choice & 0x80 && to->ops && to->ops->kick)
        to->ops->kick(to->context);
}

static void client_add(void)
{
    clients += clients < 8;
}

static void poll(unsigned choice)
{
    const struct block_device *to = offered_choose(choice);

    if (!to)
        return;
    if (to->ops->poll && to->ops->ready(to->context))
        to->ops->poll(to->context);
    if (to->ops && to->ops->kick)
        to->ops->kick(to->context);
}

/* As the class does. */
static void watch(void)
{
    const struct block_device *one = offered_choose(0);
    const char *problem = one ? one->ops->watch(one->context) : NULL;

    if (problem)
        block_give_up(problem);
    fuzz_timer_expire();
}

bool block_stop(uint64_t limit)
{
    bool idle = true;

    (void)limit;
    for (unsigned i = 0; i < DEVICES; i++) {
        if (!offered[i].ops)
            continue;
        if (offered[i].ops->kick)
            offered[i].ops->kick(offered[i].context);
        offered[i].ops->watch(offered[i].context);
    }
    for (unsigned i = 0; i < FUZZ_REQUESTS; i++)
        idle &= !owner[i];
    return idle;
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);

    switch (what & 15) {
    case 0:
        client_add();
        break;
    case 1:
        fuzz_scribble(input);
        break;
    case 2:
        watch();
        break;
    case 3:
        fuzz_timer_expire();
        break;
    case 4:
    case 5:
        fuzz_interrupt((what >> 4) % VECTORS);
        break;
    case 6:
        poll(what >> 4);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        fuzz_device_act(input);
        break;
    default:
        request_start(input);
    }
}

static void run(struct fuzz_input *input)
{
    if (driver.attach(&fuzz_device) != 0)
        return;
    for (unsigned i = 0; i < STEPS_MAX && input->size > 0; i++)
        step(input);
    fuzz_device_mend();
    driver.detach();
    for (unsigned i = 0; i < FUZZ_REQUESTS; i++)
        fuzz_require(!owner[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    fuzz_window_begin();
    memset(owner, 0, sizeof(owner));
    memset(offered, 0, sizeof(offered));
    clients = 0;
    fuzz_device_make(&input);
    fuzz_machine_run(run, &input);
    return 0;
}
