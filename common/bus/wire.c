/* wire: addresses, hello, turn, life. Owns everything that lane.c, visitor.c and bell.c hang into
 * it.
 *
 * nng starts its threads with the first socket, so none is opened before wire_new: after any fork.
 * Called by rpc.c and server.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/wire_impl.h"

static bool wire_dir(struct wire *w, const struct node_config *c, char *err, size_t err_size);
static bool wire_identity(struct wire *w, const struct node_config *c, char *err, size_t err_size);
static bool dir_ready(const char *dir, char *err, size_t err_size);
static bool peer_url(const char *peers, const char *node, char out[WIRE_URL]);
static void on_turn(struct loop_turn *t);

struct wire *
wire_new(struct loop *l, const struct wire_opts *o, char *err, size_t err_size)
{
	struct wire *w = calloc(1, sizeof(*w));

	must(w != NULL && strlen(o->name) < sizeof(w->name));
	memcpy(w->name, o->name, strlen(o->name) + 1);
	if (o->config->instance != NULL)
		snprintf(w->instance, sizeof(w->instance), "%s", o->config->instance);
	w->loop = l;
	w->generation = o->generation;
	w->events = *o->events;
	w->ctx = o->ctx;
	w->listen = strdup(o->config->bus_listen);
	w->peers = strdup(o->config->bus_peers);
	must(w->listen != NULL && w->peers != NULL);
	list_init(&w->members);
	list_init(&w->plain);
	list_init(&w->answered);
	list_init(&w->ears);
	lines_init(&w->lines, l);
	w->turn.fn = on_turn;
	loop_turn_add(l, &w->turn);
	if (!wire_dir(w, o->config, err, err_size) || !wire_identity(w, o->config, err, err_size))
		wire_free(&w);
	return w;
}

bool
wire_listen(struct wire *w, char *err, size_t err_size)
{
	if (w->listen[0] == '\0' && !dir_ready(w->dir, err, err_size))
		return false;
	return visitor_listen(w, err, err_size) && bell_listen(w, err, err_size);
}

void
wire_free(struct wire **wp)
{
	struct wire *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	wire_flush(w);
	loop_turn_del(w->loop, &w->turn);
	lane_free_all(w);
	visitor_free_all(w);
	bell_free_all(w);
	lines_stop(&w->lines);
	secure_unload(&w->id);
	free(w->listen);
	free(w->peers);
	explicit_bzero(w->bell_key, sizeof(w->bell_key));
	free(w);
}

void
wire_set_draining(struct wire *w)
{
	w->lines.draining = true;
	visitor_speak_all(w);
}

void
wire_set_unfit(struct wire *w, bool unfit)
{
	if (w->lines.unfit == unfit)
		return;
	w->lines.unfit = unfit;
	visitor_speak_all(w);
}

void
wire_set_hint(struct wire *w, uint64_t epoch, uint64_t value)
{
	if (w->lines.hinted && w->lines.hint_epoch == epoch && w->lines.hint_value == value)
		return;
	w->lines.hinted = true;
	w->lines.hint_epoch = epoch;
	w->lines.hint_value = value;
	visitor_speak_all(w);
}

void
wire_flush(struct wire *w)
{
	lines_flush(&w->lines);
}

const struct wire_stats *
wire_stats(const struct wire *w)
{
	return &w->lines.stats;
}

bool
wire_url_of(const struct wire *w, const char *node, enum wire_place place, char out[WIRE_URL])
{
	int n;

	if (w->peers[0] != '\0')
		return peer_url(w->peers, node, out) &&
		       (place == PLACE_CALLS || !wire_is_tcp(out) || wire_bell_url(out));
	n = snprintf(
	    out, WIRE_URL, "ipc://%s/%s.%s", w->dir, node, place == PLACE_CALLS ? "sock" : "pub");
	return n > 0 && n < WIRE_URL;
}

/* An ipc socket of ours that is there already was left by a process that died: the run file's lock
 * says so. */
bool
wire_url_listen(
    const struct wire *w, enum wire_place place, char out[WIRE_URL], char *err, size_t err_size)
{
	const char *path;
	int n;

	if (w->listen[0] != '\0') {
		n = snprintf(out, WIRE_URL, "%s", w->listen);
		if (n < WIRE_URL && wire_is_tcp(out) &&
		    (place == PLACE_CALLS || wire_bell_url(out)))
			return true;
		snprintf(err, err_size, "bus_listen: %s is not tcp://ADDRESS:PORT", w->listen);
		return false;
	}
	n = snprintf(out, WIRE_URL, "ipc://%s/%s.%s", w->dir, w->name,
	    place == PLACE_CALLS ? "sock" : "pub");
	path = out + strlen("ipc://");
	if (n >= WIRE_URL || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		snprintf(err, err_size,
		    "%s: longer than the 107 bytes of a socket's path; choose a shorter var or "
		    "bus_dir",
		    path);
		return false;
	}
	if (unlink(path) == 0 || errno == ENOENT)
		return true;
	snprintf(err, err_size, "%s: %s", path, strerror(errno));
	return false;
}

