#include "node/link_rooms.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKET_WAIT_S 5    /* for a socket to close */
#define REQUEST_ID_BYTES 4 /* which nng puts before every frame and counts with it */

/*
 * The transports that are safe to use with partners. Addresses come out of invitations: one must not lead us to a local
 * socket; and an ipc listener of nng 1.5.2 dies on a rude client.
 */
bool socket_address_is_usable(const char *address)
{
    static const char *const schemes[] = {"tcp://", "tcp4://", "tcp6://", "inproc://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(address, schemes[i], strlen(schemes[i])) == 0)
            return strlen(address) <= ADDRESS_BYTES_MAX;
    return false;
}

int socket_prepare(const struct link *link, nng_socket socket)
{
    return link->nng->socket_set_size(socket, NNG_OPT_RECVMAXSZ,
                                      FRAME_BYTES_MAX + REQUEST_ID_BYTES);
}

int socket_notify(const struct link *link, nng_socket socket, nng_pipe_cb callback, void *self)
{
    int failure = link->nng->pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, callback, self);
    if (!failure) failure = link->nng->pipe_notify(socket, NNG_PIPE_EV_ADD_POST, callback, self);
    if (!failure) failure = link->nng->pipe_notify(socket, NNG_PIPE_EV_REM_POST, callback, self);
    return failure;
}

static bool is_same_address(const nng_sockaddr *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *b4 = (const void *)b;
    const struct sockaddr_in6 *b6 = (const void *)b;
    if (a->s_family == NNG_AF_INET)
        return b->ss_family == AF_INET && a->s_in.sa_port == b4->sin_port &&
               a->s_in.sa_addr == b4->sin_addr.s_addr;
    return a->s_family == NNG_AF_INET6 && b->ss_family == AF_INET6 &&
           a->s_in6.sa_port == b6->sin6_port &&
           memcmp(a->s_in6.sa_addr, &b6->sin6_addr, sizeof b6->sin6_addr) == 0;
}

static bool is_between(int file, const nng_sockaddr *here, const nng_sockaddr *there)
{
    struct sockaddr_storage ours = {0}, theirs = {0};
    socklen_t ours_bytes = sizeof ours, theirs_bytes = sizeof theirs;
    return getsockname(file, (struct sockaddr *)&ours, &ours_bytes) == 0 &&
           is_same_address(here, &ours) &&
           getpeername(file, (struct sockaddr *)&theirs, &theirs_bytes) == 0 &&
           is_same_address(there, &theirs);
}

static void shut_connection(const nng_sockaddr *here, const nng_sockaddr *there)
{
    DIR *files = opendir("/proc/self/fd");
    if (!files) return;
    for (const struct dirent *one = readdir(files); one; one = readdir(files)) {
        int file = (int)strtol(one->d_name, NULL, 10);
        if (is_between(file, here, there)) {
            shutdown(file, SHUT_RDWR);
            break;
        }
    }
    closedir(files);
}

/*
 * Ends a pipe the way a partner's hanging up does. nng_pipe_close of 1.5.2 would not do: when a part of a message comes in
 * at that moment, nng's one clean-up thread waits for ever for a receive that nobody finishes, and from then on no
 * pipe of this process is cleaned up or dialled again. A partner could bring that about at will. So the connection
 * itself is shut, which nng then notices and tidies up after; nng does not tell its descriptor, the system does.
 */
void pipe_cut(const struct link *link, nng_pipe pipe)
{
    nng_sockaddr here = {0}, there = {0};
    if (link->nng->pipe_get_addr(pipe, NNG_OPT_REMADDR, &there) != 0)
        return; /* has ended already */
    if (there.s_family != NNG_AF_INET && there.s_family != NNG_AF_INET6) nng_pipe_close(pipe);
    else if (link->nng->pipe_get_addr(pipe, NNG_OPT_LOCADDR, &here) == 0)
        shut_connection(&here, &there);
}

static void *close_it(void *socket)
{
    nng_close(*(nng_socket *)socket);
    free(socket);
    return NULL;
}

/*
 * False when nng does not come back, as may happen when a partner vanishes while a part of a message is being sent to it
 * (the same mistake in the other direction): then what nng's callbacks know must be left to it.
 */
bool socket_close(nng_socket socket)
{
    pthread_t thread;
    struct timespec until = {0};
    nng_socket *ours = malloc(sizeof *ours);
    if (!ours) return nng_close(socket) == 0;
    *ours = socket;
    if (pthread_create(&thread, NULL, close_it, ours) != 0) {
        close_it(ours);
        return true;
    }
    must(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += SOCKET_WAIT_S;
    if (pthread_timedjoin_np(thread, NULL, &until) == 0) return true;
    pthread_detach(thread);
    return false;
}
