/* traced.h: the options of a program that puts more into every watcher than one pointer, and wants to know of
 * every callback: as bindings for other languages do. There is no member called data. */
extern int traced_calls;

#define EV_COMMON  \
    int own_flags; \
    void *self;    \
    const char *name;

#define EV_CB_DECLARE(type)                          \
    void (*cb) (EV_P_ struct type * w, int revents); \
    int told;

#define EV_CB_INVOKE(watcher, revents)              \
    do {                                            \
        traced_calls++;                             \
        (watcher)->told |= (revents);               \
        (watcher)->cb (EV_A_ (watcher), (revents)); \
    } while (0)

#define ev_set_cb(ev, cb_) ((ev)->cb = (cb_), (ev)->told = 0)
