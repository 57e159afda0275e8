/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pages that are lent to callers. What a message brings from wired memory the kernel copies at
 * once. A page of this memory it copies when it is written here the next time, and only if somebody
 * still has it, which mostly nobody does.
 */
#ifndef SERVICE_DEVICE_LOAN_H
#define SERVICE_DEVICE_LOAN_H

enum { LOAN_SIZE = 4096 };

/* A page with this data, to be sent before the loop's next turn. Null: there is none, or none in
 * this turn. Memory that is wired as a whole has none. */
void *loan_make(const void *data);

/* To be called at the end of each turn. */
void loan_turn(void);

#endif
