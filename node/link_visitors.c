#include "node/link_rooms.h"

#include <string.h>

static struct address address_of(const struct link *link, nng_pipe pipe)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* an IPv4 address within IPv6 */
    struct address address = {{0}};
    nng_sockaddr remote = {0};

    if (link->nng->pipe_get_addr(pipe, NNG_OPT_REMADDR, &remote) != 0) return address;
    if (remote.s_family == NNG_AF_INET) {
        address.bytes[0] = 4;
        memcpy(&address.bytes[1], &remote.s_in.sa_addr, 4);
    } else if (remote.s_family == NNG_AF_INET6) {
        bool is_mapped = memcmp(remote.s_in6.sa_addr, mapped, sizeof mapped) == 0;
        address.bytes[0] = is_mapped ? 4 : 6;
        memcpy(&address.bytes[1], &remote.s_in6.sa_addr[is_mapped ? 12 : 0], is_mapped ? 4 : 8);
    }
    return address;
}

struct visitor *visitor_find(struct link *link, uint32_t pipe)
{
    if (pipe == 0) return NULL;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++)
        if (link->pipes[i] == pipe) return &link->visitors[i];
    return NULL;
}

static bool visitor_admit(struct link *link, uint32_t pipe, const struct address *address)
{
    size_t same_count = 0;
    size_t room = LINK_PIPES_MAX;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        if (link->pipes[i] == 0) room = i;
        else if (memcmp(&link->visitors[i].address, address, sizeof *address) == 0) same_count++;
    }
    if (link->is_closing || room == LINK_PIPES_MAX) return false;
    if (address->bytes[0] != 0 && same_count >= LINK_PIPES_PER_ADDRESS) return false;

    struct visitor *visitor = &link->visitors[room];
    *visitor = (struct visitor){.address = *address};
    visitor->opened = post_of(EVENT_PIPE_OPENED, visitor);
    visitor->gone = post_of(EVENT_PIPE_GONE, visitor);
    link->pipes[room] = pipe;
    mailbox_put(link, &visitor->opened);
    return true;
}

/*
 * Told at ADD_PRE and not at ADD_POST, since the first request may be in before the latter. REM_POST always follows. At
 * ADD_PRE nothing is being received yet, so nng_pipe_close is safe.
 */
void visitor_changed(nng_pipe pipe, nng_pipe_ev change, void *self)
{
    struct link *link = self;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    if (change == NNG_PIPE_EV_ADD_PRE) {
        struct address address = address_of(link, pipe);
        mailbox_lock(link);
        bool is_admitted = visitor_admit(link, id, &address);
        mailbox_unlock(link);
        if (!is_admitted) nng_pipe_close(pipe);
        return;
    }
    if (change != NNG_PIPE_EV_REM_POST) return;
    mailbox_lock(link);
    struct visitor *visitor = visitor_find(link, id);
    if (visitor && !visitor->is_gone) {
        visitor->is_gone = true;
        mailbox_put(link, &visitor->gone);
    }
    mailbox_unlock(link);
}

void network_drop(void *self, uint32_t pipe) { pipe_cut(self, (nng_pipe){.id = pipe}); }

void visitors_drop_stuck(struct link *link)
{
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        mailbox_lock(link);
        struct visitor *visitor = &link->visitors[i];
        bool is_stuck = link->pipes[i] != 0 && visitor->is_stuck && !visitor->is_gone;
        uint32_t pipe = link->pipes[i];
        visitor->is_stuck = false;
        mailbox_unlock(link);
        if (is_stuck) network_drop(link, pipe);
    }
}

static size_t visitor_count(const struct link *link)
{
    size_t count = 0;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++)
        if (link->pipes[i] != 0 && !link->visitors[i].is_gone) count++;
    return count;
}

void visitors_cut(struct link *link)
{
    uint64_t deadline_ms = link_now_ms() + CLOSE_WAIT_MS;
    for (size_t i = 0; i < LINK_PIPES_MAX; i++) {
        mailbox_lock(link);
        uint32_t pipe = link->visitors[i].is_gone ? 0 : link->pipes[i];
        mailbox_unlock(link);
        if (pipe != 0) network_drop(link, pipe);
    }
    mailbox_lock(link);
    while (visitor_count(link) > 0 && mailbox_wait(link, deadline_ms)) {
    }
    mailbox_unlock(link);
}
