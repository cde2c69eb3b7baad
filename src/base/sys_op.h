/* sys_op.h: the system calls of operations, one thin call each, answering -errno. The same seam as sys.h. */
#ifndef EVI_SYS_OP_H
#define EVI_SYS_OP_H

#include "sys.h"

#if EV_OP_ENABLE

#include <pthread.h>

struct addrinfo;
struct iovec;
struct msghdr;
struct sockaddr;
struct statx;

/* What a descriptor stands for, as far as waiting goes. */
enum {
    EVI_KIND_FILE = 1, /* always ready: regular, directory, block device */
    EVI_KIND_SOCKET,
    EVI_KIND_PIPE,
    EVI_KIND_STREAM /* terminal, eventfd … */
};
EVI int evi_sys_kind (int fd); /* EVI_KIND_* or -errno */

EVI int evi_sys_fd_nonblocking (int fd);      /* 1, 0, or -errno */
EVI int evi_sys_terminal (int fd);            /* nonzero: it is one */
EVI int evi_sys_fd_direct (int fd);           /* nonzero: reads go past the page cache, and sleep */
EVI int evi_sys_nonblocking (int fd, int on); /* 1: it was before, 0: it was not, or -errno */

/* Sockets: never sleep (except the first two), never raise SIGPIPE. */
EVI int evi_sys_accept (int fd, int flags);
EVI int evi_sys_peer (int fd, struct sockaddr *address, unsigned *size);
EVI int evi_sys_connect (int fd, const struct sockaddr *address, unsigned size);
EVI int evi_sys_connected (int fd); /* how a connection attempt has ended: 0 or -errno */
EVI ssize_t evi_sys_recv (int fd, void *data, size_t size, int flags);
EVI ssize_t evi_sys_send (int fd, const void *data, size_t size, int flags);
EVI ssize_t evi_sys_recvmsg (int fd, struct msghdr *message, int flags);
EVI ssize_t evi_sys_sendmsg (int fd, const struct msghdr *message, int flags);
EVI int evi_sys_datagrams (int fd); /* nonzero: a socket of messages, where an empty one is not the end */
EVI int evi_sys_tcp (int fd);       /* nonzero: a TCP socket */
EVI uint64_t evi_sys_socket_id (int fd); /* no other socket has or had it; 0: unknown */
EVI int evi_sys_shutdown (int fd, int how);
EVI int evi_sys_reset (int fd); /* its close will drop what is on the way, and tell the peer so */
EVI int evi_sys_socket (int domain, int type, int protocol);

/* Listeners. */
EVI int evi_sys_set_option (int fd, int option, int value); /* of SOL_SOCKET */
EVI int evi_sys_bind (int fd, const struct sockaddr *address, unsigned size);
EVI int evi_sys_bound_to (int fd, struct sockaddr *address, unsigned size);
EVI int evi_sys_listen (int fd, int backlog);
/* A listener takes no new ones, and keeps those that wait. TCP: whoever comes now comes again a second later, and meets
 * another listener or none. AF_UNIX: ECONNREFUSED, and when none waits any more accept answers -EINVAL. */
EVI int evi_sys_refuse_connections (int fd, int family);

/* Names. 0, -errno, or -3000 plus their own number. They sleep. */
EVI int evi_sys_getaddrinfo (const char *node, const char *service, const struct addrinfo *hints,
                             struct addrinfo **list);
EVI void evi_sys_freeaddrinfo (struct addrinfo *list);
EVI int evi_sys_getnameinfo (const struct sockaddr *address, unsigned size, char *host, unsigned host_size,
                             char *service, unsigned service_size, int flags);
EVI const char *evi_sys_strerror (ssize_t result);

/* Files. offset -1: the current position. */
EVI ssize_t evi_sys_readv (int fd, const struct iovec *vec, int count, int64_t offset);
EVI ssize_t evi_sys_writev (int fd, const struct iovec *vec, int count, int64_t offset);
/* What can be had without sleeping; -EAGAIN: nothing, -EOPNOTSUPP: this file cannot tell. */
EVI ssize_t evi_sys_readv_now (int fd, const struct iovec *vec, int count, int64_t offset);
/* What goes in without sleeping, and without SIGPIPE; -EOPNOTSUPP: this file, or this kernel, cannot do that. */
EVI ssize_t evi_sys_writev_now (int fd, const struct iovec *vec, int count);
/* Like evi_sys_writev at the current position, without SIGPIPE. */
EVI ssize_t evi_sys_writev_quiet (int fd, const struct iovec *vec, int count);
EVI int evi_sys_openat (int dirfd, const char *path, int flags, unsigned mode);
/* The same where all that is needed is in memory; -EAGAIN: it is not, or the kernel cannot say. flags: nothing that writes. */
EVI int evi_sys_openat_now (int dirfd, const char *path, int flags);
EVI int evi_sys_open_waits (int dirfd, const char *path, int flags); /* for somebody to open the other end */
EVI int evi_sys_statx_now (int dirfd, const char *path, int flags, unsigned mask, void *stat);
/* In a thread: as evi_sys_statx, and _now knows better afterwards what is near. */
EVI int evi_sys_statx_learning (int dirfd, const char *path, int flags, unsigned mask, void *stat);
EVI int evi_sys_fsync (int fd, int datasync);
EVI int evi_sys_fallocate (int fd, int mode, int64_t offset, int64_t size);
EVI int evi_sys_ftruncate (int fd, int64_t size);
EVI int evi_sys_statx (int dirfd, const char *path, int flags, unsigned mask, void *stat);
EVI int evi_sys_unlinkat (int dirfd, const char *path, int flags);
EVI int evi_sys_renameat (int dirfd, const char *path, int dirfd_to, const char *path_to, unsigned flags);
EVI int evi_sys_mkdirat (int dirfd, const char *path, unsigned mode);
EVI ssize_t evi_sys_splice (int fd, int64_t offset, int fd_to, int64_t offset_to, size_t size,
                            unsigned flags);
EVI int evi_sys_poll_one (int fd, int events, int limit_ms); /* poll(2) bits, 0 in time, or -errno */

/* Constants that headers keep for _GNU_SOURCE, or do not have yet. */
#define EVI_SPLICE_NONBLOCK 2u
#define EVI_P_PIDFD 3

/* The state of a child without sleeping. 0: *ended says whether info is about one; or -errno. */
EVI int evi_sys_waitid (int idtype, int id, siginfo_t *info, int options, int *ended);
EVI int evi_sys_pidfd (int pid);

EVI int evi_sys_thread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*run) (void *),
                               void *arg);
EVI void evi_sys_thread_join (pthread_t thread);
EVI void evi_sys_thread_detach (pthread_t thread);
EVI unsigned evi_sys_cores (void); /* that this process may use; at least 1 */

EVI void *evi_sys_map (size_t size); /* zeroed pages, NULL on failure */

#endif

#endif
