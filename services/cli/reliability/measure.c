/* measure: see measure.h. The ground: the fleet with the settings of a part, a log-in, and the objects
 * that scenarios are about. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "cli/reliability/baseline.h"
#include "cli/reliability/measure.h"
#include "cli/reliability/shapes.h"
#include "proto/jwt.pb-c.h"

#define READY_LIMIT_US (60 * SEC)
#define LOOK_US        (20 * MS)
#define BULK           100
#define SHAPE_CALLS    2000
#define SIMULATED      200000

const char *const part_names[PARTS] = { "theory", "active", "quiet", "loads", "recovery",
	"correlated", "timeline", "shapes" };

static bool observing(struct measure *);
static bool by_default(struct measure *);
static bool has(const struct measure *, enum part);
static bool log_in(struct measure *);
static bool all_ready(struct measure *);
static void on_fleet(const Mf__FleetState *, void *);
static bool keep_keys(struct measure *);
static void on_keys(const Mf__JwkSet *, void *);
static bool bulk(struct measure *, const char *model, size_t n, char (*ids)[UUID_LEN]);
static bool never(void *);

struct ask { /* one call of ours, waited for */
	struct loop *loop;
	struct call *root;
	struct rpc *rpc;
	bool done, ok;
	struct measure *m;
};
static void ask_open(struct measure *, struct ask *, struct target *);
static bool ask_wait(struct ask *);
static void ask_end(struct call *, const struct call_end *, void *);
static bool ask_done(void *);

void
measure_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

bool
measure_all(struct measure *m)
{
	static const uint32_t defaults = PART_BIT(PART_ACTIVE) | PART_BIT(PART_QUIET) |
	                                 PART_BIT(PART_LOADS) | PART_BIT(PART_RECOVERY) |
	                                 PART_BIT(PART_CORRELATED) | PART_BIT(PART_TIMELINE);
	const struct measure_opts *o = m->o;

	for (size_t k = 0; k < scenario_kinds(); k++)
		must(result_kind(m->r, scenario_name(k)) == k);
	if ((o->parts & (PART_BIT(PART_THEORY) | PART_BIT(PART_TIMELINE))) != 0 && !observing(m))
		return false;
	if ((o->parts & defaults) != 0 && !by_default(m))
		return false;
	measure_stop(m);
	if (has(m, PART_SHAPES)) {
		measure_say("depth and breadth, with processes of that shape");
		shapes_measure(
		    m->r, &(const struct shapes_opts){ .seed = o->seed,
			      .error = o->rates.agent,
			      .simulated = SIMULATED,
			      .dir = private_fleet_var(m->fleet),
			      .calls = o->scenarios < SHAPE_CALLS ? o->scenarios : SHAPE_CALLS });
	}
	return true;
}

/* What the formula describes, and how it looks when nothing is prevented. */
static bool
observing(struct measure *m)
{
	const struct tries *k = &m->o->tries;
	char settings[512];

	snprintf(settings, sizeof(settings),
	    "breakers = observe\nretry_tries = %u\n[api]\nretry_tries = %u\n"
	    "[database]\nretry_tries = %u\n[auth]\nretry_tries = %u\n"
	    "[meta]\nslots_share = 0\n",
	    k->meta, k->agent, k->agent, k->agent);
	measure_say(
	    "starting a private fleet: no bulkheads, breakers observe, %u tries, %u of agents",
	    k->meta, k->agent);
	return measure_start(m, settings) && (!has(m, PART_THEORY) || part_theory(m)) &&
	       (!has(m, PART_TIMELINE) || part_timeline(m, false));
}

static bool
by_default(struct measure *m)
{
	measure_say("starting a private fleet with its default settings");
	return measure_start(m, "") && (!has(m, PART_ACTIVE) || part_active(m)) &&
	       (!has(m, PART_QUIET) || part_quiet(m)) && (!has(m, PART_LOADS) || part_loads(m)) &&
	       (!has(m, PART_RECOVERY) || part_recovery(m)) &&
	       (!has(m, PART_CORRELATED) || part_correlated(m)) &&
	       (!has(m, PART_TIMELINE) || part_timeline(m, true));
}

static bool
has(const struct measure *m, enum part p)
{
	return (m->o->parts & PART_BIT(p)) != 0;
}

void
measure_close(struct measure *m)
{
	measure_stop(m);
	free(m->pool.doomed_tasks);
	free(m->pool.doomed_documents);
	if (m->token != NULL)
		explicit_bzero(m->token, strlen(m->token));
	free(m->token);
	free(m->jwks);
}

