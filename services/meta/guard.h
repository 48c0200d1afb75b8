/* guard: the foreground process of a fleet. It owns what must survive everybody else (lock of the
 * run directory, both ends of all pipes, the public socket), starts the supervisor again when it
 * dies, reaps orphans; and nothing more. */
#ifndef META_GUARD_H
#define META_GUARD_H

#include <stdint.h>

struct conf;

enum news_kind { NEWS_READY = 1, NEWS_FAILED = 2, NEWS_LATE = 3 };

struct guard_news { /* to whoever waits for the fleet to stand; one record, then the pipe is closed
	             */
	uint32_t kind;
	uint32_t found; /* so many processes ran before this guard */
	char node[24];  /* FAILED, LATE: who */
	char state[24]; /* LATE: in which state it is */
};

/* news: a pipe, or -1 in the foreground. With a pipe, standard error becomes the log once the start
 * has gone well. given: the public socket, of the service manager, or -1. Does not return: exits 0
 * when the fleet was stopped, 1 (reason on standard error) when it could not start. */
void guard_run(const struct conf *s, int news, int given) __attribute__((noreturn));

/* The same, of a guard that has just become this executable (renew.h): fd is what it left of itself.
 * Its supervisor, an image of before, is replaced. */
void guard_resume(const struct conf *s, int fd) __attribute__((noreturn));

#endif
