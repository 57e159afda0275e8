/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver of the stream class on the model host, and its client.
 */
#ifndef TEST_UNIT_STREAM_FIXTURE_H
#define TEST_UNIT_STREAM_FIXTURE_H

#include <host/model/model.h>
#include <kit/client/stream.h>
#include <kit/clock.h>
#include <kit/driver.h>

#include <test/unit/cmocka.h>

extern struct device *device;
extern struct stream_client *client; /* null: none is open */

/* For a test's setup: a machine with a model device of that name, not attached yet. */
void stream_setup(struct model_device *model, const char *name);

/* cmocka's teardown: no rule may have been broken. */
int stream_teardown(void **state);

/* Attach, and open what the driver offers under its own name. */
void stream_begin(void);

#endif
