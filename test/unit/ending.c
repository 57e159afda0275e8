/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/ending.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <host/model/model.h>
#include <kit/clock.h>
#include <test/unit/cmocka.h>

/* What becomes of the process, as its status. */
enum { WENT_ON = 99, SAID_OTHERWISE = 98, ENDED_EARLY = 97 };

static const char *expected_line;
static uint64_t earliest;

static void check(void)
{
    if (!model_log_has(expected_line))
        _exit(SAID_OTHERWISE);
    if (model_time() < earliest)
        _exit(ENDED_EARLY);
}

static const char *meaning(int status)
{
    if (!WIFEXITED(status))
        return "was ended by a signal";
    switch (WEXITSTATUS(status)) {
    case WENT_ON:
        return "does not end";
    case SAID_OTHERWISE:
        return "ends and does not say so";
    case ENDED_EARLY:
        return "ends too early";
    case EXIT_FAILURE:
        return NULL;
    default:
        return "ends with another status, or a test within failed";
    }
}

void ending_require(const char *line, uint64_t after, void (*act)(void *context), void *context,
                    const char *file, int at)
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
    if (!meaning(status))
        return;
    print_error("the driver %s: \"%s\" was expected after %llu ms (status %x)\n", meaning(status),
                line, (unsigned long long)(after / CLOCK_MILLISECOND), (unsigned)status);
    _fail(file, at);
}
