/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver with a controller that says anything (block_driver.h). Checked besides: commands
 * name memory of their request, all of it and nothing else, or the driver's own; and a request ends
 * only when the controller has said so, or no longer runs.
 */
#include <driver/nvme/nvme.h>
#include <test/fuzz/block_driver.h>

enum { FLIGHT_MAX = 512, ANSWERS = 3, BLOCK_SHIFT = 9, BLOCKS = 1 << 20 };

struct queue {
    uint64_t submissions, completions;
    unsigned entries; /* 0: it is not there */
    unsigned head;    /* the next command */
    unsigned tail, phase;
};

struct flight {
    unsigned queue;
    uint16_t id;
    int request; /* or -1 */
};

static struct queue queues[NVME_QUEUES + 2];
static struct flight flight[FLIGHT_MAX];
static unsigned flight_count;
static bool with_device[FUZZ_REQUESTS];             /* a read or write */
static uint8_t answer[ANSWERS][NVME_IDENTIFY_SIZE]; /* to identify, by CNS */
static bool
    obeys; /* admin commands are carried out at once, and the controller does as it is told */
static bool is_forged; /* it completed what it was not asked for */

static void forget_all(void)
{
    flight_count = 0;
    memset(with_device, 0, sizeof(with_device));
}

static void complete(unsigned index, uint16_t id, unsigned status, uint32_t result)
{
    struct queue *queue = &queues[index];
    struct nvme_completion *entry =
        fuzz_memory(queue->completions + queue->tail * sizeof(*entry), sizeof(*entry));

    if (queue->entries == 0 || !entry)
        return;
    *entry = (struct nvme_completion){
        .result = result,
        .sq_head = (uint16_t)queue->head,
        .sq_id = (uint16_t)index,
        .id = id,
        .status = (uint16_t)(status << 1 | queue->phase),
    };
    if (++queue->tail == queue->entries) {
        queue->tail = 0;
        queue->phase ^= 1;
    }
}

static void flight_end(unsigned place, unsigned status, uint32_t result)
{
    const struct flight *one = &flight[place];

    if (one->request >= 0)
        with_device[one->request] = false;
    complete(one->queue, one->id, status, result);
    flight[place] = flight[--flight_count];
}

/* What the driver asks of it, by the book. */
static void admin_do(const struct nvme_command *command, unsigned place)
{
    unsigned id = command->cdw10 & 0xffff;
    struct queue *queue = &queues[id % NVME_QUEUES]; /* if it is about one */
    void *data = fuzz_memory(command->prp1, NVME_PAGE);
    uint32_t result = 0;

    switch (command->opcode) {
    case NVME_ADMIN_EVENT_REQUEST:
        return;
    case NVME_ADMIN_IDENTIFY:
        fuzz_require(data && command->prp1 % NVME_PAGE == 0);
        memcpy(data, answer[command->cdw10 % ANSWERS], NVME_IDENTIFY_SIZE);
        break;
    case NVME_ADMIN_GET_LOG:
        fuzz_require(data && (command->cdw10 >> 16) * 4 < NVME_PAGE);
        memset(data, 0, ((command->cdw10 >> 16) + 1) * 4);
        break;
    case NVME_ADMIN_SET_FEATURES:
        result = command->cdw11;
        break;
    case NVME_ADMIN_CREATE_CQ:
        fuzz_require(id > 0 && id < NVME_QUEUES && data && command->cdw11 & NVME_QUEUE_CONTIGUOUS);
        *queue = (struct queue){.completions = command->prp1, .phase = 1};
        break;
    case NVME_ADMIN_CREATE_SQ:
        fuzz_require(id > 0 && id < NVME_QUEUES && data && queue->completions);
        queue->submissions = command->prp1;
        queue->entries = (command->cdw10 >> 16) + 1;
        break;
    case NVME_ADMIN_DELETE_SQ:
    case NVME_ADMIN_DELETE_CQ:
        fuzz_require(id > 0 && id < NVME_QUEUES);
        queue->entries = 0;
        break;
    default:
        break;
    }
    flight_end(place, NVME_STATUS_SUCCESS, result);
}

/* A piece of a request's memory: which request, once they are all of one. */
static void piece_check(int index, uint64_t address, uint64_t length)
{
    fuzz_require(index >= 0 && fuzz_request_find(address, length) == index);
}

