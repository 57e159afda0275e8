/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <device/device_types.h>

#include <kernel/device_user.h>

static mach_port_t console;
static bool framed;
static char output[4096];
static size_t output_length;
static char input[IO_INBAND_MAX];
static unsigned input_length, input_next;

void console_start(mach_port_t port)
{
    console = port;
}

void console_flush(void)
{
    size_t sent = 0;

    while (sent < output_length) {
        size_t left = output_length - sent;
        mach_msg_type_number_t piece = left < IO_INBAND_MAX ? (unsigned)left : IO_INBAND_MAX;
        int done = 0;
        if (device_write_inband(console, 0, 0, output + sent, piece, &done) != KERN_SUCCESS ||
            done <= 0)
            break;
        sent += (size_t)done;
    }
    output_length = 0;
}

int console_get(void)
{
    if (input_next == input_length) {
        console_flush();
        input_next = 0;
        mach_msg_type_number_t count = sizeof(input);
        if (device_read_inband(console, 0, 0, sizeof(input), input, &count) != KERN_SUCCESS ||
            count == 0) {
            input_length = 0;
            return -1;
        }
        input_length = count;
    }
    return (unsigned char)input[input_next++];
}

static void byte_put(char byte)
{
    if (output_length == sizeof(output))
        console_flush();
    output[output_length++] = byte;
}

void console_raw(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        byte_put(((const char *)data)[i]);
}

void console_write(const void *data, size_t size)
{
    const char *bytes = data;

    for (size_t i = 0; i < size; i++) {
        if (framed && bytes[i] == CONSOLE_DLE)
            byte_put(CONSOLE_DLE);
        if (!framed && bytes[i] == '\n')
            byte_put('\r');
        byte_put(bytes[i]);
    }
}

void console_print(const char *format, ...)
{
    char text[2048];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0)
        console_write(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void console_frame_begin(void)
{
    console_raw("\x10"
                "B",
                2);
    framed = true;
}

void console_frame_finish(int status)
{
    if (framed)
        console_frame_end(status);
    console_flush();
}

void console_frame_end(int status)
{
    char text[16];

    framed = false;
    int length = snprintf(text, sizeof(text),
                          "\x10"
                          "E%d\n",
                          status);
    console_raw(text, (size_t)length);
    console_flush();
}
