/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmocka wants these before it.
 */
#ifndef TEST_UNIT_CMOCKA_H
#define TEST_UNIT_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
