/* config.h: as configure scripts leave it; the library includes it unless it is told EV_STANDALONE. */
#define PACKAGE "program"
#define HAVE_SYS_EPOLL_H 1
#define EV_USE_SELECT 0
