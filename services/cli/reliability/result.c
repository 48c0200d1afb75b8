/* result: lists that grow, and the names of things. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/reliability/result.h"

#define TEXTS_CAP (64u << 20)

const struct member_info member_table[MEMBERS] = {
	[MEMBER_META] = { "meta", LEVEL_META, DOMAIN_NONE },
	[MEMBER_API] = { "api", LEVEL_DOMAIN, DOMAIN_API },
	[MEMBER_DATABASE] = { "database", LEVEL_DOMAIN, DOMAIN_DATABASE },
	[MEMBER_AUTH] = { "auth", LEVEL_DOMAIN, DOMAIN_AUTH },
	[MEMBER_REST] = { "rest", LEVEL_AGENT, DOMAIN_API },
	[MEMBER_GRAPHQL] = { "graphql", LEVEL_AGENT, DOMAIN_API },
	[MEMBER_WEBSOCKET] = { "websocket", LEVEL_AGENT, DOMAIN_API },
	[MEMBER_SQL] = { "sql", LEVEL_AGENT, DOMAIN_DATABASE },
	[MEMBER_NOSQL] = { "nosql", LEVEL_AGENT, DOMAIN_DATABASE },
	[MEMBER_CACHE] = { "cache", LEVEL_AGENT, DOMAIN_DATABASE },
	[MEMBER_JWT] = { "jwt", LEVEL_AGENT, DOMAIN_AUTH },
	[MEMBER_OAUTH] = { "oauth", LEVEL_AGENT, DOMAIN_AUTH },
	[MEMBER_RBAC] = { "rbac", LEVEL_AGENT, DOMAIN_AUTH },
};
const char *const level_names[LEVELS] = { "meta", "orchestrator", "agent" };
const char *const domain_names[DOMAINS] = { "api", "database", "auth" };
const char *const run_names[RUN_KINDS] = {
	[RUN_THEORY] = "independent faults, breakers observe",
	[RUN_ACTIVE] = "independent faults, as it is by default",
	[RUN_CORRELATED] = "faults of a common cause",
	[RUN_QUIET] = "no faults",
	[RUN_LOAD] = "no faults, more load",
};
const char *const recovery_names[RECOVERIES] = { "agent", "orchestrator", "meta", "store",
	"baseline" };

static void *grown(void *, size_t, size_t *, size_t);
static void *one_more(void *, size_t *, size_t);
static void free_system(struct system *);

enum member
member_find(const char *name)
{
	enum member m = 0;

	while (m < MEMBERS && strcmp(member_table[m].name, name) != 0)
		m++;
	return m;
}

struct result *
result_new(uint64_t seed)
{
	struct result *r = mem_zalloc(sizeof(*r));

	r->arena = arena_new(TEXTS_CAP);
	r->seed = seed;
	return r;
}

void
result_free(struct result **rp)
{
	struct result *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	for (size_t i = 0; i < r->n_runs; i++) {
		free_system(&r->runs[i].federation);
		free_system(&r->runs[i].baseline);
	}
	for (size_t i = 0; i < r->n_timelines; i++)
		free(r->timelines[i].moments);
	free(r->kinds);
	free(r->runs);
	free(r->recoveries);
	free(r->timelines);
	free(r->shapes);
	free(r->facts);
	free(r->trials);
	free(r->not_measured);
	arena_free(&r->arena);
	free(r);
}

const char *
result_text(struct result *r, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	return text;
}

uint16_t
result_kind(struct result *r, const char *name)
{
	size_t i = 0;

	while (i < r->n_kinds && strcmp(r->kinds[i], name) != 0)
		i++;
	if (i == r->n_kinds) {
		must(i < UINT16_MAX);
		r->kinds = one_more(r->kinds, &r->n_kinds, sizeof(*r->kinds));
		r->kinds[i] = arena_strdup(r->arena, name);
	}
	return (uint16_t)i;
}

struct run *
result_run(struct result *r, enum run_kind kind)
{
	struct run *n;

	r->runs = one_more(r->runs, &r->n_runs, sizeof(*r->runs));
	n = &r->runs[r->n_runs - 1];
	n->kind = kind;
	n->load = 1;
	return n;
}

struct record *
result_record(struct system *s)
{
	s->asked = true;
	s->records = grown(s->records, s->n, &s->cap, sizeof(*s->records));
	return &s->records[s->n++];
}

struct recovery *
result_recovery(struct result *r)
{
	r->recoveries = one_more(r->recoveries, &r->n_recoveries, sizeof(*r->recoveries));
	r->recoveries[r->n_recoveries - 1].back_us = -1;
	return &r->recoveries[r->n_recoveries - 1];
}

struct timeline *
result_timeline(struct result *r, const char *name)
{
	r->timelines = one_more(r->timelines, &r->n_timelines, sizeof(*r->timelines));
	r->timelines[r->n_timelines - 1].name = arena_strdup(r->arena, name);
	return &r->timelines[r->n_timelines - 1];
}

struct moment *
result_moment(struct timeline *t)
{
	t->moments = grown(t->moments, t->n, &t->cap, sizeof(*t->moments));
	return &t->moments[t->n++];
}

struct shape *
result_shape(struct result *r, uint32_t depth, uint32_t breadth)
{
	struct shape *s;

	r->shapes = one_more(r->shapes, &r->n_shapes, sizeof(*r->shapes));
	s = &r->shapes[r->n_shapes - 1];
	s->depth = depth;
	s->breadth = breadth;
	return s;
}

void
result_fact(struct result *r, const char *name, const char *value)
{
	r->facts = one_more(r->facts, &r->n_facts, sizeof(*r->facts));
	r->facts[r->n_facts - 1] =
	    (struct fact){ arena_strdup(r->arena, name), arena_strdup(r->arena, value) };
}

struct trial *
result_trial(struct result *r)
{
	r->trials = one_more(r->trials, &r->n_trials, sizeof(*r->trials));
	return &r->trials[r->n_trials - 1];
}

void
result_not_measured(struct result *r, const char *what, const char *why)
{
	r->not_measured = one_more(r->not_measured, &r->n_not_measured, sizeof(*r->not_measured));
	r->not_measured[r->n_not_measured - 1] =
	    (struct fact){ arena_strdup(r->arena, what), arena_strdup(r->arena, why) };
}

/* Room for one more behind the n that are there, cleared. */
static void *
grown(void *p, size_t n, size_t *cap, size_t size)
{
	if (n == *cap) {
		*cap = n == 0 ? 64 : n * 2;
		p = mem_grow(p, *cap, size);
	}
	memset((char *)p + n * size, 0, size);
	return p;
}

/* Of the short lists. */
static void *
one_more(void *p, size_t *n, size_t size)
{
	p = mem_grow(p, *n + 1, size);
	memset((char *)p + *n * size, 0, size);
	++*n;
	return p;
}

static void
free_system(struct system *s)
{
	free(s->records);
}