bool
measure_start(struct measure *m, const char *settings)
{
	int64_t until = time_now_us() + READY_LIMIT_US;
	const char *var = private_fleet_var(m->fleet);
	static const char *const meta[] = { "meta", NULL };
	static const char *const single[] = { BASELINE_NODE, NULL };

	measure_stop(m);
	if (!private_fleet_start(m->fleet, settings, m->err, sizeof(m->err)))
		return false;
	m->client = client_open_with(
	    &(const struct client_opts){ .var = var, .config = private_fleet_config(m->fleet) },
	    m->err, sizeof(m->err));
	if (m->client == NULL)
		return false;
	m->meta = target_new(client_bus(m->client),
	    &(const struct target_def){ &mf__meta__descriptor, meta, { .failures = 5 } });
	m->single = target_new(client_bus(m->client),
	    &(const struct target_def){ &mf__meta__descriptor, single, { .failures = 1000000 } });
	while (!all_ready(m) || !log_in(m)) {
		if (!private_fleet_runs(m->fleet) || time_now_us() > until) {
			if (m->err[0] == '\0')
				snprintf(m->err, sizeof(m->err),
				    "the private fleet is not READY: %s",
				    private_fleet_last_words(m->fleet, "start"));
			return false;
		}
		measure_pause(m, LOOK_US);
	}
	m->err[0] = '\0';
	return keep_keys(m) && measure_make_shared(m);
}

void
measure_stop(struct measure *m)
{
	if (m->client != NULL)
		single_stop(m);
	client_close(&m->client);
	if (m->fleet != NULL)
		private_fleet_stop(m->fleet);
}

bool
measure_faults(struct measure *m, const struct rates *e, enum inject_as as)
{
	return inject_rates(
	    inject_direct, client_bus(m->client), e, as, m->o->seed, m->err, sizeof(m->err));
}

bool
measure_rule(struct measure *m, uint16_t members, const char *rule)
{
	return inject_rule(inject_direct, client_bus(m->client), members, rule, m->o->seed, m->err,
	    sizeof(m->err));
}

struct load
measure_load(struct measure *m, struct system *out, bool single, uint32_t n, enum scenario_set set)
{
	return (struct load){ .bus = client_bus(m->client),
		.target = single ? m->single : m->meta,
		.single = single,
		.seed = m->o->seed,
		.set = set,
		.n = n,
		.per_s = m->o->per_s,
		.deadline_ms = m->o->deadline_ms,
		.ask = { .pool = &m->pool,
		    .token = m->token,
		    .space = m->space,
		    .last = m->live != NULL },
		.out = out };
}

bool
measure_prepare(struct measure *m, uint32_t n, enum scenario_set set)
{
	size_t most = scenario_deletes(n, set);

	m->pool.doomed_tasks = mem_grow(m->pool.doomed_tasks, most, UUID_LEN);
	m->pool.doomed_documents = mem_grow(m->pool.doomed_documents, most, UUID_LEN);
	m->pool.n_doomed = most;
	return bulk(m, "task", most, m->pool.doomed_tasks) &&
	       bulk(m, SCENARIO_COLLECTION, most, m->pool.doomed_documents);
}

/* --- starting --- */

static bool
all_ready(struct measure *m)
{
	struct ask k;
	Mf__Empty q = MF__EMPTY__INIT;

	ask_open(m, &k, m->meta);
	mf__meta__fleet(&k.rpc->service, &q, on_fleet, &k);
	return ask_wait(&k);
}

static void
on_fleet(const Mf__FleetState *s, void *ctx)
{
	struct ask *k = ctx;

	k->ok = s != NULL && s->n_nodes == MEMBERS;
	for (size_t i = 0; k->ok && i < s->n_nodes; i++)
		k->ok = strcmp(s->nodes[i]->state, "READY") == 0;
	if (s != NULL)
		call_reply(k->root, &s->base);
	else
		call_fail_with(k->root, rpc_failure(k->rpc));
}