/* 4.3 */
static void pages_check(const struct nvme_command *command, int index, uint64_t left)
{
    uint64_t first = NVME_PAGE - command->prp1 % NVME_PAGE;
    const uint64_t *list = &command->prp2;

    if (left <= first) {
        piece_check(index, command->prp1, left);
        return;
    }
    piece_check(index, command->prp1, first);
    left -= first;
    if (left > NVME_PAGE) {
        size_t pages = (left + NVME_PAGE - 1) / NVME_PAGE;
        fuzz_require(command->prp2 % NVME_PAGE + pages * sizeof(*list) <= NVME_PAGE);
        list = fuzz_memory(command->prp2, pages * sizeof(*list));
        fuzz_require(list);
    }
    for (; left > 0; list++) {
        uint64_t piece = left < NVME_PAGE ? left : NVME_PAGE;
        fuzz_require(*list % NVME_PAGE == 0);
        piece_check(index, *list, piece);
        left -= piece;
    }
}

/* 4.4 */
static void sgl_check(const struct nvme_command *command, int index, uint64_t left)
{
    const struct nvme_sgl *list = fuzz_memory(command->sgl.address, command->sgl.length);

    fuzz_require(command->sgl.type == NVME_SGL_LAST_SEGMENT && list);
    for (unsigned i = 0; i < command->sgl.length / sizeof(*list); i++) {
        fuzz_require(list[i].type == NVME_SGL_DATA && list[i].length <= left);
        piece_check(index, list[i].address, list[i].length);
        left -= list[i].length;
    }
    fuzz_require(left == 0);
}

/* Which request that is, of reads and writes; of others one cannot tell. */
static int io_check(const struct nvme_command *command)
{
    const struct nvme_sgl *list = fuzz_memory(command->sgl.address, sizeof(*list));
    bool is_sgl = command->flags & NVME_PSDT_SGL;

    if (command->opcode == NVME_DATASET)
        fuzz_require(fuzz_memory(command->prp1, sizeof(struct nvme_dataset_range)));
    if (command->opcode != NVME_READ && command->opcode != NVME_WRITE)
        return -1;
    fuzz_require(!is_sgl || list);
    int index = fuzz_request_find(is_sgl ? list->address : command->prp1, 4);
    fuzz_require(index >= 0 && !with_device[index]);
    const struct block_request *request = &fuzz_request[index];
    fuzz_require((request->operation == BLOCK_READ) == (command->opcode == NVME_READ));
    fuzz_require(command->cdw12 + 1 == request->count);
    fuzz_require((command->cdw10 | (uint64_t)command->cdw11 << 32) == request->block);
    if (is_sgl)
        sgl_check(command, index, request->length);
    else
        pages_check(command, index, request->length);
    with_device[index] = true;
    return index;
}

static void commands_take(unsigned index, unsigned tail)
{
    struct queue *queue = &queues[index];

    fuzz_require(queue->entries == 0 || tail < queue->entries);
    while (queue->entries > 0 && queue->head != tail && flight_count < FLIGHT_MAX) {
        const struct nvme_command *at =
            fuzz_memory(queue->submissions + queue->head * sizeof(*at), sizeof(*at));
        fuzz_require(at);
        struct nvme_command command = *at;
        queue->head = queue->head + 1 == queue->entries ? 0 : queue->head + 1;
        if (index > 0 && (fuzz_is_scribbled || is_forged))
            continue; /* not what the driver wrote, or of a request that was ended too early */
        flight[flight_count++] =
            (struct flight){index, command.id, index > 0 ? io_check(&command) : -1};
        if (index == 0 && obeys && !fuzz_is_scribbled)
            admin_do(&command, flight_count - 1);
    }
}

