/* myconf.h: the options of a program that names its configuration with EV_CONFIG_H. */
#define EV_MINPRI -1
#define EV_MAXPRI 1
#define EV_STAT_ENABLE 0
#define EV_USE_POLL 0
