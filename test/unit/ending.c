/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/ending.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <host/model/model.h>
#include <test/unit/cmocka.h>

enum { WENT_ON = 99, ENDED_OTHERWISE = 98 };

static const char *expected_line;
static uint64_t earliest;

static void check(void)
{
    if (!model_log_has(expected_line) || model_time() < earliest)
        _exit(ENDED_OTHERWISE);
}

void assert_driver_ends_saying(const char *line, uint64_t after, void (*act)(void *context),
                               void *context)
{
    int status;
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        expected_line = line;
        earliest = model_time() + after;
        atexit(check);
        act(context);
        _exit(WENT_ON);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

void assert_driver_ends(void (*act)(void *context), void *context)
{
    assert_driver_ends_saying("", 0, act, context);
}
