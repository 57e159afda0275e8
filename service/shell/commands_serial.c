/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Serial ports: how they are, and bytes out of and into them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sha2.h>

#include <interface/serial.h>

#include <kit/client/stream.h>
#include <kit/clock.h>

#include "console.h"
#include "shell.h"

enum { CONTROL_LIMIT = 2000, DRAIN_LIMIT = 60000, LINES_MAX = 1000000, BYTES_MAX = 16 << 20 };

/* "speed=9600", "format=7E2", "flow=rts"; whatever else is not for here. */
static bool setting_parse(const char *word, struct serial_settings *settings)
{
    static const char parities[] = "NOEMS";
    static const char *const flows[] = {"none", "rts", "xon"};
    uint64_t speed;

    if (strncmp(word, "speed=", 6) == 0 && shell_number(word + 6, &speed) && speed <= UINT32_MAX) {
        settings->speed = (uint32_t)speed;
        return true;
    }
    if (strncmp(word, "format=", 7) == 0 && strlen(word) == 10) {
        const char *parity = strchr(parities, word[8]);
        if (!parity || !isdigit((unsigned char)word[7]) || !isdigit((unsigned char)word[9]))
            return false;
        settings->data_bits = (uint8_t)(word[7] - '0');
        settings->parity = (uint8_t)(parity - parities);
        settings->stop_bits = (uint8_t)(word[9] - '0');
        return true;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (strncmp(word, "flow=", 5) == 0 && strcmp(word + 5, flows[i]) == 0) {
            settings->flow = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/* Open words[1] with the settings from words[first] on. */
static int open_set(unsigned count, char **words, unsigned first, struct stream_client **client)
{
    struct serial_settings settings = {115200, 8, 1, SERIAL_PARITY_NONE, SERIAL_FLOW_NONE};
    uint8_t data[STREAM_DATA];
    size_t size = sizeof(settings);

    for (unsigned i = first; i < count; i++) {
        if (!setting_parse(words[i], &settings))
            return SHELL_USAGE;
    }
    int error = stream_client_open(words[1], client);
    if (error != 0)
        return shell_complain(words[0], words[1], error);
    memcpy(data, &settings, sizeof(settings));
    error = stream_client_control(*client, SERIAL_CODE_SET, 0, true, data, &size, CONTROL_LIMIT);
    if (error == 0)
        return 0;
    stream_client_close(*client);
    return shell_complain(words[0], "settings", error);
}

static int status_get(struct stream_client *client, struct serial_status *status)
{
    uint8_t data[STREAM_DATA];
    size_t size = 0;
    int error = stream_client_control(client, SERIAL_CODE_STATUS, STREAM_NOW, false, data, &size,
                                      CONTROL_LIMIT);

    if (error == 0 && size != sizeof(*status))
        error = EPROTO;
    if (error == 0)
        memcpy(status, data, sizeof(*status));
    return error;
}

static int device_print(const char *name)
{
    struct stream_client *client;
    struct serial_status s;
    int error = stream_client_open(name, &client);

    if (error == EBUSY) {
        console_print("%s: in use\n", name);
        return 0;
    }
    if (error != 0)
        return shell_complain("serial", name, error);
    error = status_get(client, &s);
    if (error == 0) {
        console_print("%s: %s, FIFO of %u, %u bit/s%s%s%s%s\n", name,
                      stream_client_info(client)->model, s.fifo, s.speed,
                      s.signals & SERIAL_CTS ? ", CTS" : "", s.signals & SERIAL_DSR ? ", DSR" : "",
                      s.signals & SERIAL_DCD ? ", DCD" : "", s.signals & SERIAL_RI ? ", RI" : "");
        console_print(
            "    received %u bytes, sent %u; %u overruns, %u framing and %u parity errors, "
            "%u breaks; %u interrupts\n",
            s.received, s.sent, s.overruns, s.framing_errors, s.parity_errors, s.breaks,
            s.interrupts);
    }
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("serial", name, error);
}

static int serial_run(unsigned count, char **words)
{
    if (count > 2)
        return SHELL_USAGE;
    return count == 2 ? device_print(words[1]) : shell_each_device("serial", device_print);
}

/* Numbered lines, so that whoever gets them sees what is missing. A line that is in doubt is not
 * sent again, so that none comes twice. */
static int lines_send(struct stream_client *client, unsigned lines, unsigned *doubtful)
{
    *doubtful = 0;
    for (unsigned i = 0; i < lines; i++) {
        char line[40];
        size_t written;
        int length = snprintf(line, sizeof(line), "line %06u abcdefghijklmnopqr\n", i);
        int error = stream_client_write(client, line, (size_t)length, DRAIN_LIMIT, &written);
        if (error == ECONNRESET)
            ++*doubtful;
        else if (error != 0)
            return error;
    }
    return 0;
}

/* Wait until all is out. A driver that dies over it is asked again when it is back. */
static int drain(struct stream_client *client)
{
    uint8_t data[STREAM_DATA];
    int error;

    do {
        size_t size = 0;
        error =
            stream_client_control(client, STREAM_CODE_DRAIN, 0, false, data, &size, DRAIN_LIMIT);
    } while (error == ECONNRESET);
    return error;
}

static int send_run(unsigned count, char **words)
{
    struct stream_client *client;
    uint64_t lines = 0;
    size_t size = 0;
    unsigned doubtful = 0;

    if (count < 3)
        return SHELL_USAGE;
    bool is_text = !shell_number(words[2], &lines);
    if (lines > LINES_MAX)
        return SHELL_USAGE;
    int status = open_set(count, words, 3, &client);
    if (status != 0)
        return status;
    uint64_t start = clock_now();
    int error = is_text
                    ? stream_client_write(client, words[2], strlen(words[2]), DRAIN_LIMIT, &size)
                    : lines_send(client, (unsigned)lines, &doubtful);
    if (error == 0)
        error = drain(client);
    console_print("%s: sent in %llu us", words[1],
                  (unsigned long long)((clock_now() - start) / 1000));
    if (stream_client_recoveries(client) > 0)
        console_print(", %u drivers died, %u lines are in doubt", stream_client_recoveries(client),
                      doubtful);
    console_print("\n");
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("serial-send", words[1], error);
}

static void bytes_show(const uint8_t *bytes, size_t length, unsigned flags)
{
    for (size_t i = 0; i < length; i++) {
        if (i + 1 == length && (flags & STREAM_BREAK))
            console_print("<break>");
        else if (bytes[i] == '\n' || (bytes[i] >= ' ' && bytes[i] < 127))
            console_print("%c", bytes[i]);
        else
            console_print("\\x%02x", bytes[i]);
    }
    if (flags & STREAM_OVERRUN)
        console_print("<overrun>");
    if (flags & STREAM_FRAMING)
        console_print("<framing>");
    if (flags & STREAM_PARITY)
        console_print("<parity>");
}

/* Until so many bytes have come, or none for so long. Few are shown, many summed up. */
static int receive(struct stream_client *client, size_t wanted, unsigned milliseconds, bool show)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char sum[2 * SHA256_DIGEST_LENGTH + 1];
    size_t got = 0, length;
    unsigned flags, breaks = 0, overruns = 0;
    SHA2_CTX context;
    int error = 0;

    SHA256Init(&context);
    while (got < wanted && error == 0) {
        uint8_t bytes[4096];
        size_t most = wanted - got < sizeof(bytes) ? wanted - got : sizeof(bytes);
        error = stream_client_read(client, bytes, most, milliseconds, &length, &flags);
        if (error == ECONNRESET)
            error = 0;
        SHA256Update(&context, bytes, length);
        got += length;
        breaks += flags & STREAM_BREAK ? 1 : 0;
        overruns += flags & STREAM_OVERRUN ? 1 : 0;
        if (show)
            bytes_show(bytes, length, flags);
    }
    SHA256Final(digest, &context);
    for (unsigned i = 0; i < sizeof(digest); i++)
        snprintf(sum + 2 * i, 3, "%02x", digest[i]);
    console_print("%s%zu bytes, %u breaks, %u overruns, %u drivers died, sha256 %s\n",
                  show ? "\n" : "", got, breaks, overruns, stream_client_recoveries(client), sum);
    return error == ETIMEDOUT ? 0 : error;
}

static int receive_run(unsigned count, char **words)
{
    struct stream_client *client;
    uint64_t wanted, milliseconds;

    bool asks = count > 4 && strncmp(words[4], "send=", 5) == 0;

    if (count < 4 || !shell_number(words[2], &wanted) || !shell_number(words[3], &milliseconds) ||
        wanted > BYTES_MAX || milliseconds > DRAIN_LIMIT)
        return SHELL_USAGE;
    int status = open_set(count, words, asks ? 5 : 4, &client);
    if (status != 0)
        return status;
    size_t written = 0;
    int error = asks ? stream_client_write(client, words[4] + 5, strlen(words[4] + 5), DRAIN_LIMIT,
                                           &written)
                     : 0;
    if (error == 0)
        error = receive(client, (size_t)wanted, (unsigned)milliseconds, wanted <= 256);
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("serial-receive", words[1], error);
}

static int break_run(unsigned count, char **words)
{
    struct stream_client *client;
    uint64_t milliseconds;
    uint8_t data[STREAM_DATA];
    size_t size = sizeof(struct serial_break);

    if (count != 3 || !shell_number(words[2], &milliseconds) || milliseconds > 10000)
        return SHELL_USAGE;
    int status = open_set(2, words, 2, &client);
    if (status != 0)
        return status;
    memcpy(data, &(struct serial_break){(uint32_t)milliseconds}, size);
    int error = stream_client_control(client, SERIAL_CODE_BREAK, 0, false, data, &size,
                                      (unsigned)milliseconds + CONTROL_LIMIT);
    stream_client_close(client);
    return error == 0 ? 0 : shell_complain("serial-break", words[1], error);
}

const struct command commands_serial[] = {
    {"serial", "[DEVICE]", "serial ports: chip, signals and counters", serial_run},
    {"serial-send", "DEVICE TEXT|LINES [SETTING...]", "send; speed=9600 format=8N1 flow=rts|xon",
     send_run},
    {"serial-receive", "DEVICE BYTES MILLISECONDS [send=TEXT] [SETTING...]",
     "read, until none comes for so long", receive_run},
    {"serial-break", "DEVICE MILLISECONDS", "hold the line", break_run},
    {0},
};
