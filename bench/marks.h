/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What bench/count.c counts between. They are found by name in the executable; what they do is be
 * executed.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

void bench_mark_begin(void);
void bench_mark_end(void);

#endif