static bool
log_in(struct measure *m)
{
	char path[600];
	struct failure f;
	const Mf__TokenPair *pair = NULL;
	json_t *v;

	snprintf(path, sizeof(path), "%s/admin.json", private_fleet_var(m->fleet));
	if ((v = json_load_file(path, 0, NULL)) == NULL) {
		snprintf(m->err, sizeof(m->err), "%s is not there", path);
		return false;
	}
	pair = client_login(m->client, json_string_value(json_object_get(v, "username")) ?: "",
	    json_string_value(json_object_get(v, "password")) ?: "", &f);
	json_decref(v);
	if (pair == NULL) {
		snprintf(m->err, sizeof(m->err), "log-in: %s", f.message);
		return false;
	}
	free(m->token);
	m->token = strdup(pair->access_token);
	must(m->token != NULL);
	return true;
}

static bool
keep_keys(struct measure *m)
{
	static const char *const members[] = { "jwt", "oauth", NULL };
	struct ask k;
	Mf__Empty q = MF__EMPTY__INIT;

	if (m->jwks != NULL)
		return true;
	if (asprintf(&m->jwks, "%s/jwks.json", private_fleet_var(m->fleet)) < 0)
		abort();
	ask_open(m, &k,
	    target_new(client_bus(m->client),
		&(const struct target_def){ .service = &mf__jwt__descriptor, .members = members }));
	mf__jwt__keys(&k.rpc->service, &q, on_keys, &k);
	if (!ask_wait(&k))
		snprintf(m->err, sizeof(m->err), "%s: the public keys were not to be had", m->jwks);
	return k.ok;
}

static void
on_keys(const Mf__JwkSet *s, void *ctx)
{
	struct ask *k = ctx;
	FILE *f = s != NULL ? fopen(k->m->jwks, "we") : NULL;

	if (f != NULL)
		k->ok = fwrite(s->data.data, 1, s->data.len, f) == s->data.len &&
		        fchmod(fileno(f), 0644) == 0;
	if (f != NULL && fclose(f) != 0)
		k->ok = false;
	if (s != NULL)
		call_reply(k->root, &s->base);
	else
		call_fail_with(k->root, rpc_failure(k->rpc));
}

/* --- objects --- */

bool
measure_make_shared(struct measure *m)
{
	return bulk(m, "task", POOL_SHARED, m->pool.tasks) &&
	       bulk(m, SCENARIO_COLLECTION, POOL_SHARED, m->pool.documents);
}

/* Makes n objects and their ids. */
static bool
bulk(struct measure *m, const char *model, size_t n, char (*ids)[UUID_LEN])
{
	for (size_t at = 0; at < n; at += BULK) {
		Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
		Mf__DatabaseRequirement d = MF__DATABASE_REQUIREMENT__INIT;
		const Mf__TaskResponse *r;
		struct buf b = { 0 };
		struct failure f;

		for (size_t i = at; i < n && i < at + BULK; i++) {
			uuid7(ids[i]);
			buf_printf(&b, "%s{\"id\":\"%s\",\"title\":\"for a scenario\"}",
			    i == at ? "[" : ",", ids[i]);
		}
		buf_puts(&b, "]");
		d.operation = (char *)"bulk_create";
		d.model = (char *)(uintptr_t)model;
		d.data = (ProtobufCBinaryData){ b.n, (uint8_t *)b.p };
		if (m->space != NULL)
			d.namespace_ = (char *)(uintptr_t)m->space;
		q.database = &d;
		r = client_execute(m->client, &q, &f);
		buf_free(&b);
		if (r != NULL && r->success)
			continue;
		snprintf(m->err, sizeof(m->err), "objects of %s could not be made: %s", model,
		    r == NULL            ? f.message
		    : r->problem != NULL ? r->problem->message
					 : "?");
		return false;
	}
	return true;
}

/* --- waiting --- */

static void
ask_open(struct measure *m, struct ask *k, struct target *t)
{
	*k = (struct ask){ .m = m, .loop = client_loop(m->client) };
	k->root = call_root(client_bus(m->client),
	    &(const struct call_opts){ .limit_us = SEC, .done = ask_end, .ctx = k });
	k->rpc = rpc_new(k->root, t, NULL);
}

static bool
ask_wait(struct ask *k)
{
	while (!k->done)
		loop_run_until(k->loop, ask_done, k, SEC);
	return k->ok;
}

static void
ask_end(struct call *root, const struct call_end *end, void *ctx)
{
	struct ask *k = ctx;

	(void)root, (void)end;
	k->done = true;
	loop_stop(k->loop);
}

static bool
ask_done(void *ctx)
{
	return ((const struct ask *)ctx)->done;
}

void
measure_pause(struct measure *m, int64_t us)
{
	loop_run_until(client_loop(m->client), never, NULL, us);
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}
