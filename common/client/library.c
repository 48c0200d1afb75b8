/* library: the clients of libmetafed: where they are, their bus, their token, their done functions.
 * See metafed/client.h; calls are calls.c's and, on the engine's thread, pending.c's. */
#include "client/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "client/engine.h"
#include "proto/meta.pb-c.h"
#include "proto/rest.pb-c.h"

#define TEXTS_CAP     (4u << 20)
#define META_WATCH_US (250 * MS) /* then it is looked whether who leads lives */

struct opening {
	struct metafed_client *c;
	char *why;
	size_t why_size;
};

static bool configure(struct metafed_client *c, const char *place, char *why, size_t why_size);
static void open_here(void *opening);
static void close_here(void *client);
static void nothing(void *unused);
static void on_close(struct loop_msg *m);
static void forget(struct metafed_client *c);

struct metafed_client *
metafed_open(const char *place, unsigned flags, char *why, size_t why_size)
{
	struct metafed_client *c = mem_zalloc(sizeof(*c));
	struct opening o = { c, why, why_size };

	c->flags = flags;
	c->event_fd = -1;
	c->texts = arena_new(TEXTS_CAP);
	c->close.fn = on_close;
	list_init(&c->running);
	list_init(&c->ended);
	pthread_mutex_init(&c->lock, NULL);
	if (!configure(c, place, why, why_size)) {
		forget(c);
		return NULL;
	}
	if ((flags & METAFED_DISPATCH) != 0)
		c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (((flags & METAFED_DISPATCH) != 0 && c->event_fd < 0) ||
	    (c->loop = engine_use()) == NULL) {
		snprintf(why, why_size, "%s", strerror(errno));
		forget(c);
		return NULL;
	}
	engine_run(open_here, &o);
	if (c->bus == NULL) {
		engine_leave();
		forget(c);
		return NULL;
	}
	return c;
}

void
metafed_close(struct metafed_client *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->closing, true);
	if (engine_is_here()) {
		loop_post(c->loop, &c->close);
		return;
	}
	engine_run(close_here, c);
	engine_run(nothing, NULL); /* what a done function had started just before is through */
	metafed_dispatch(c);
	engine_leave();
	forget(c);
}

const char *
metafed_where(const struct metafed_client *c)
{
	return c->config.bus_peers[0] != '\0' ? c->config.bus_peers : c->config.var;
}

void
metafed_set_token(struct metafed_client *c, const char *token)
{
	library_set_token(c, token);
}

int
metafed_fd(const struct metafed_client *c)
{
	return c->event_fd;
}

size_t
metafed_dispatch(struct metafed_client *c)
{
	uint64_t unused;
	struct link *k;
	size_t n = 0;

	for (;; n++) {
		pthread_mutex_lock(&c->lock);
		k = list_pop(&c->ended);
		/* with the lock: the descriptor is readable exactly while there are some */
		if (k == NULL && c->event_fd >= 0)
			(void)!read(c->event_fd, &unused, sizeof(unused));
		pthread_mutex_unlock(&c->lock);
		if (k == NULL)
			return n;
		pending_tell(container_of(k, struct metafed_call, link));
	}
}

const char *
metafed_code_name(enum metafed_code code)
{
	return status_name((enum status)code);
}

const char *
metafed_version(void)
{
	return METAFED_VERSION;
}

void
library_set_token(struct metafed_client *c, const char *token)
{
	char *copy = library_strdup(token);

	pthread_mutex_lock(&c->lock);
	library_wipe(&c->token);
	c->token = copy;
	pthread_mutex_unlock(&c->lock);
}

const char *
library_token(const struct metafed_call *k, struct arena *a)
{
	struct metafed_client *c = k->client;
	const char *token = NULL;

	if (k->authorization != NULL)
		return k->authorization[0] != '\0' ? arena_strdup(a, k->authorization) : NULL;
	pthread_mutex_lock(&c->lock);
	if (c->token != NULL && c->token[0] != '\0')
		token = arena_strdup(a, c->token);
	pthread_mutex_unlock(&c->lock);
	return token;
}

char *
library_strdup(const char *s)
{
	char *copy = s == NULL ? NULL : strdup(s);

	must(s == NULL || copy != NULL);
	return copy;
}

void
library_wipe(char **s)
{
	if (*s == NULL)
		return;
	explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

/* A directory is a fleet's; a file is what a fleet, or somebody for his programs, has written. */
static bool
configure(struct metafed_client *c, const char *place, char *why, size_t why_size)
{
	struct client_opts o = { 0 };
	struct stat st;

	if (place != NULL && stat(place, &st) == 0 && !S_ISDIR(st.st_mode))
		o.config = place;
	else
		o.var = place;
	return client_configure(c->texts, &o, &c->config, why, why_size);
}

static void
open_here(void *opening)
{
	struct opening *o = opening;
	struct metafed_client *c = o->c;
	char name[32];

	snprintf(name, sizeof(name), "client-%ld", (long)getpid());
	c->bus = bus_new(c->loop,
	    &(const struct bus_opts){
		.name = name, .generation = (uint64_t)time_wall_us(), .config = &c->config },
	    o->why, o->why_size);
	if (c->bus == NULL)
		return;
	c->meta = target_new(c->bus, &(const struct target_def){ &mf__meta__descriptor,
					 client_meta_members(&c->config), { .failures = 5 } });
	target_set_watch(c->meta, META_WATCH_US);
	c->rest = target_new(c->bus, &(const struct target_def){ &mf__rest__descriptor,
					 client_rest_members, { .failures = 5 } });
}

static void
close_here(void *client)
{
	struct metafed_client *c = client;
	struct link *k;

	while ((k = list_first(&c->running)) != NULL)
		call_cancel(container_of(k, struct metafed_call, link)->root);
	bus_free(&c->bus);
}

static void
nothing(void *unused)
{
	(void)unused;
}

static void
on_close(struct loop_msg *m)
{
	struct metafed_client *c = container_of(m, struct metafed_client, close);

	close_here(c);
	metafed_dispatch(c);
	engine_leave();
	forget(c);
}

static void
forget(struct metafed_client *c)
{
	library_wipe(&c->token);
	if (c->event_fd >= 0)
		close(c->event_fd);
	arena_free(&c->texts);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
