/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/ending.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <test/unit/cmocka.h>

void assert_driver_ends(void (*act)(void *context), void *context)
{
    int status;
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        act(context);
        _exit(99); /* it went on */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}
