/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-blk driver on the model host, with a model device and clients.
 */
#ifndef TEST_UNIT_VIRTIO_BLK_FIXTURE_H
#define TEST_UNIT_VIRTIO_BLK_FIXTURE_H

#include <host/model/virtio_blk_model.h>
#include <kit/clock.h>
#include <kit/driver.h>

#include <test/unit/client_fixture.h>
#include <test/unit/cmocka.h>

enum { BLK_SECTORS = 16384 };
#define BLK_NAME "virtio-blk0"

extern struct virtio_blk_model model;
extern struct device *device;

/* For cmocka. A device of BLK_SECTORS sectors, not attached yet; afterwards no rule may have been
 * broken. */
int blk_setup(void **state);
int blk_teardown(void **state);
#define BLK_TEST(name) cmocka_unit_test_setup_teardown(name, blk_setup, blk_teardown)

/* Begin again with a device as blk_setup makes it, to attach once more in the same test. */
void blk_again(void);

/* Attach; must succeed. */
void blk_attach(void);

#endif