static void configure(uint32_t configuration)
{
    uint32_t sizes = fuzz_window_get(NVME_AQA), status = 0;

    if (configuration & NVME_CC_ENABLE && obeys)
        status = NVME_CSTS_READY;
    if (configuration & NVME_CC_SHUTDOWN_NORMAL && obeys)
        status |= NVME_CSTS_SHUTDOWN_DONE;
    if (!(fuzz_window_get(NVME_CSTS) & NVME_CSTS_READY) && status & NVME_CSTS_READY) {
        fuzz_require(fuzz_device.is_enabled);
        memset(queues, 0, sizeof(queues));
        queues[0] = (struct queue){
            .submissions = fuzz_window_get(NVME_ASQ) | (uint64_t)fuzz_window_get(NVME_ASQ + 4)
                                                           << 32,
            .completions = fuzz_window_get(NVME_ACQ) | (uint64_t)fuzz_window_get(NVME_ACQ + 4)
                                                           << 32,
            .entries = (sizes & 0xfff) + 1,
            .phase = 1,
        };
    }
    fuzz_window_set(NVME_CSTS, status);
}

/* A controller that does not run, or is not there, has none of the requests any more. */
void fuzz_window_was_read(size_t offset, uint64_t value)
{
    if (offset == NVME_CSTS && (value == NVME_CSTS_GONE || !(value & NVME_CSTS_READY)))
        forget_all();
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    unsigned doorbell = (unsigned)(offset - NVME_DOORBELLS) / sizeof(uint32_t);

    (void)width, (void)before;
    if (offset == NVME_CC)
        configure((uint32_t)value);
    else if (offset >= NVME_DOORBELLS && doorbell % 2 == 0 && doorbell / 2 < NVME_QUEUES)
        commands_take(doorbell / 2, (unsigned)value);
}

bool fuzz_device_ends(unsigned index, enum block_status status)
{
    (void)status;
    return is_forged || fuzz_is_scribbled || !with_device[index];
}

static void answer_change(struct fuzz_input *input)
{
    uint16_t where = fuzz_take16(input);

    answer[(where >> 12) % ANSWERS][where % NVME_IDENTIFY_SIZE] = fuzz_take8(input);
}

void fuzz_device_make(struct fuzz_input *input)
{
    struct nvme_identify_namespace *namespace = (void *)answer[NVME_IDENTIFY_NAMESPACE];
    struct nvme_identify_controller *controller = (void *)answer[NVME_IDENTIFY_CONTROLLER];
    uint32_t *active = (void *)answer[NVME_IDENTIFY_ACTIVE];
    uint8_t kind = fuzz_take8(input), changes = fuzz_take8(input);

    forget_all();
    memset(queues, 0, sizeof(queues));
    memset(answer, 0, sizeof(answer));
    is_forged = false;
    obeys = true;
    namespace->size = BLOCKS;
    namespace->lba_format[0].data_shift = BLOCK_SHIFT;
    controller->mdts = kind >> 2 & 7;
    controller->oncs = NVME_ONCS_DATASET | NVME_ONCS_WRITE_ZEROES;
    controller->vwc = 1;
    controller->oaes = NVME_EVENTS_NAMESPACES;
    controller->sgls = kind >> 5 & 1;
    active[0] = 1;
    active[1] = 2;
    fuzz_window_set(NVME_CAP, 1u << 24 | (kind & 0x80 ? 7 : 255));
    fuzz_window_set(NVME_CAP + 4, 1u << 5); /* bit 37 */
    fuzz_device.identity.vectors = 1 + (kind & 3);
    for (unsigned i = 0; i < (changes & 7); i++)
        answer_change(input);
    for (unsigned i = 0; i < (changes >> 3 & 3); i++)
        fuzz_window_override(input, 0x40);
}

void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    unsigned place = flight_count > 0 ? (what >> 3) % flight_count : 0;

    switch (what & 7) {
    case 0: /* anything, for a command or none */
        is_forged = true;
        complete(fuzz_take8(input) % NVME_QUEUES, fuzz_take16(input), fuzz_take16(input),
                 fuzz_take32(input));
        break;
    case 1:
        fuzz_window_override(input, 0x40);
        break;
    case 2:
        fuzz_window.overrides = 0;
        break;
    case 3:
        obeys = what & 8;
        break;
    case 4:
        answer_change(input);
        break;
    case 5:
        if (flight_count > 0)
            flight_end(place, fuzz_take16(input) & 0x7ff, fuzz_take32(input));
        break;
    default:
        if (flight_count > 0)
            flight_end(place, NVME_STATUS_SUCCESS, 0);
    }
}

void fuzz_device_mend(void)
{
    fuzz_window.overrides = 0;
    obeys = true;
}
