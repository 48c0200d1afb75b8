/* live: see live.h. */
#include "cli/reliability/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"

#define READY_LIMIT_US (5 * SEC)

struct live {
	struct cli *cli;
	struct undo *undo;
};

static int sign_in(struct measure *);
static int refused(struct measure *, const struct answer *, const char *);
static int look_at_chaos(struct measure *);
static bool reach(struct measure *);
static bool run_parts(struct measure *);
static bool ran_out(struct measure *);
static void say_fleet(struct measure *, const json_t *);
static void say_not_measured(struct measure *);
static bool is_ready(void *);

/* What the parts are, in the order in which they are made. */
static const struct {
	enum part part;
	bool (*run)(struct measure *);
} parts[] = {
	{ PART_QUIET, part_quiet },
	{ PART_ACTIVE, live_active },
	{ PART_LOADS, part_loads },
	{ PART_RECOVERY, part_recovery },
	{ PART_CORRELATED, live_correlated },
};

int
live_measure(struct measure *m, struct cli *cli, struct undo *u)
{
	struct live l = { cli, u };
	int status;

	m->live = &l;
	m->space = u->space;
	m->r->live = true;
	for (size_t k = 0; k < scenario_kinds(); k++)
		must(result_kind(m->r, scenario_name(k)) == k);
	say_not_measured(m);
	status = sign_in(m);
	if (status == CLI_OK && (m->o->parts & LIVE_PARTS_HARM) != 0)
		status = look_at_chaos(m);
	if (status == CLI_OK && !(reach(m) && run_parts(m)))
		status = CLI_UNAVAILABLE;
	m->live = NULL;
	return status;
}

struct undo *
live_undo(struct live *l)
{
	return l->undo;
}

/* As any command does, renewing what ran out; before each part, as parts take minutes. The way that it
 * took is closed: what is measured goes another one. */
static int
sign_in(struct measure *m)
{
	struct cli *cli = m->live->cli;
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/fleet" });
	int status = CLI_OK;

	if (a->status != 200)
		status = refused(m, a, "the fleet's state");
	else if (m->token == NULL)
		say_fleet(m, a->json);
	way_close(cli);
	if (status != CLI_OK)
		return status;
	if (m->token != NULL)
		explicit_bzero(m->token, strlen(m->token));
	free(m->token);
	m->token = strdup(cli->access_token);
	must(m->token != NULL);
	if (m->client != NULL)
		client_set_token(m->client, m->token);
	return CLI_OK;
}

static int
refused(struct measure *m, const struct answer *a, const char *what)
{
	snprintf(m->err, sizeof(m->err), "%s: %s", what,
	    a->problem != NULL ? a->problem : "not to be had");
	return cli_exit_of(a);
}

/* Before anything is made: may we, and does nobody else hurt it at the moment? */
static int
look_at_chaos(struct measure *m)
{
	struct cli *cli = m->live->cli;
	const struct answer *a =
	    cli_send(cli, &(const struct query){ .method = "GET", .path = "/v1/chaos" });
	int status = a->status == 200 ? CLI_OK : refused(m, a, "faults");
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(a->json, "items"), i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "state")) ?: "", "running") == 0)
			status = CLI_CONFLICT;
	}
	if (status == CLI_CONFLICT)
		snprintf(m->err, sizeof(m->err), "an experiment runs already: metafed chaos list");
	way_close(cli);
	return status;
}

static bool
reach(struct measure *m)
{
	const struct cli *cli = m->live->cli;
	int64_t until = time_now_us() + READY_LIMIT_US;

	m->client =
	    client_open_with(&(const struct client_opts){ .var = cli->var_given ? cli->var : NULL },
		m->err, sizeof(m->err));
	if (m->client == NULL)
		return false;
	m->meta = client_meta(m->client);
	client_set_token(m->client, m->token);
	while (!target_ready(m->meta) && time_now_us() < until)
		loop_run_until(client_loop(m->client), is_ready, m, 20 * MS);
	measure_say("measuring the fleet of %s; what is made for it is in namespace %s",
	    client_where(m->client), m->space);
	m->live->undo->wrote = true;
	return measure_make_shared(m);
}

static bool
run_parts(struct measure *m)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if ((m->o->parts & PART_BIT(parts[i].part)) == 0)
			continue;
		if (sign_in(m) != CLI_OK || !parts[i].run(m) || ran_out(m))
			return false;
	}
	return true;
}

/* What is refused for our credential says nothing of the fleet. */
static bool
ran_out(struct measure *m)
{
	const struct system *s;

	must(m->r->n_runs > 0); /* quiet or active is the first part */
	s = &m->r->runs[m->r->n_runs - 1].federation;
	for (size_t i = 0; i < s->n; i++)
		if (s->records[i].status == ST_UNAUTHENTICATED) {
			snprintf(m->err, sizeof(m->err),
			    "the credential ran out, or was revoked, meanwhile: fewer scenarios, a "
			    "greater load, or another log-in");
			return true;
		}
	return false;
}

static void
say_fleet(struct measure *m, const json_t *v)
{
	static const char *const facts[] = { "mode", "stores" };
	const json_t *nodes = json_object_get(v, "nodes"), *one;
	unsigned ready = 0;
	char text[64], name[32];
	size_t i;

	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		snprintf(name, sizeof(name), "fleet's %s, before", facts[i]);
		result_fact(
		    m->r, name, json_string_value(json_object_get(v, facts[i])) ?: "not known");
	}
	json_array_foreach(nodes, i, one)
	{
		ready +=
		    strcmp(json_string_value(json_object_get(one, "state")) ?: "", "READY") == 0;
	}
	snprintf(text, sizeof(text), "%u of %zu", ready, json_array_size(nodes));
	result_fact(m->r, "nodes READY, before", text);
	result_fact(m->r, "requests",
	    "of the lowest priority, in a namespace of their own: where others need the fleet they "
	    "wait, or are refused");
}

static void
say_not_measured(struct measure *m)
{
	static const struct fact always[] = {
		{ "baseline", "the single process needs the stores of a private fleet; so there "
			      "are no pairs, no "
			      "overhead of coordination and no comparison" },
		{ "theory", "the formula needs fixed tries and breakers that only observe, which "
			    "are settings "
			    "of the fleet" },
		{ "timeline", "without prevention: breakers are settings of the fleet" },
		{ "shapes", "need processes of their own" },
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		result_not_measured(m->r, always[i].name, always[i].value);
	for (enum part p = 0; p < PARTS; p++)
		if (((LIVE_PARTS_QUIET | LIVE_PARTS_HARM) & ~m->o->parts & PART_BIT(p)) != 0)
			result_not_measured(m->r, part_names[p],
			    (LIVE_PARTS_HARM & PART_BIT(p)) != 0 ? "not asked for: it does harm"
								 : "not asked for");
}

static bool
is_ready(void *ctx)
{
	return target_ready(((const struct measure *)ctx)->meta);
}
