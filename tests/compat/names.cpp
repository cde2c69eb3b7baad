/* names.cpp: a program that takes the whole namespace ev into its own and has names that libev's wrapper
 * leaves free. It would not compile if ev++.h took one of them. Contract: libev-abi.json, cxx, "absent". */
#include <ev++.h>

#include <cstdio>

using namespace ev;

enum { CLEANUP = 1, CUSTOM, LINUXAIO, IOURING, NOINOTIFY, SIGNALFD, NOSIGMASK, NOTIMERFD, CANCEL };

struct cleanup {
    int value;
};

/* Operations have their class only behind ev_op.h, mailboxes only behind ev_mailbox.h. */
enum { OP = 10, OP_MORE };
struct op {
};
struct mailbox {
};
struct post {
};

#if defined(EVPP_A) || defined(EVPP_A_) || defined(EVPP_P_) || defined(EVPP_W_) || defined(EVPP_WATCHER) \
    || defined(EVPP_LIFE)
#error "ev++.h leaves macros behind"
#endif

int main ()
{
    const int sum = CLEANUP + CUSTOM + LINUXAIO + IOURING + NOINOTIFY + SIGNALFD + NOSIGMASK + NOTIMERFD
                    + CANCEL + OP + OP_MORE;
    const struct cleanup mine = { sum };
    timer w;
    op ours;

    (void) ours;
    w.set (1., 0.);
    std::printf ("%d\n", mine.value);
    return mine.value == 66 && (READ | WRITE) == 3 ? 0 : 1;
}
