/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver on the model host, with a model controller and clients.
 */
#ifndef TEST_UNIT_AHCI_FIXTURE_H
#define TEST_UNIT_AHCI_FIXTURE_H

#include <host/model/ahci_model.h>
#include <kit/clock.h>
#include <kit/driver.h>

#include <test/unit/client_fixture.h>
#include <test/unit/cmocka.h>

enum { AHCI_TEST_SECTORS = 16384 };
#define AHCI_NAME "ahci0p0"

extern struct ahci_model model;
extern struct ahci_model_port *const port; /* the first */
extern struct device *device;

/* For cmocka. A controller with a disk of AHCI_TEST_SECTORS sectors at the first of its ports, not
 * attached yet; afterwards no rule may have been broken. */
int ahci_setup(void **state);
int ahci_teardown(void **state);
#define AHCI_TEST(name) cmocka_unit_test_setup_teardown(name, ahci_setup, ahci_teardown)

/* Begin again with a controller as ahci_setup makes it, to attach once more in the same test. */
void ahci_again(void);

/* Attach; must succeed. */
void ahci_attach(void);

/* From here on: for how long the driver has kept its event loop from running, at most. */
void ahci_silence_watch(void);
uint64_t ahci_silence(void);

/* The disk works: a block is written and read. */
void ahci_check_works(struct test_client *client);

/* Blocks of the disk that cannot be read. */
void bad_set(uint64_t first, uint64_t count);

/* Reads of the first 32 blocks, one each: how many were OK; client_ended has which ended how. */
unsigned batch(struct test_client *client);

#endif
