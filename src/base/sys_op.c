/* sys_op.c: the system calls of operations, one thin call each. Reads errno after a call, as only sys.c does besides.
 * Raw numbers where a C library may be older than the kernel, or differs from it in kind. */
#include "sys_op.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* glibc keeps the short names for _GNU_SOURCE. */
#ifndef O_DIRECT
#define O_DIRECT __O_DIRECT
#define O_PATH __O_PATH
#define O_TMPFILE (__O_TMPFILE | O_DIRECTORY)
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

static ssize_t sys_size (ssize_t size)
{
    return size < 0 ? -errno : size;
}

EVI int evi_sys_kind (int fd)
{
    struct stat stat;

    EVI_SYS_FAULT ("fstat");
    if (fstat (fd, &stat) < 0)
        return -errno;
    switch (stat.st_mode & S_IFMT) {
    case S_IFSOCK:
        return EVI_KIND_SOCKET;
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
        return EVI_KIND_FILE;
    case S_IFIFO:
        return EVI_KIND_PIPE;
    default:
        return EVI_KIND_STREAM;
    }
}

EVI int evi_sys_fd_nonblocking (int fd)
{
    int flags;

    EVI_SYS_FAULT ("fcntl");
    flags = fcntl (fd, F_GETFL);
    return flags < 0 ? -errno : (flags & O_NONBLOCK) != 0;
}

EVI int evi_sys_terminal (int fd)
{
    return isatty (fd);
}

EVI int evi_sys_fd_direct (int fd)
{
    int flags;

    EVI_SYS_FAULT_AS ("fcntl", 1);
    flags = fcntl (fd, F_GETFL);
    return flags < 0 || flags & O_DIRECT;
}

EVI int evi_sys_nonblocking (int fd, int on)
{
    int flags, wanted;

    EVI_SYS_FAULT ("fcntl");
    flags = fcntl (fd, F_GETFL);
    if (flags < 0)
        return -errno;
    wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl (fd, F_SETFL, wanted) < 0)
        return -errno;
    return (flags & O_NONBLOCK) != 0;
}

/* ---- sockets ---- */

EVI int evi_sys_accept (int fd, int flags)
{
    EVI_SYS_FAULT ("accept");
    return evi_sys_result (syscall (SYS_accept4, fd, NULL, NULL, flags));
}

EVI int evi_sys_peer (int fd, struct sockaddr *address, unsigned *size)
{
    EVI_SYS_FAULT ("getpeername");
    return evi_sys_result (getpeername (fd, address, size));
}

EVI int evi_sys_connect (int fd, const struct sockaddr *address, unsigned size)
{
    EVI_SYS_FAULT ("connect");
    return evi_sys_result (connect (fd, address, size));
}