size_t
wire_places(const struct wire *w, const char *node, char (*urls)[WIRE_URL], size_t most)
{
	struct str rest = str_of(w->peers), one, name, url;
	size_t n = 0;

	if (strstr(w->peers, "%s") != NULL)
		return most > 0 && peer_url(w->peers, node, urls[0]);
	while (rest.n > 0 && n < most) {
		(void)str_cut(rest, ',', &one, &rest);
		if (str_cut(str_trim(one), '=', &name, &url) && str_eq(name, node) &&
		    snprintf(urls[n], WIRE_URL, "%.*s", (int)url.n, url.p) < WIRE_URL)
			n++;
	}
	return n;
}

/* The bell has the port after that of the calls. */
bool
wire_bell_url(char url[WIRE_URL])
{
	char *colon = strrchr(url, ':');
	uint64_t port;

	if (colon == NULL || !str_u64(str_of(colon + 1), 65534, &port) || port == 0)
		return false;
	return snprintf(colon + 1, WIRE_URL - (size_t)(colon + 1 - url), "%u", (unsigned)port + 1) >
	       0;
}

bool
wire_is_tcp(const char *url)
{
	return str_starts(url, "tcp://");
}

void
wire_hello(const struct wire *w, uint64_t epoch, Mf__Hello *h)
{
	mf__hello__init(h);
	h->version = WIRE_VERSION;
	h->node = (char *)(w->id != NULL ? secure_name(w->id) : w->name);
	h->instance = (char *)w->instance;
	h->generation = w->generation;
	h->epoch = epoch;
}

void
wire_refused(struct wire *w, const char *why)
{
	w->lines.stats.refused_peers++;
	log_warn("bus_peer_refused", L_STR("why", why));
}

static bool
wire_dir(struct wire *w, const struct node_config *c, char *err, size_t err_size)
{
	int n;

	n = c->bus_dir[0] != '\0' ? snprintf(w->dir, sizeof(w->dir), "%s", c->bus_dir)
	                          : snprintf(w->dir, sizeof(w->dir), "%s/run/bus", c->var);
	if (n < (int)sizeof(w->dir))
		return true;
	snprintf(err, err_size, "bus_dir: path is too long");
	return false;
}

/* tcp in either direction needs a key. The command line calls itself client-PID, its key has a name
 * of its own. */
static bool
wire_identity(struct wire *w, const struct node_config *c, char *err, size_t err_size)
{
	if (w->listen[0] == '\0' && w->peers[0] == '\0')
		return true;
	if (c->bus_key_file[0] == '\0' || c->bus_trust_file[0] == '\0') {
		snprintf(err, err_size,
		    "the bus over tcp needs bus_key_file and bus_trust_file: `metafed keys init` "
		    "makes them");
		return false;
	}
	w->id = secure_load(c->bus_key_file, c->bus_trust_file, err, err_size);
	if (w->id == NULL)
		return false;
	secure_bell_key(w->bell_key);
	if (strcmp(secure_name(w->id), w->name) == 0 || str_starts(w->name, "client-"))
		return true;
	snprintf(err, err_size, "%s: is the key of %s, not of %s", c->bus_key_file,
	    secure_name(w->id), w->name);
	return false;
}

static bool
dir_ready(const char *dir, char *err, size_t err_size)
{
	char path[WIRE_URL];
	struct stat st;

	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		(void)mkdir(path, 0755);
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		snprintf(err, err_size, "%s: %s", dir, strerror(errno));
		return false;
	}
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & 077) == 0)
		return true;
	snprintf(err, err_size, "%s: must be a directory of ours with mode 0700", dir);
	return false;
}

/* "tcp://%s:7700" for all, or "name=url,name=url". */
static bool
peer_url(const char *peers, const char *node, char out[WIRE_URL])
{
	const char *mark = strstr(peers, "%s");
	struct str rest = str_of(peers), one, name, url;
	int n;

	if (mark != NULL) {
		n = snprintf(out, WIRE_URL, "%.*s%s%s", (int)(mark - peers), peers, node, mark + 2);
		return n < WIRE_URL;
	}
	while (rest.n > 0) {
		(void)str_cut(rest, ',', &one, &rest);
		if (str_cut(str_trim(one), '=', &name, &url) && str_eq(name, node)) {
			n = snprintf(out, WIRE_URL, "%.*s", (int)url.n, url.p);
			return n < WIRE_URL;
		}
	}
	return false;
}

static void
on_turn(struct loop_turn *t)
{
	struct wire *w = container_of(t, struct wire, turn);

	if (w->lines.dirty.n > 0)
		wire_flush(w);
	if (w->answered.n > 0)
		visitor_sweep(w);
}
