/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parport: parallel ports, for printers and what else is connected to them.
 *
 *   port.c       registers, which kind of port it is, bytes by SPP and EPP
 *   ieee1284.c   who is connected
 *   main.c       the device that is offered
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/stream.h>

#include "port.h"

/* How often a printer that is busy is looked at, should it not raise its interrupt. */
#define BUSY_PERIOD (2 * CLOCK_MILLISECOND)

enum { ID_MOST = 4096, EPP_MOST = STREAM_DATA };

static struct {
    struct parport port;
    struct stream_device *stream;
    struct parallel_status counts; /* those fields of it that count */
    struct clock_timer busy;
    size_t id_length;
    uint8_t id[ID_MOST];
} parport;

static void look_again(void *context)
{
    (void)context;
    stream_device_room(parport.stream);
}

static bool interrupt(void *context)
{
    parport.counts.interrupts++;
    look_again(context);
    return true;
}

static unsigned byte_put(uint8_t byte)
{
    if (parport.port.mode == PARALLEL_SPP)
        return parport_put(&parport.port, byte);
    return parport_epp_write(&parport.port, PARPORT_EPP_DATA, byte) ? STREAM_STATUS_OK
                                                                    : STREAM_STATUS_OFFLINE;
}

static unsigned parport_write(void *context, const uint8_t *data, size_t length, size_t *taken)
{
    unsigned status = STREAM_STATUS_OK;

    (void)context;
    *taken = 0;
    while (*taken < length && (status = byte_put(data[*taken])) == STREAM_STATUS_OK)
        ++*taken;
    parport.counts.sent += (uint32_t)*taken;
    if (status == STREAM_PENDING) {
        parport_wait(&parport.port);
        clock_timer_start(&parport.busy, BUSY_PERIOD, look_again, NULL);
    }
    return status;
}

static unsigned status_give(struct stream_request *request)
{
    struct parallel_status status = parport.counts;
    uint8_t lines = parport_settled(&parport.port);

    status.chip = (uint8_t)parport.port.chip;
    status.mode = (uint8_t)parport.port.mode;
    status.signals = (uint8_t)((lines & STATUS_NERROR ? 0 : PARALLEL_ERROR) |
                               (lines & STATUS_SELECT ? PARALLEL_ONLINE : 0) |
                               (lines & STATUS_PAPER_OUT ? PARALLEL_NO_PAPER : 0) |
                               (lines & STATUS_NBUSY ? 0 : PARALLEL_BUSY));
    memcpy(stream_request_reply(request, sizeof(status)), &status, sizeof(status));
    return STREAM_STATUS_OK;
}

/* Read when its beginning is asked for. */
static unsigned id_give(struct stream_request *request)
{
    struct parallel_id wanted;
    int error = 0;

    if (request->length != sizeof(wanted))
        return STREAM_STATUS_INVALID;
    memcpy(&wanted, request->data, sizeof(wanted));
    if (wanted.offset == 0) {
        parport.id_length = 0;
        error = parport_id_read(&parport.port, parport.id, ID_MOST, &parport.id_length);
        if (error != 0 || parport.id_length > ID_MOST)
            parport.id_length = error != 0 ? 0 : ID_MOST;
    }
    if (error != 0)
        return error == ENOTSUP ? STREAM_STATUS_UNSUPPORTED : STREAM_STATUS_FAILED;
    size_t left = wanted.offset < parport.id_length ? parport.id_length - wanted.offset : 0;
    size_t length = left < STREAM_DATA ? left : STREAM_DATA;
    memcpy(stream_request_reply(request, length), parport.id + parport.id_length - left, length);
    return STREAM_STATUS_OK;
}

static unsigned mode_set(struct stream_request *request)
{
    struct parallel_mode_wanted wanted;

    if (request->length != sizeof(wanted))
        return STREAM_STATUS_INVALID;
    memcpy(&wanted, request->data, sizeof(wanted));
    if (wanted.mode > PARALLEL_EPP)
        return STREAM_STATUS_INVALID;
    if (wanted.mode == PARALLEL_EPP && !parport.port.has_epp)
        return STREAM_STATUS_UNSUPPORTED;
    parport.port.mode = (enum parallel_mode)wanted.mode;
    parport_rest(&parport.port);
    return STREAM_STATUS_OK;
}

static unsigned epp_address(struct stream_request *request)
{
    if (parport.port.mode != PARALLEL_EPP)
        return STREAM_STATUS_UNSUPPORTED;
    if (request->length != 1)
        return STREAM_STATUS_INVALID;
    return parport_epp_write(&parport.port, PARPORT_EPP_ADDRESS, request->data[0])
               ? STREAM_STATUS_OK
               : STREAM_STATUS_OFFLINE;
}

static unsigned epp_read(struct stream_request *request)
{
    if (parport.port.mode != PARALLEL_EPP)
        return STREAM_STATUS_UNSUPPORTED;
    if (request->length != 1 || request->data[0] > EPP_MOST)
        return STREAM_STATUS_INVALID;
    size_t length = request->data[0];
    uint8_t *bytes = stream_request_reply(request, length);
    for (size_t i = 0; i < length; i++) {
        if (!parport_epp_read(&parport.port, &bytes[i]))
            return STREAM_STATUS_OFFLINE;
    }
    return STREAM_STATUS_OK;
}

static unsigned parport_request(void *context, struct stream_request *request)
{
    (void)context;
    switch (request->code) {
    case PARALLEL_CODE_STATUS:
        return status_give(request);
    case PARALLEL_CODE_ID:
        return id_give(request);
    case PARALLEL_CODE_MODE:
        return mode_set(request);
    case PARALLEL_CODE_EPP_ADDRESS:
        return epp_address(request);
    case PARALLEL_CODE_EPP_READ:
        return epp_read(request);
    case PARALLEL_CODE_RESET:
        parport_reset(&parport.port);
        return STREAM_STATUS_OK;
    case STREAM_CODE_DRAIN: /* there is nothing in between */
        return STREAM_STATUS_OK;
    default:
        return STREAM_STATUS_UNSUPPORTED;
    }
}

static void parport_in_use(void *context, bool used)
{
    (void)context;
    clock_timer_cancel(&parport.busy);
    if (!used)
        parport.port.mode = PARALLEL_SPP;
    parport_rest(&parport.port);
}

static const struct stream_device_ops parport_ops = {
    .write = parport_write,
    .control = parport_request,
    .in_use = parport_in_use,
};

static int attach(struct device *device)
{
    static const char *const chips[] = {"SPP", "SPP and EPP", "ECP, used as SPP and EPP"};
    struct stream_info info = {0};

    memset(&parport, 0, sizeof(parport));
    int error = parport_open(device, &parport.port);
    if (error != 0) {
        log_error("what is there is no parallel port");
        return error;
    }
    bool interrupts =
        device_identity(device)->vectors > 0 && irq_attach(device, 0, interrupt, NULL) == 0;
    parport_rest(&parport.port);
    snprintf(info.model, sizeof(info.model), "%s, %s", chips[parport.port.chip],
             interrupts ? "with interrupts" : "polled");
    error =
        stream_device_publish(device, "", "parallel", &info, &parport_ops, NULL, &parport.stream);
    if (error == 0)
        log_info("%s", info.model);
    return error;
}

static void detach(void)
{
    clock_timer_cancel(&parport.busy);
    parport_rest(&parport.port);
}

const struct driver driver = {
    .name = "parport",
    .attach = attach,
    .detach = detach,
};
