/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter's sessions with its disks, one of which waits for the next client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/block_client.h>
#include <kit/core/block_client.h>
#include <service/integrity/checksum.h>
#include <service/integrity/sessions.h>
#include <test/unit/cmocka.h>

struct opened {
    struct block_client client; /* first; of it only `info` is used */
    unsigned disk;
    bool gone, busy, joined, doubts;
    unsigned char *memory;
};

static struct {
    struct filter filter;
    struct block_info disk[FILTER_DISKS];
    int error[FILTER_DISKS]; /* of the next ones to be opened */
    bool read_only;
    unsigned opened, open; /* sessions with the disks, ever and now */
    unsigned refused,
        refused_most; /* drivers that offer another disk; after so many it is again the first one */
} t;

static struct opened *opened_of(const struct block_client *client)
{
    return (struct opened *)client;
}

int block_client_open(const char *name, bool write, struct block_client **result)
{
    unsigned disk = strcmp(name, "disk1") == 0;

    if (t.error[disk] != 0)
        return t.error[disk];
    if (write && t.read_only)
        return EROFS;
    struct opened *opened = calloc(1, sizeof(*opened));
    opened->disk = disk;
    opened->client.info = t.disk[disk];
    t.opened++;
    t.open++;
    *result = &opened->client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    t.open--;
    free(opened_of(client)->memory);
    free(client);
}

void block_client_refuse(struct block_client *client, const char *reason)
{
    assert_non_null(reason);
    t.refused++;
    if (t.refused == t.refused_most)
        t.disk[opened_of(client)->disk].serial[0] = 'a';
    block_client_close(client);
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct opened *opened = opened_of(client);

    if (!opened->doubts && t.filter.options.sample != 0) { /* the first one */
        assert_int_equal(size, BLOCK_DOUBT_SIZE);
        *buffer = 8;
        return 0;
    }
    assert_int_equal(size, FILTER_MEMORY);
    assert_null(opened->memory);
    *memory = opened->memory = calloc(1, size);
    *buffer = 10 + opened->disk;
    return 0;
}

bool block_client_must_keep(const struct block_client *client)
{
    return client->info.flags & BLOCK_INFO_VOLATILE_CACHE;
}

void block_client_doubt(struct block_client *client, uint32_t buffer)
{
    assert_int_equal(buffer, 8);
    opened_of(client)->doubts = true;
}

int block_client_join_loop(struct block_client *client)
{
    opened_of(client)->joined = true;
    return 0;
}

void block_client_send_at_once(struct block_client *client)
{
    assert_true(opened_of(client)->joined);
}

bool block_client_is_gone(const struct block_client *client)
{
    return opened_of(client)->gone;
}

bool block_client_is_at_rest(const struct block_client *client)
{
    return !opened_of(client)->busy;
}

bool disk_is_there(const struct filter *filter, unsigned disk)
{
    return disk < filter->disk_count && !filter->disk[disk].dropped;
}

unsigned disks_there(const struct filter *filter)
{
    return (unsigned)disk_is_there(filter, 0) + disk_is_there(filter, 1);
}

void disk_drop(struct filter *filter, unsigned disk, const char *why)
{
    assert_non_null(why);
    filter->disk[disk].dropped = true;
}

void filter_session_init(struct filter_session *session, struct filter *filter)
{
    session->filter = filter;
    pages_init(&session->pages);
}

static void begin(unsigned disks)
{
    struct block_info info[FILTER_DISKS];

    memset(&t, 0, sizeof(t));
    t.filter.disk_count = disks;
    t.filter.options.sample = 8;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        t.disk[disk] = (struct block_info){
            .flags = BLOCK_INFO_VOLATILE_CACHE, .blocks = 1000, .serial = {'a' + (char)disk}};
    assert_int_equal(sessions_begin(&t.filter, info), 0);
    for (unsigned disk = 0; disk < disks; disk++)
        assert_memory_equal(&info[disk], &t.disk[disk], sizeof(info[disk]));
    assert_int_equal(sessions_join(&t.filter), 0);
    assert_int_equal(t.opened, disks);
}

static struct filter_session *take(void)
{
    struct filter_session *session;

    assert_int_equal(sessions_take(&t.filter, &session), 0);
    assert_ptr_equal(session->filter, &t.filter);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        assert_int_equal(session->client[disk] != NULL, disk_is_there(&t.filter, disk));
        if (!session->client[disk])
            continue;
        assert_true(opened_of(session->client[disk])->joined &&
                    opened_of(session->client[disk])->doubts);
        assert_ptr_equal(session->memory[disk], opened_of(session->client[disk])->memory);
        assert_int_equal(session->memory_id[disk], 10 + disk);
    }
    return session;
}

