#include "node/link_rooms.h"

#include <string.h>

const struct nng_calls nng_calls_real = {
    .msg_alloc = nng_msg_alloc,
    .aio_alloc = nng_aio_alloc,
    .aio_result = nng_aio_result,
    .ctx_open = nng_ctx_open,
    .req_open = nng_req0_open,
    .rep_open = nng_rep0_open,
    .socket_set_size = nng_socket_set_size,
    .socket_set_ms = nng_socket_set_ms,
    .pipe_notify = nng_pipe_notify,
    .pipe_get_addr = nng_pipe_get_addr,
    .dialer_create = nng_dialer_create,
    .dialer_set_bool = nng_dialer_set_bool,
    .dialer_set_ms = nng_dialer_set_ms,
    .dialer_start = nng_dialer_start,
    .listener_create = nng_listener_create,
    .listener_set_bool = nng_listener_set_bool,
    .listener_start = nng_listener_start,
    .listener_get_string = nng_listener_get_string,
    .stats_get = nng_stats_get,
};

nng_msg *link_message_new(const struct link *link, span frame)
{
    nng_msg *message = NULL;
    must(frame.len <= FRAME_BYTES_MAX);
    if (link->nng->msg_alloc(&message, frame.len) != 0) return NULL;
    if (frame.len) memcpy(nng_msg_body(message), frame.at, frame.len);
    return message;
}

span link_message_span(nng_msg *message)
{
    return span_of(nng_msg_body(message), nng_msg_len(message));
}

void link_message_drop(nng_aio *aio)
{
    nng_msg_free(nng_aio_get_msg(aio));
    nng_aio_set_msg(aio, NULL);
}

enum err_code link_code(int failure)
{
    switch (failure) {
    case NNG_ETIMEDOUT: return ERR_TIME;
    case NNG_ENOMEM: return ERR_MEMORY;
    case NNG_EMSGSIZE: return ERR_LIMIT;
    case NNG_EADDRINUSE:
    case NNG_EPERM: return ERR_REFUSED;
    default: return ERR_CLOSED;
    }
}
