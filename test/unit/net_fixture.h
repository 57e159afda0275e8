/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client of a network driver on the model host, with buffers for frames both ways.
 */
#ifndef TEST_UNIT_NET_FIXTURE_H
#define TEST_UNIT_NET_FIXTURE_H

#include <host/model/model.h>
#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/net_client_core.h>

#include <test/unit/cmocka.h>

enum { NET_TEST_STATUSES = 4 };

struct net_test {
    struct net_client *client;
    uint8_t *memory; /* of one buffer: the first half to send from, the second to receive into */
    uint32_t buffer, half;
    unsigned sent[NET_TEST_STATUSES], received[NET_TEST_STATUSES]; /* by status */
    uint32_t length;                                               /* of the last received */
    uint8_t flags;                                                 /* and its flags */
};

void net_test_open(struct net_test *test, const char *name, uint32_t size);
void net_test_close(struct net_test *test);

/* Submit without waiting. */
void net_test_send(struct net_test *test, uint32_t length, unsigned count);
void net_test_receive(struct net_test *test, uint32_t length, unsigned count);

/* Turns, and calls back. */
void net_test_run(struct net_test *test, uint64_t nanoseconds);

#endif
