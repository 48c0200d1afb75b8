/* inside: what the files of common/node share about a node. Nobody else includes this.
 *
 * node.c drives the life cycle; settings.c builds configurations; contract.c speaks with the
 * supervisor over the inherited descriptors; beat.c and watchdog.c do the same where there is
 * none; heap.c gives memory back. */
#ifndef NODE_INSIDE_H
#define NODE_INSIDE_H

#include "bus/bus.h"
#include "node/node.h"
#include "node/supervise.h"

/* One complete configuration. The first one lives as long as the process: the bus keeps pointing
 * into it. */
struct settings {
	struct arena *arena;
	struct node_config common;
	struct supervise supervise; /* the supervisor's, but for `cores` */
	void *own;                  /* def->config_size bytes; NULL when there are none */
	uint8_t *from;              /* config_source.from */
};

struct options {
	const char *file; /* NULL: none */
	char **sets;      /* NULL-ended, into argv */
	bool check, print;
};

struct node {
	const struct service_def *def;
	const char *name; /* def's, or of one that stands by for it */
	struct options options;
	uint64_t generation;
	bool supervised;
	int listener; /* -1: none */
	struct settings *first, *now;
	struct loop *loop;
	struct bus *bus;
	struct work_pool *work;
	enum contract_state state;

	uv_signal_t on_term, on_int, on_hup;
	struct timer drain_tick; /* looks whether all is done */
	int64_t drain_limit_us;
	int quiet_ticks; /* looks in a row that found nothing in flight */

	struct timer beat;              /* to the supervisor, or over the bus */
	uv_poll_t life;                 /* descriptor 4 */
	struct timer life_tick;         /* after its end: did somebody adopt us? */
	int64_t orphan_since_us;        /* 0: we are not */
	bool abandoned;                 /* it drains because nobody came back */
	struct target *meta;            /* container mode: whom we beat to */
	bool beat_out;                  /* one beat at a time */
	enum contract_state beat_state; /* what the last one said */
	struct timer heap_look;
	struct timer watchdog; /* container mode: tells it that the loop turns */
	int64_t watchdog_tick_us;
};

/* --- settings.c --- */
struct settings *
settings_load(const struct node *n, char *err, size_t err_size); /* NULL: err says why */
void settings_free(struct settings **s);
void settings_print(const struct node *n, const struct settings *s);
void settings_print_keys(const struct node *n); /* its own, one a line */
/* of variables that carry its name and set nothing */
void settings_warn(const struct node *n);
void settings_keep(const struct node *n, const struct settings *old,
    struct settings *fresh); /* keys that need a restart */

/* --- contract.c --- */
void contract_take(struct node *n);  /* first thing: descriptors and environment */
void contract_start(struct node *n); /* with the loop: beats and the life line */
void contract_say(struct node *n);   /* state and load, now; never blocks */
/* last of all: an abandoned node becomes the sweep; returns where there is nothing to do */
void contract_leave(const struct node *n);

/* --- beat.c --- */
void beat_start(struct node *n); /* container mode */
void beat_say(struct node *n);   /* its state has changed: now, not with the next beat */

/* --- watchdog.c --- */
void watchdog_start(struct node *n); /* container mode */

/* --- heap.c --- */
void heap_start(struct node *n); /* looks now and then */

/* --- process.c --- */
void process_metrics(void);

#endif