/* What is kept is given up, so that the next test begins with nothing. */
static void end(void)
{
    struct filter_session *session = take();

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (session->client[disk])
            opened_of(session->client[disk])->gone = true;
    }
    sessions_give(session);
    assert_int_equal(t.open, 0);
}

static void one_is_ready_for_the_first_and_the_next(void **state)
{
    (void)state;
    for (unsigned disks = 1; disks <= FILTER_DISKS; disks++) {
        begin(disks);
        struct filter_session *first = take();
        assert_int_equal(t.opened, disks);
        sessions_give(first);
        sessions_tidy();
        assert_ptr_equal(take(), first);
        assert_int_equal(t.opened, disks);
        sessions_give(first);
        end();
    }
}

static void one_is_kept_of_many(void **state)
{
    struct filter_session *session[SESSIONS_MAX], *none;

    (void)state;
    begin(2);
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        session[i] = take();
    assert_int_equal(sessions_take(&t.filter, &none), EMFILE);
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        sessions_give(session[i]);
    assert_int_equal(t.open, 2);
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        session[i] = take();
    assert_int_equal(sessions_take(&t.filter, &none), EMFILE);
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        sessions_give(session[i]);
    end();
}

static void nothing_of_a_clients_is_left(void **state)
{
    struct pages all;

    (void)state;
    begin(2);
    struct filter_session *session = take();
    int first = pages_take(&session->pages, PAGES_RUN), second = pages_take(&session->pages, 3);
    assert_true(first >= 0 && second >= 0);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        memset(session->memory[disk] + (size_t)first * PAGES_SIZE, 0xaa, PAGES_RUN * PAGES_SIZE);
        memset(session->memory[disk] + (size_t)second * PAGES_SIZE, 0xbb, 3 * PAGES_SIZE);
    }
    pages_give(&session->pages, (unsigned)first, PAGES_RUN);
    pages_give(&session->pages, (unsigned)second, 3);
    session->buffer_count = 2;
    session->buffer[1] = (struct filter_buffer){session->memory[0], 4096};
    sessions_give(session);
    assert_ptr_equal(take(), session);
    static const unsigned char zeroes[FILTER_MEMORY];
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        assert_memory_equal(session->memory[disk], zeroes, FILTER_MEMORY);
    assert_int_equal(session->buffer_count, 0);
    assert_null(session->buffer[1].memory);
    pages_init(&all);
    assert_memory_equal(&session->pages, &all, sizeof(all));
    sessions_give(session);
    end();
}

/* Something is kept of it, or one of its disks has not come back. */
static void what_is_not_at_rest_is_not_kept(void **state)
{
    (void)state;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        begin(2);
        struct filter_session *session = take();
        opened_of(session->client[disk])->busy = true;
        sessions_give(session);
        assert_int_equal(t.open, 0);
        session = take();
        assert_int_equal(t.opened, 4);
        opened_of(session->client[disk])->gone = true;
        sessions_give(session);
        assert_int_equal(t.open, 0);
        end();
    }
}

static void a_disk_that_goes_takes_what_waits_with_it(void **state)
{
    struct filter_session *session;

    (void)state;
    begin(1);
    session = take();
    struct block_client *client = session->client[0];
    sessions_give(session);
    opened_of(client)->gone = true;
    sessions_tidy();
    assert_int_equal(t.open, 0);
    t.disk[0].serial[0] = 'x'; /* and another one has come, or its driver says so */
    t.refused_most = 2;
    sessions_give(take());
    assert_int_equal(t.refused, 2);
    assert_int_equal(t.opened, 4);

    session = take();
    opened_of(session->client[0])->gone = true;
    sessions_give(session);
    t.disk[0].serial[0] = 'x'; /* it stays so */
    t.refused_most = 0;
    assert_int_equal(sessions_take(&t.filter, &session), ENODEV);
    assert_int_equal(t.refused, 4);
    assert_int_equal(t.open, 0);
    t.disk[0].serial[0] = 'a';
    end();
}

static void it_is_found_gone_when_it_is_taken(void **state)
{
    (void)state;
    begin(2);
    struct filter_session *session = take();
    struct block_client *client = session->client[1];
    sessions_give(session);
    opened_of(client)->gone = true;
    t.error[1] = ENODEV;
    session = take(); /* with the other disk, which take looks at */
    assert_true(t.filter.disk[1].dropped);
    assert_int_equal(t.open, 1);
    sessions_give(session);
    assert_int_equal(t.open, 1);
    end();
}

static void a_disk_that_is_dropped_is_let_go(void **state)
{
    (void)state;
    begin(2);
    struct filter_session *one = take(), *other = take();
    sessions_give(one);
    disk_drop(&t.filter, 0, "a test");
    sessions_tidy();
    assert_int_equal(t.open, 2);
    sessions_give(other); /* it has it still */
    assert_int_equal(t.open, 0);
    one = take();
    assert_int_equal(t.open, 1);
    sessions_give(one);
    assert_int_equal(t.open, 1);
    end();
}

