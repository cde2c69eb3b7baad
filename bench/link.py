#!/usr/bin/env python3
"""link.py: a link with a delay: two network namespaces, and what one sends the other gets so much later.

usage: link.py MILLISECONDS       (of a round trip; as root; needs /dev/net/tun and ip(8))
Prints "FROM TO ADDRESS": the names of the namespaces, and where the second can be reached from the first. Lasts until its
standard input ends, and leaves nothing behind. Exit code 77: this machine does not allow it.

Each namespace has a tun device that ends here, so that no qdisc (netem) is asked of the kernel. It is no fast link, but the
same for everybody."""
import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_MAX = 65536
MTU = 60000  # packets cost a Python program more than bytes do
ADDRESSES = "10.213.7.1", "10.213.7.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def make(names):
    """A namespace and the descriptor of its only link, for each name."""
    ends = []
    for name, mine, its in zip(names, ADDRESSES, reversed(ADDRESSES)):
        ip("netns", "add", name)
        ends.append(tun(name))
        ip("link", "set", name, "netns", name)
        ip("-n", name, "addr", "add", mine, "peer", its, "dev", name)
        ip("-n", name, "link", "set", name, "mtu", str(MTU), "txqueuelen", "10000", "up")
    return ends


def unmake(names):
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


class Delay:
    """Packets on their way: (when, to which end, bytes), the oldest first, as all take equally long."""

    def __init__(self, ends, seconds):
        self.other = dict(zip(ends, reversed(ends)))
        self.seconds, self.way = seconds, collections.deque()

    def take(self, end):
        try:
            while True:
                self.way.append((time.monotonic() + self.seconds, self.other[end], os.read(end, PACKET_MAX)))
        except BlockingIOError:
            pass

    def deliver(self):
        """How long until the next is due; None when there is none."""
        while self.way and self.way[0][0] <= time.monotonic():
            _, end, packet = self.way.popleft()
            try:
                os.write(end, packet)
            except OSError:
                pass  # links lose packets
        return max(0, self.way[0][0] - time.monotonic()) if self.way else None

    def run(self):
        poll = select.epoll()
        for end in (*self.other, 0):
            poll.register(end, select.EPOLLIN)
        while True:
            for end, _ in poll.poll(self.deliver()):
                if end == 0:
                    return  # nobody writes to us: it is the end
                self.take(end)


def main():
    seconds = float(sys.argv[1]) / 1000
    names = ["evb%d%s" % (os.getpid() % 1000000, end) for end in "ab"]
    try:
        ends = make(names)
    except (OSError, subprocess.CalledProcessError) as error:
        unmake(names)
        print("link.py: %s %s" % (error, getattr(error, "stderr", "") or ""), file=sys.stderr)
        sys.exit(77)
    try:
        print(*names, ADDRESSES[1], flush=True)
        Delay(ends, seconds / 2).run()
    finally:
        unmake(names)


if __name__ == "__main__":
    main()
