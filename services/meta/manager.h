/* manager: the service manager that started the guard, if there is one: systemd's protocols of
 * notification (sd_notify(3)) and of sockets handed down (sd_listen_fds(3)), each a few lines, so that
 * nobody needs its library. Without one, nothing of this does anything. */
#ifndef META_MANAGER_H
#define META_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manager {
	bool notifies;    /* NOTIFY_SOCKET is set */
	int64_t every_us; /* how often it wants to hear of us; 0: it does not */
	int64_t alive_us; /* when we said so the last time */
	bool ready;       /* said */
	char status[128]; /* the last one said */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which stay for an image that comes after us. */
void manager_init(struct manager *m);
/* Ready: once, with the first status that says so. A status that was said already is not said again. */
void manager_tell(struct manager *m, bool ready, const char *status);
void manager_stopping(struct manager *m);
/* WATCHDOG=1 where it is due. */
void manager_alive(struct manager *m, int64_t now_us);

/* The socket handed down to this process (LISTEN_PID, LISTEN_FDS), from 16 up, close-on-exec and
 * non-blocking; -1: none, err is "". The variables are gone afterwards. More than one socket, or one
 * that does not listen on TCP: -1, err says so. */
int manager_socket(char *err, size_t err_size) __attribute__((warn_unused_result));

#endif
