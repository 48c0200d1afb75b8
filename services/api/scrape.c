/* scrape: /metrics. All thirteen, and who stands by for meta, are asked side by side; who does not
 * answer within a second is down for this page.
 *
 * It says much about a fleet: this machine may read it, and who shows the token of
 * metrics_token_file. No agent is asked about it: it must be there when auth is not. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/exchange.h"
#include "base/log.h"
#include "base/time.h"

#define THIRTEEN      (sizeof(fleet_names) / sizeof(fleet_names[0]))
#define NODES_MOST    (THIRTEEN + 2)
#define REPLICAS_MOST 16 /* of one name */
#define ONE_LIMIT_US  (1 * SEC)
#define TOKEN_LEAST   16
#define TOKEN_MOST    512

struct asked {
	struct scraping *s;
	size_t node; /* in `nodes` */
	struct rpc *rpc;
};

struct scraping { /* in its call's arena */
	struct call *c;
	size_t n, left;
	struct asked asked[NODES_MOST * REPLICAS_MOST];
	struct scraped all[NODES_MOST * REPLICAS_MOST];
};

static void ask_all(struct exchange *);
static bool may_read(const struct exchange *);
static void hash_of(const char *, size_t, uint8_t[crypto_generichash_BYTES]);
static void list_processes(struct scraping *, size_t);
static void ask(struct scraping *, size_t);
static void on_metrics(const Mf__Metrics *, void *);
static void on_end(struct call *, const struct call_end *, void *);

static const char *names[NODES_MOST];
static struct target *nodes[NODES_MOST];
static size_t n_nodes;
static struct scraping *current; /* what on_end reads, within call_reply */
static struct {
	bool set;
	uint8_t hash[crypto_generichash_BYTES]; /* the token itself is not kept */
} token;

void
scrape_init(struct bus *b)
{
	n_nodes = 0;
	for (size_t i = 0; i < THIRTEEN; i++)
		names[n_nodes++] = fleet_names[i].name;
	for (const char *const *m = fleet_meta() + 1; *m != NULL; m++)
		names[n_nodes++] = *m;
	for (size_t i = 0; i < n_nodes; i++)
		nodes[i] = bus_node_target(b, names[i]);
}

bool
scrape_configure(const char *file, char *err, size_t err_size)
{
	char text[TOKEN_MOST + 1];
	struct stat st;
	ssize_t n = -1;
	int fd;

	if (file[0] == '\0') {
		token.set = false;
		return true;
	}
	must(sodium_init() >= 0);
	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) >= 0 && fstat(fd, &st) == 0 &&
	    (st.st_mode & S_IRWXO) == 0)
		n = read(fd, text, TOKEN_MOST);
	if (fd < 0 || n < 0)
		snprintf(err, err_size, "metrics_token_file: %s: %s", file,
		    fd < 0 ? strerror(errno) : "can't be read, or others may read or write it");
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	n = (ssize_t)strcspn(text, "\r\n");
	if (n >= TOKEN_LEAST)
		hash_of(text, (size_t)n, token.hash);
	else
		snprintf(err, err_size, "metrics_token_file: %s: must have at least %d characters",
		    file, TOKEN_LEAST);
	sodium_memzero(text, sizeof(text));
	token.set |= n >= TOKEN_LEAST;
	return n >= TOKEN_LEAST;
}

void
scrape(struct exchange *x)
{
	static const struct failure not_you = {
		.status = ST_UNAUTHENTICATED,
		.message = "metrics are read from this machine, or with the token of "
			   "metrics_token_file",
		.reason = "METRICS_TOKEN_NEEDED",
	};

	if (may_read(x))
		ask_all(x);
	else
		exchange_refuse(x, 401, &not_you);
}