EVI int evi_sys_connected (int fd)
{
    int err = 0;
    socklen_t size = sizeof err;

    EVI_SYS_FAULT ("getsockopt");
    return getsockopt (fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 ? -errno : -err;
}

EVI ssize_t evi_sys_recv (int fd, void *data, size_t size, int flags)
{
    EVI_SYS_FAULT ("recv");
    return sys_size (recv (fd, data, size, flags | MSG_DONTWAIT));
}

EVI ssize_t evi_sys_send (int fd, const void *data, size_t size, int flags)
{
    EVI_SYS_FAULT ("send");
    return sys_size (send (fd, data, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

EVI ssize_t evi_sys_recvmsg (int fd, struct msghdr *message, int flags)
{
    EVI_SYS_FAULT ("recvmsg");
    return sys_size (recvmsg (fd, message, flags | MSG_DONTWAIT));
}

EVI ssize_t evi_sys_sendmsg (int fd, const struct msghdr *message, int flags)
{
    EVI_SYS_FAULT ("sendmsg");
    return sys_size (sendmsg (fd, message, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

EVI int evi_sys_datagrams (int fd)
{
    int type = evi_sys_option (fd, SO_TYPE);

    return type == SOCK_DGRAM || type == SOCK_RAW;
}

EVI int evi_sys_tcp (int fd)
{
    return evi_sys_option (fd, SO_PROTOCOL) == IPPROTO_TCP;
}

EVI uint64_t evi_sys_socket_id (int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;

    EVI_SYS_FAULT_AS ("getsockopt", 0);
    getsockopt (fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
    return cookie;
}

EVI int evi_sys_shutdown (int fd, int how)
{
    EVI_SYS_FAULT ("shutdown");
    return evi_sys_result (shutdown (fd, how));
}

EVI int evi_sys_reset (int fd)
{
    struct linger at_once = { 1, 0 };

    EVI_SYS_FAULT ("setsockopt");
    return evi_sys_result (setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

EVI int evi_sys_socket (int domain, int type, int protocol)
{
    EVI_SYS_FAULT ("socket");
    return evi_sys_result (socket (domain, type, protocol));
}

/* ---- listeners ---- */

EVI int evi_sys_set_option (int fd, int option, int value)
{
    EVI_SYS_FAULT ("setsockopt");
    return evi_sys_result (setsockopt (fd, SOL_SOCKET, option, &value, sizeof value));
}

EVI int evi_sys_bind (int fd, const struct sockaddr *address, unsigned size)
{
    EVI_SYS_FAULT ("bind");
    return evi_sys_result (bind (fd, address, size));
}

EVI int evi_sys_bound_to (int fd, struct sockaddr *address, unsigned size)
{
    socklen_t length = size;

    EVI_SYS_FAULT ("getsockname");
    return evi_sys_result (getsockname (fd, address, &length));
}

EVI int evi_sys_listen (int fd, int backlog)
{
    EVI_SYS_FAULT ("listen");
    return evi_sys_result (listen (fd, backlog));
}

/* A socket's filter sees segments from their TCP header on: those with SYN and without ACK are dropped. Sockets that are
 * accepted later have the filter too, and such segments are none of theirs. */
static int sys_refuse_tcp (int fd)
{
    struct sock_filter steps[] = {
        { BPF_LD | BPF_B | BPF_ABS, 0, 0, 13 },    /* the flags */
        { BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12 }, /* SYN, ACK */
        { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02 }, { BPF_RET | BPF_K, 0, 0, 0 },
        { BPF_RET | BPF_K, 0, 0, 0xffffffff },
    };
    struct sock_fprog filter = { EVI_COUNT (steps), steps };

    EVI_SYS_FAULT ("setsockopt");
    return evi_sys_result (setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
}

EVI int evi_sys_refuse_connections (int fd, int family)
{
    if (family == AF_UNIX)
        return evi_sys_shutdown (fd, SHUT_RD);
    return family == AF_INET || family == AF_INET6 ? sys_refuse_tcp (fd) : -EOPNOTSUPP;
}

/* ---- names ---- */

/* One number for both kinds of errors. */
enum { SYS_NAMES = -3000, SYS_NAMES_LAST = -3999 };

static int sys_names_result (int result)
{
    if (!result)
        return 0;
    return result != EAI_SYSTEM ? SYS_NAMES + result : errno ? -errno : -EIO;
}

EVI int evi_sys_getaddrinfo (const char *node, const char *service, const struct addrinfo *hints,
                             struct addrinfo **list)
{
    EVI_SYS_FAULT ("getaddrinfo");
    return sys_names_result (getaddrinfo (node, service, hints, list));
}

EVI void evi_sys_freeaddrinfo (struct addrinfo *list)
{
    freeaddrinfo (list);
}

EVI int evi_sys_getnameinfo (const struct sockaddr *address, unsigned size, char *host, unsigned host_size,
                             char *service, unsigned service_size, int flags)
{
    EVI_SYS_FAULT ("getnameinfo");
    return sys_names_result (getnameinfo (address, size, host, host_size, service, service_size, flags));
}

EVI const char *evi_sys_strerror (ssize_t result)
{
    if (result >= 0)
        return "no error";
    if (result < SYS_NAMES && result >= SYS_NAMES_LAST)
        return gai_strerror ((int) result - SYS_NAMES);
    return strerror ((int) -result);
}

/* ---- files ---- */

#ifndef SYS_preadv2 /* headers older than Linux 4.6: ENOSYS */
#define SYS_preadv2 -1
#define SYS_pwritev2 -1
#endif
#ifndef SYS_statx
#define SYS_statx -1
#endif
#ifndef SYS_openat2 /* Linux 5.6 */
#define SYS_openat2 -1
#endif

/* preadv2 and pwritev2, whose offset travels in two halves. */
static ssize_t sys_vector (long number, int fd, const struct iovec *vec, int count, int64_t offset, int flags)
{
    unsigned long low = (unsigned long) offset, high = (unsigned long) ((uint64_t) offset >> 32);

    return sys_size (
        syscall (number, fd, vec, (unsigned long) count, low, sizeof low == 8 ? 0 : high, flags));
}

EVI ssize_t evi_sys_readv (int fd, const struct iovec *vec, int count, int64_t offset)
{
    EVI_SYS_FAULT ("readv");
    return sys_size (offset < 0 ? readv (fd, vec, count) : preadv (fd, vec, count, offset));
}

EVI ssize_t evi_sys_writev (int fd, const struct iovec *vec, int count, int64_t offset)
{
    EVI_SYS_FAULT ("writev");
    return sys_size (offset < 0 ? writev (fd, vec, count) : pwritev (fd, vec, count, offset));
}

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif
#define SYS_RWF_NOSIGNAL 0x100 /* 6.18 */

EVI ssize_t evi_sys_readv_now (int fd, const struct iovec *vec, int count, int64_t offset)
{
    EVI_SYS_FAULT ("readv_now");
    return sys_vector (SYS_preadv2, fd, vec, count, offset, RWF_NOWAIT);
}

EVI ssize_t evi_sys_writev_now (int fd, const struct iovec *vec, int count)
{
    EVI_SYS_FAULT ("writev_now");
    return sys_vector (SYS_pwritev2, fd, vec, count, -1, RWF_NOWAIT | SYS_RWF_NOSIGNAL);
}

/* Before 6.18 a write cannot be asked to be quiet: hold the signal back, and take it away if it came. */
static ssize_t sys_writev_masked (int fd, const struct iovec *vec, int count)
{
    struct timespec at_once = { 0 };
    sigset_t sigpipe, before, pending;
    ssize_t put;

    sigemptyset (&sigpipe);
    sigaddset (&sigpipe, SIGPIPE);
    sigpending (&pending);
    pthread_sigmask (SIG_BLOCK, &sigpipe, &before);
    put = sys_size (writev (fd, vec, count));
    if (put == -EPIPE && !sigismember (&pending, SIGPIPE))
        while (sigtimedwait (&sigpipe, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return put;
}

EVI ssize_t evi_sys_writev_quiet (int fd, const struct iovec *vec, int count)
{
    static int cannot; /* this kernel, or some file met so far, knows no quiet writes */
    ssize_t put;

    EVI_SYS_FAULT ("writev");
    if (!__atomic_load_n (&cannot, __ATOMIC_RELAXED)) {
        put = sys_vector (SYS_pwritev2, fd, vec, count, -1, SYS_RWF_NOSIGNAL);
        if (put != -EOPNOTSUPP && put != -ENOSYS)
            return put;
        __atomic_store_n (&cannot, 1, __ATOMIC_RELAXED);
    }
    return sys_writev_masked (fd, vec, count);
}

EVI int evi_sys_openat (int dirfd, const char *path, int flags, unsigned mode)
{
    EVI_SYS_FAULT ("openat");
    if (EVI_UNLIKELY (!path)) /* as the kernel says; the C library may not be asked */
        return -EFAULT;
    return evi_sys_result (openat (dirfd, path, flags, mode));
}

/* ---- what is in memory ---- */

enum { SYS_RESOLVE_CACHED = 0x20 }; /* Linux 5.12 */

/* That there is no such file may be remembered, too. Whatever else went wrong, the plain call will find out. */
static int sys_now (int result)
{
    return result >= 0 || result == -ENOENT ? result : -EAGAIN;
}

static int sys_open_cached (int dirfd, const char *path, uint64_t flags)
{
    const struct {
        uint64_t flags, mode, resolve;
    } how = { flags, 0, SYS_RESOLVE_CACHED };

    EVI_SYS_FAULT ("openat2");
    return evi_sys_result ((int) syscall (SYS_openat2, dirfd, path, &how, sizeof how));
}

EVI int evi_sys_openat_now (int dirfd, const char *path, int flags)
{
    int waits = !(flags & (O_NONBLOCK | O_PATH)), fd;

    if (flags & (O_CREAT | O_TRUNC | O_TMPFILE))
        return -EAGAIN;
    fd = sys_open_cached (dirfd, path, (unsigned) (waits ? flags | O_NONBLOCK : flags));
    if (fd >= 0 && waits && fcntl (fd, F_SETFL, flags) < 0) {
        evi_sys_close (fd);
        fd = -EAGAIN;
    }
    return sys_now (fd);
}

EVI int evi_sys_open_waits (int dirfd, const char *path, int flags)
{
    struct stat stat;

    if (flags & (O_NONBLOCK | O_PATH | O_EXCL) || (flags & O_ACCMODE) == O_RDWR)
        return 0;
    EVI_SYS_FAULT_AS ("fstatat", 0);
    return fstatat (dirfd, path, &stat, 0) == 0 && S_ISFIFO (stat.st_mode);
}

/* The part of struct statx, which headers keep for _GNU_SOURCE, that says where it comes from. */
struct sys_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t most[30], device_major, device_minor;
};

enum { SYS_STATX_FORCE_SYNC = 0x2000, SYS_STATX_DONT_SYNC = 0x4000, SYS_ATTR_AUTOMOUNT = 0x1000 };

/* File systems without a block device may be far away: NFS, SMB, FUSE, Ceph, AFS, Coda, 9P. Of some it is known that they
 * are not: their devices, plus one. */
static const uint32_t sys_far[] = { 0x6969,     0x517b,     0xff534d42, 0xfe534d42, 0x65735546,
                                    0x00c36400, 0x5346414f, 0x6b414653, 0x73757245, 0x01021997 };
static uint32_t sys_near[8];

static int sys_is_near (uint32_t device)
{
    for (unsigned i = 0; i < EVI_COUNT (sys_near); i++)
        if (__atomic_load_n (&sys_near[i], __ATOMIC_RELAXED) == device + 1)
            return 1;
    return 0;
}

static int sys_fs_is_far (int fd)
{
    struct statfs about;

    EVI_SYS_FAULT_AS ("fstatfs", 1);
    if (fstatfs (fd, &about) < 0)
        return 1;
    for (unsigned i = 0; i < EVI_COUNT (sys_far); i++)
        if ((uint32_t) about.f_type == sys_far[i])
            return 1;
    return 0;
}

/* Two threads may write to the same place: then one of the devices is learned another time. */
static void sys_learn_device (int dirfd, const char *path, uint32_t device)
{
    static unsigned next;
    int fd = evi_sys_openat (dirfd, path, O_PATH | O_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (!sys_fs_is_far (fd))
        __atomic_store_n (&sys_near[__atomic_fetch_add (&next, 1, __ATOMIC_RELAXED) % EVI_COUNT (sys_near)],
                          device + 1, __ATOMIC_RELAXED);
    evi_sys_close (fd);
}

EVI int evi_sys_statx_learning (int dirfd, const char *path, int flags, unsigned mask, void *stat)
{
    const struct sys_statx *got = stat;
    int err = evi_sys_statx (dirfd, path, flags, mask, stat);

    if (err == 0 && got->device_major == 0 && path && *path && !sys_is_near (got->device_minor))
        sys_learn_device (dirfd, path, got->device_minor);
    return err;
}

/* It was told not to ask far away. */
static int sys_statx_fd_now (int fd, int flags, unsigned mask, void *stat)
{
    const struct sys_statx *got = stat;
    int err = evi_sys_statx (fd, "", flags | AT_EMPTY_PATH | SYS_STATX_DONT_SYNC, mask, stat);

    if (err < 0 || got->attributes & SYS_ATTR_AUTOMOUNT)
        return -EAGAIN;
    return got->device_major || flags & SYS_STATX_DONT_SYNC || sys_is_near (got->device_minor) ? 0 : -EAGAIN;
}

EVI int evi_sys_statx_now (int dirfd, const char *path, int flags, unsigned mask, void *stat)
{
    int fd, err;

    if (flags & SYS_STATX_FORCE_SYNC || !path)
        return -EAGAIN;
    if (!*path && flags & AT_EMPTY_PATH)
        return sys_statx_fd_now (dirfd, flags, mask, stat);
    fd = sys_open_cached (dirfd, path, O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
    if (fd < 0)
        return sys_now (fd);
    err = sys_statx_fd_now (fd, flags & ~AT_SYMLINK_NOFOLLOW, mask, stat);
    evi_sys_close (fd);
    return err;
}

EVI int evi_sys_fsync (int fd, int datasync)
{
    EVI_SYS_FAULT ("fsync");
    return evi_sys_result (datasync ? fdatasync (fd) : fsync (fd));
}

EVI int evi_sys_fallocate (int fd, int mode, int64_t offset, int64_t size)
{
    long low = (long) offset, high = (long) (offset >> 32), size_low = (long) size,
         size_high = (long) (size >> 32);

    EVI_SYS_FAULT ("fallocate");
    if (sizeof low == 8)
        return evi_sys_result (syscall (SYS_fallocate, fd, mode, low, size_low));
    return evi_sys_result (syscall (SYS_fallocate, fd, mode, low, high, size_low, size_high));
}

EVI int evi_sys_ftruncate (int fd, int64_t size)
{
    EVI_SYS_FAULT ("ftruncate");
    return evi_sys_result (ftruncate (fd, size));
}

EVI int evi_sys_statx (int dirfd, const char *path, int flags, unsigned mask, void *stat)
{
    EVI_SYS_FAULT ("statx");
    return evi_sys_result (syscall (SYS_statx, dirfd, path, flags, mask, stat));
}

EVI int evi_sys_unlinkat (int dirfd, const char *path, int flags)
{
    EVI_SYS_FAULT ("unlinkat");
    if (EVI_UNLIKELY (!path)) /* as the kernel says; the C library may not be asked */
        return -EFAULT;
    return evi_sys_result (unlinkat (dirfd, path, flags));
}

EVI int evi_sys_renameat (int dirfd, const char *path, int dirfd_to, const char *path_to, unsigned flags)
{
    EVI_SYS_FAULT ("renameat");
    return evi_sys_result (syscall (SYS_renameat2, dirfd, path, dirfd_to, path_to, flags));
}

EVI int evi_sys_mkdirat (int dirfd, const char *path, unsigned mode)
{
    EVI_SYS_FAULT ("mkdirat");
    if (EVI_UNLIKELY (!path)) /* as the kernel says; the C library may not be asked */
        return -EFAULT;
    return evi_sys_result (mkdirat (dirfd, path, mode));
}

EVI ssize_t evi_sys_splice (int fd, int64_t offset, int fd_to, int64_t offset_to, size_t size, unsigned flags)
{
    int64_t at = offset, at_to = offset_to;

    EVI_SYS_FAULT ("splice");
    return sys_size (
        syscall (SYS_splice, fd, offset < 0 ? NULL : &at, fd_to, offset_to < 0 ? NULL : &at_to, size, flags));
}

EVI int evi_sys_poll_one (int fd, int events, int limit_ms)
{
    struct pollfd one = { .fd = fd, .events = (short) events };
    int count;

    EVI_SYS_FAULT ("poll");
    count = evi_sys_result (poll (&one, 1, limit_ms));
    return count > 0 ? one.revents : count;
}

/* ---- the rest ---- */

EVI int evi_sys_waitid (int idtype, int id, siginfo_t *info, int options, int *ended)
{
    int err;

    info->si_pid = 0;
    *ended = 0;
    EVI_SYS_FAULT ("waitid");
    err = evi_sys_result (waitid ((idtype_t) idtype, (id_t) id, info, options | WNOHANG));
    *ended = err >= 0 && info->si_pid != 0;
    return err;
}

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on every architecture, alpha excepted */
#endif

EVI int evi_sys_pidfd (int pid)
{
    EVI_SYS_FAULT ("pidfd_open");
    return evi_sys_result (syscall (SYS_pidfd_open, pid, 0));
}

EVI int evi_sys_thread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*run) (void *),
                               void *arg)
{
    EVI_SYS_FAULT ("pthread_create");
    return -pthread_create (thread, attributes, run, arg);
}

EVI void evi_sys_thread_join (pthread_t thread)
{
    pthread_join (thread, NULL);
}

EVI void evi_sys_thread_detach (pthread_t thread)
{
    pthread_detach (thread);
}

enum { SYS_CORES_WORDS = 128 }; /* 8192 cores */

EVI unsigned evi_sys_cores (void)
{
    unsigned long mask[SYS_CORES_WORDS];
    unsigned cores = 0;
    long size;

    EVI_SYS_FAULT_AS ("sched_getaffinity", 1);
    size = syscall (SYS_sched_getaffinity, 0, sizeof mask, mask);
    for (long i = 0; i < size / (long) sizeof *mask; i++)
        cores += (unsigned) __builtin_popcountl (mask[i]);
    return cores ? cores : 1;
}

EVI void *evi_sys_map (size_t size)
{
    void *memory;

    EVI_SYS_FAULT_AS ("mmap", NULL);
    memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

#endif
