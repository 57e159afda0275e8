/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver on the model host, with a model controller and a client.
 */
#ifndef TEST_UNIT_NVME_FIXTURE_H
#define TEST_UNIT_NVME_FIXTURE_H

#include <host/model/nvme_model.h>
#include <kit/client/block.h>
#include <kit/clock.h>
#include <kit/driver.h>

#include <test/unit/client_fixture.h>
#include <test/unit/cmocka.h>

extern struct nvme_model model;
extern struct device *device;
extern bool nvme_is_shadowed; /* controllers offer doorbells in memory, and are asked for them */

/* For cmocka. A controller with one namespace of 16384 blocks of 512 bytes, not attached yet;
 * afterwards no rule may have been broken. */
int nvme_setup(void **state);
int nvme_teardown(void **state);
#define NVME_TEST(name) cmocka_unit_test_setup_teardown(name, nvme_setup, nvme_teardown)

/* Begin again with a controller as nvme_setup makes it, to attach once more in the same test. */
void nvme_again(void);

/* Run a program's tests with controllers of both kinds: how many failed. */
int nvme_run(const struct CMUnitTest *tests, size_t count);
#define NVME_RUN(tests) nvme_run(tests, sizeof(tests) / sizeof((tests)[0]))

/* Attach; must succeed. */
void nvme_attach(void);

#endif
