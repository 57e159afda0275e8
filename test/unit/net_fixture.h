/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network driver on the model host, whose device is at one end of a wire, and a client of it with
 * buffers for frames both ways.
 */
#ifndef TEST_UNIT_NET_FIXTURE_H
#define TEST_UNIT_NET_FIXTURE_H

#include <host/model/model.h>
#include <host/model/wire.h>
#include <kit/clock.h>
#include <kit/core/net_client.h>
#include <kit/driver.h>

#include <test/unit/cmocka.h>

enum { NET_TEST_SEND = 16384, NET_TEST_RECEIVE = 1 << 19, NET_TEST_STATUSES = 5 };
#define A_WHILE (10 * CLOCK_MILLISECOND) /* enough for what is under way to end */

struct net_test {
    struct model_wire *wire;
    struct net_client *client;
    /* Of one buffer: NET_TEST_SEND bytes to send from, behind them those to receive into. */
    uint8_t *memory;
    uint32_t buffer;
    unsigned sent[NET_TEST_STATUSES], received[NET_TEST_STATUSES]; /* by status */
    uint32_t length;                                               /* of the last received */
    uint8_t flags, first, last; /* and its flags, and the ends of its data */
    unsigned posted;            /* buffers, each in a place of its own as far as there are any */
};

extern struct device *device;
extern struct net_test test;

/* For a test's setup: a machine with a model device of that name, not attached yet. */
void net_test_setup(struct model_device *model, struct model_wire *wire, const char *name);

/* cmocka's teardown: no rule may have been broken. */
int net_test_teardown(void **state);

/* Attach, and open what the driver offers. */
void net_test_begin(void);
void net_test_open(void);
void net_test_close(void);

/* What the driver says of its device, whose address is the models'. */
void net_test_expect_info(uint32_t max_frame, uint32_t receive_size, uint32_t flags);

/* Turns, and calls back. */
void net_test_run(uint64_t nanoseconds);

/* Submit without waiting. */
void net_test_send(uint32_t length, unsigned count);
void net_test_receive(uint32_t length, unsigned count);

/* So many frames come from the wire, and a while goes by. */
void net_test_arrive(unsigned count);

struct net_state net_test_state(void);

/* One frame of that length goes out, or comes into a buffer posted before, and is what it was. */
void net_test_goes_out(uint32_t length);
void net_test_comes_in(uint32_t length);

/* A session that leaves frames and buffers in the device: nobody else is let in while it lasts, nor
 * until `reset` later; nothing is written any more that was its. Another is open then, and works.
 */
void net_test_session_after_another(uint32_t room, uint64_t reset);

/* The driver ends itself, some time after frames are sent; or after the session is closed. */
void net_test_sending_ends_driver(void);
void net_test_closing_ends_driver(void);

#endif