/* What a driver's successor is to write again is at no rest, whoever wrote it. */
static void what_may_be_written_again_is_known(void **state)
{
    (void)state;
    begin(2);
    struct filter_session *one = take(), *other = take();
    assert_false(sessions_may_repeat(0, 1000, NULL));
    struct block_keep *keep = &other->client[1]->keep;
    keep->first = keep->end = UINT32_MAX; /* numbers wrap */
    keep->kept[keep->end++ % BLOCK_KEEP_WRITES] = (struct block_kept){.block = 100, .count = 8};
    keep->kept[keep->end++ % BLOCK_KEEP_WRITES] = (struct block_kept){.block = 500, .count = 1};
    assert_true(sessions_may_repeat(0, 101, NULL));
    assert_true(sessions_may_repeat(107, 1, NULL));
    assert_true(sessions_may_repeat(500, 100, NULL));
    assert_false(sessions_may_repeat(0, 100, NULL));
    assert_false(sessions_may_repeat(108, 392, NULL));
    opened_of(one->client[0])->busy = true; /* another's end does not hide it */
    sessions_give(one);
    assert_true(sessions_may_repeat(0, 1000, NULL));
    t.filter.disk[1].dropped = true; /* nobody cares what it has */
    assert_false(sessions_may_repeat(0, 1000, NULL));
    t.filter.disk[1].dropped = false;
    opened_of(other->client[1])->busy = true;
    sessions_give(other);
    assert_int_equal(t.open, 0);
    assert_false(sessions_may_repeat(0, 1000, NULL));
    end();
}

/* What is there is written again as it is: nothing of it can be wrong meanwhile. */
static void what_was_written_last_may_be_repeated(void **state)
{
    uint32_t sums[2];

    (void)state;
    begin(1);
    t.filter.table = table_create(4);
    struct filter_session *session = take();
    struct block_client *client = session->client[0];
    struct block_keep *keep = &client->keep;
    client->info.block_size = 512;
    keep->memory = calloc(3, 512);
    memset(keep->memory, 5, 512);
    keep->kept[keep->end++] = (struct block_kept){.block = 10, .count = 1, .length = 512};
    keep->kept[keep->end++] = (struct block_kept){10, 2, 512, 1024};
    checksum_blocks(keep->memory + 512, 512, 2, sums);
    table_set(t.filter.table, 10, 2, sums);
    assert_true(sessions_may_repeat(0, 512, t.filter.table)); /* the first, over the second */
    assert_false(sessions_may_repeat(11, 1, t.filter.table));
    assert_true(sessions_may_repeat(11, 1, NULL));
    table_forget(t.filter.table, 10, 1);
    assert_false(sessions_may_repeat(0, 512, t.filter.table)); /* nothing is said of it */
    client->state = BLOCK_CLIENT_KEPT;                         /* it is not there yet */
    assert_true(sessions_may_repeat(0, 512, t.filter.table));
    client->state = BLOCK_CLIENT_RUNNING;
    keep->kept[1].count = FILTER_SUMS + 1;
    assert_true(sessions_may_repeat(11, 1, t.filter.table));
    keep->first = keep->end;
    assert_false(sessions_may_repeat(0, 512, t.filter.table));
    free(keep->memory);
    table_destroy(t.filter.table);
    sessions_give(session);
    end();
}

static void a_driver_that_is_missing_is_known(void **state)
{
    (void)state;
    begin(2);
    struct filter_session *session = take();
    assert_false(sessions_lack_driver());
    session->client[1]->state = BLOCK_CLIENT_LOST;
    assert_true(sessions_lack_driver());
    t.filter.disk[1].dropped = true;
    assert_false(sessions_lack_driver());
    t.filter.disk[1].dropped = false;
    session->client[1]->state = BLOCK_CLIENT_KEPT;
    assert_false(sessions_lack_driver());
    sessions_give(session);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_ready_for_the_first_and_the_next),
        cmocka_unit_test(one_is_kept_of_many),
        cmocka_unit_test(nothing_of_a_clients_is_left),
        cmocka_unit_test(what_is_not_at_rest_is_not_kept),
        cmocka_unit_test(a_disk_that_goes_takes_what_waits_with_it),
        cmocka_unit_test(it_is_found_gone_when_it_is_taken),
        cmocka_unit_test(a_disk_that_is_dropped_is_let_go),
        cmocka_unit_test(what_may_be_written_again_is_known),
        cmocka_unit_test(what_was_written_last_may_be_repeated),
        cmocka_unit_test(a_driver_that_is_missing_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
