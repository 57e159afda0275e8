/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/policy.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

enum { TEXT_SIZE_MAX = 4096 };

static int faults_parse(struct policy *policy, const char *key, const char *value)
{
    if (strcmp(key, "policy") != 0 || (strcmp(value, "log") != 0 && strcmp(value, "stop") != 0))
        return 0;
    policy->faults_stop = strcmp(value, "stop") == 0;
    return 1;
}

static int restart_parse(struct policy *policy, const char *key, const char *value)
{
    size_t length = strspn(value, "0123456789");

    if (length == 0 || length > 6 || value[length] != '\0')
        return 0;
    unsigned number = (unsigned)atoi(value);
    if (strcmp(key, "quick") == 0)
        policy->restart.quick = number;
    else if (strcmp(key, "deaths") == 0)
        policy->restart.deaths = number;
    else if (strcmp(key, "watch") == 0 && number > 0)
        policy->watch = number;
    else if (strcmp(key, "memory") == 0 && number > 0)
        policy->memory = number;
    else if (strcmp(key, "progress") == 0 && number > 0)
        policy->progress = number;
    else
        return 0;
    return 1;
}

static int setting_add(struct policy_setting *settings, unsigned *count, unsigned most,
                       const char *program, const char *text)
{
    struct policy_setting *setting = &settings[*count];

    if (*count == most || strlen(program) >= sizeof(setting->program) ||
        strlen(text) >= sizeof(setting->text))
        return 0;
    strcpy(setting->program, program);
    strcpy(setting->text, text);
    ++*count;
    return 1;
}

static int line_parse(void *context, const char *section, const char *key, const char *value)
{
    struct policy *policy = context;

    if (strcmp(section, "faults") == 0)
        return faults_parse(context, key, value);
    if (strcmp(section, "restart") == 0)
        return restart_parse(context, key, value);
    if (strcmp(section, "settings") == 0)
        return setting_add(policy->setting, &policy->setting_count, POLICY_SETTINGS_MAX, key,
                           value);
    if (strcmp(section, "integrity") == 0)
        return setting_add(policy->filter, &policy->filter_count, POLICY_FILTERS_MAX, key, value);
    if (strcmp(section, "network") == 0)
        return setting_add(policy->mux, &policy->mux_count, POLICY_MUXES_MAX, key, value);
    return 0;
}

const char *policy_settings(const struct policy *policy, const char *program)
{
    for (unsigned i = 0; i < policy->setting_count; i++) {
        if (strcmp(policy->setting[i].program, program) == 0)
            return policy->setting[i].text;
    }
    return "";
}

static const struct policy policy_default = {
    .restart = RESTART_LIMITS_DEFAULT, .watch = 1000, .memory = 64, .progress = 10000};

int policy_parse(const char *text, size_t size, struct policy *policy, char *problem,
                 size_t problem_size)
{
    int line = -1;

    *policy = policy_default;
    char *copy = size <= TEXT_SIZE_MAX && !memchr(text, '\0', size) ? calloc(1, size + 1) : NULL;
    if (copy) {
        memcpy(copy, text, size);
        line = ini_parse_string(copy, line_parse, policy);
        free(copy);
    }
    if (line == 0)
        return 0;
    *policy = policy_default;
    if (line > 0)
        snprintf(problem, problem_size,
                 "line %d: neither [faults] policy = log or stop, [restart] quick, deaths, watch, "
                 "memory or progress = NUMBER, nor [settings] PROGRAM = NAME=NUMBER, nor "
                 "[integrity] NAME = "
                 "DISKS, nor [network] NAME = CARD",
                 line);
    else
        snprintf(problem, problem_size, "this is not a text of at most %d bytes", TEXT_SIZE_MAX);
    return EBADMSG;
}
