/* What the client's files share; client.c tells what it is. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

extern char buffer[256 * 1024];

/* The server's address, as the command line gave it. */
extern const char *host, *port;

/* How long to measure, in nanoseconds. */
extern uint64_t budget;

/* The same argument, where it is a number of things. */
extern uint64_t amount;

/* Whether connections go by a relay: RELAYED is in the environment. */
extern bool relayed;

void fail(const char *what);
uint64_t now(void);

/* What an operation takes that is repeated, and alone of three, the median. */
double median(void (*operation)(void));
double median_of(void (*before)(void), void (*operation)(void), void (*after)(void));

/* traffic.c */
int dial(int type);
void put(int fd, const void *p, size_t n);
void get(int fd, size_t n);
double down(void), up(void), down4(void), up4(void);
void begin_tcp(void), begin_udp(void), begin_unconnected(void);
void round_trip(void), unconnected_round_trip(void), connection(void), query(void), idle(void);

/* relay.c */
int relay(int s, int type);

/* server.c */
void serve_inside(void);
int listen_inside(int backlog);

/* scale.c */
void look(const char *when, size_t sockets);
void many(void), pairs(void), crowd(void), inside_crowd(void), tasks(void), forkers(void);

/* trapped.c */
void trapped(void), begin_trapped(void), get_name(void);

/* calls.c */
void allow_all(void), count_cpu(void);
void call_stat(void), call_open(void), call_fork(void), call_exec(void);
extern clockid_t measure_by;