/* What a proxy on this machine hands on is from anywhere. */
static bool
may_read(const struct exchange *x)
{
	static const char scheme[] = "Bearer ";
	struct str shown = x->head.fields[F_AUTHORIZATION];
	uint8_t hash[crypto_generichash_BYTES];

	if (address_local(conn_peer(x->k)) && !edge_config(x->e)->behind_proxy)
		return true;
	if (!token.set || shown.n < sizeof(scheme) || shown.n > TOKEN_MOST + sizeof(scheme) ||
	    strncasecmp(shown.p, scheme, sizeof(scheme) - 1) != 0)
		return false;
	shown =
	    str_trim((struct str){ shown.p + sizeof(scheme) - 1, shown.n - sizeof(scheme) + 1 });
	hash_of(shown.p, shown.n, hash);
	return sodium_memcmp(hash, token.hash, sizeof(hash)) == 0;
}

static void
hash_of(const char *p, size_t n, uint8_t out[crypto_generichash_BYTES])
{
	(void)crypto_generichash(out, crypto_generichash_BYTES, (const uint8_t *)p, n, NULL, 0);
}

static void
ask_all(struct exchange *x)
{
	struct call *c =
	    call_root(node_bus(edge_node(exchange_edge(x))), &(const struct call_opts){
								 .limit_us = 2 * ONE_LIMIT_US,
								 .done = on_end,
								 .ctx = x,
							     });
	struct scraping *s = ARENA_NEW(call_arena(c), struct scraping);

	exchange_wait(x, c);
	s->c = c;
	for (size_t i = 0; i < n_nodes; i++)
		list_processes(s, i);
	s->left = s->n;
	for (size_t i = 0; i < s->n; i++)
		ask(s, i);
}

/* Whoever is there by that name; else it, so that it is missed. */
static void
list_processes(struct scraping *s, size_t node)
{
	const char *instances[REPLICAS_MOST];
	size_t n = bus_instances(call_bus(s->c), names[node], instances, REPLICAS_MOST);

	for (size_t i = 0; i < n || i == 0; i++) {
		bool known = i < n && strcmp(instances[i], names[node]) != 0;

		s->asked[s->n] = (struct asked){ .s = s, .node = node };
		s->all[s->n++] = (struct scraped){ .node = names[node],
			.replica = known ? arena_strdup(call_arena(s->c), instances[i]) : NULL };
	}
}

static void
ask(struct scraping *s, size_t i)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct asked *a = &s->asked[i];

	a->rpc = rpc_new(s->c, nodes[a->node],
	    &(const struct rpc_opts){
		.limit_us = ONE_LIMIT_US,
		.once = true,
		.quiet = true,
		.node = s->all[i].replica,
	    });
	mf__node__get_metrics(&a->rpc->service, &empty, on_metrics, a);
}

static void
on_metrics(const Mf__Metrics *m, void *ctx)
{
	Mf__Empty empty = MF__EMPTY__INIT;
	struct asked *a = ctx;
	struct scraping *s = a->s;

	s->all[a - s->asked].metrics = m;
	if (--s->left != 0)
		return;
	current = s;
	call_reply(s->c, &empty.base);
	current = NULL;
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	static const struct http_header types[] = {
		[EXPOSITION_TEXT] = { "Content-Type", "text/plain; version=0.0.4; charset=utf-8" },
		[EXPOSITION_OPENMETRICS] = { "Content-Type",
		    "application/openmetrics-text; version=1.0.0; charset=utf-8" },
	};
	struct exchange *x = ctx;
	enum exposition form = openmetrics_wanted(exchange_head(x)->fields[F_ACCEPT])
	                           ? EXPOSITION_OPENMETRICS
	                           : EXPOSITION_TEXT;
	struct buf page = { NULL, 0, 0 };

	(void)c;
	if (end->failure != NULL) {
		exchange_refuse(x, 503, end->failure);
		return;
	}
	exposition_write(&page, form, current->n, current->all);
	exchange_answer(x, 200, 2,
	    (const struct http_header[]){ types[form], { "Vary", "Accept" } }, page.p, page.n);
	buf_free(&page);
}
