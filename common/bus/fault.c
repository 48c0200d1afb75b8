/* fault: see fault.h. The parser reads what an operator typed: bounds and unknown words are errors
 * that name the place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/fault.h"

#define RULES_MOST    64
#define NAME_MOST     64
#define DELAY_MOST_MS 3600000
#define NTH_MOST      1000000
#define CUTS_MOST     16
#define CLOCK_MOST_MS 86400000

struct rule {
	char service[NAME_MOST], method[NAME_MOST]; /* "" = any */
	double error, delay, hang, drop, corrupt, crash;
	enum status status;
	int64_t delay_us;
};

struct arming {
	char step[NAME_MOST];
	enum step_action action;
	uint32_t nth;
};

struct fault_point {
	struct link link;
	const struct rule *rule;
	const char *service, *method;
	struct rng rng;
};

struct fault_set {
	uint64_t seed;
	size_t n;
	struct rule rules[RULES_MOST];
	size_t n_steps;
	struct arming steps[RULES_MOST];
	size_t n_cut;
	char cut[CUTS_MOST][NAME_MOST];
	int64_t clock_us;
	struct list points;
};

struct problem {
	char *err;
	size_t size;
};

static bool parse_one(struct fault_set *f, struct str text, struct problem *e);
static bool parse_rule(struct rule *r, struct str text, struct problem *e);
static bool parse_pattern(struct rule *r, struct str text, struct problem *e);
static bool parse_item(struct rule *r, struct str text, struct problem *e);
static bool parse_step(struct arming *a, struct str text, struct problem *e);
static bool parse_cut(struct fault_set *f, struct str text, struct problem *e);
static bool parse_clock(struct fault_set *f, struct str text, struct problem *e);
static bool parse_share(struct str text, double *out);
static bool complain(struct problem *e, const char *what, struct str where);
static const struct rule *
rule_for(const struct fault_set *f, const char *service, const char *method);
static uint64_t hash_of(const char *a, const char *b);

struct fault_set *
fault_parse(const char *spec, uint64_t seed, char *err, size_t err_size)
{
	struct problem e = { err, err_size };
	struct fault_set *f = calloc(1, sizeof *f);
	struct str rest = str_of(spec), one;

	if (f == NULL)
		panic("out of memory");
	f->seed = seed;
	list_init(&f->points);
	while (rest.n > 0) {
		str_cut(rest, ';', &one, &rest);
		one = str_trim(one);
		if (one.n == 0)
			continue;
		if (!parse_one(f, one, &e)) {
			fault_free(&f);
			return NULL;
		}
	}
	return f;
}

void
fault_free(struct fault_set **f)
{
	if (*f == NULL)
		return;
	LIST_EACH(&(*f)->points, k)
		free(container_of(k, struct fault_point, link));
	free(*f);
	*f = NULL;
}

struct fault_point *
fault_point(struct fault_set *f, const char *service, const char *method)
{
	const struct rule *r = rule_for(f, service, method);
	struct fault_point *p;

	if (r == NULL)
		return NULL;
	LIST_EACH(&f->points, k) {
		p = container_of(k, struct fault_point, link);
		if (strcmp(p->service, service) == 0 && strcmp(p->method, method) == 0)
			return p;
	}
	p = calloc(1, sizeof *p);
	if (p == NULL)
		panic("out of memory");
	p->rule = r;
	p->service = service;
	p->method = method;
	rng_seed(&p->rng, f->seed ^ hash_of(service, method));
	list_add(&f->points, &p->link);
	return p;
}

struct fault
fault_draw(struct fault_point *p)
{
	const struct rule *r = p->rule;
	struct fault f = { .status = ST_OK };

	/* Always six draws, so that one share can be changed without changing what the others meet.
	 */
	f.crash = rng_unit(&p->rng) < r->crash;
	f.hang = rng_unit(&p->rng) < r->hang;
	f.drop = rng_unit(&p->rng) < r->drop;
	f.corrupt = rng_unit(&p->rng) < r->corrupt;
	f.status = rng_unit(&p->rng) < r->error ? r->status : ST_OK;
	f.delay_us = rng_unit(&p->rng) < r->delay ? r->delay_us : 0;
	return f;
}

bool
fault_cuts(const struct fault_set *f, const char *node)
{
	for (size_t i = 0; f != NULL && i < f->n_cut; i++)
		if (strcmp(f->cut[i], node) == 0)
			return true;
	return false;
}

int64_t
fault_clock_us(const struct fault_set *f)
{
	return f != NULL ? f->clock_us : 0;
}

void
fault_arm_steps(const struct fault_set *f)
{
	step_disarm_all();
	for (size_t i = 0; f != NULL && i < f->n_steps; i++)
		must(step_arm(f->steps[i].step, f->steps[i].action, f->steps[i].nth));
}

static bool
parse_one(struct fault_set *f, struct str text, struct problem *e)
{
	bool step = text.p[0] == '@';

	if (text.n > 4 && memcmp(text.p, "cut=", 4) == 0)
		return parse_cut(f, text, e);
	if (text.n > 6 && memcmp(text.p, "clock=", 6) == 0)
		return parse_clock(f, text, e);
	if ((step ? f->n_steps : f->n) == RULES_MOST)
		return complain(e, "too many rules at", text);
	return step ? parse_step(&f->steps[f->n_steps++], text, e)
	            : parse_rule(&f->rules[f->n++], text, e);
}

static bool
parse_rule(struct rule *r, struct str text, struct problem *e)
{
	struct str pattern, items, item;

	r->status = ST_UNAVAILABLE;
	if (!str_cut(text, ':', &pattern, &items))
		return complain(e, "no ':' after the pattern in", text);
	if (!parse_pattern(r, str_trim(pattern), e))
		return false;
	items = str_trim(items);
	if (items.n == 0)
		return complain(e, "no fault named in", text);
	while (items.n > 0) {
		str_cut(items, ',', &item, &items);
		if (!parse_item(r, str_trim(item), e))
			return false;
	}
	return true;
}

static bool
parse_pattern(struct rule *r, struct str text, struct problem *e)
{
	struct str service, method;

	if (str_eq(text, "*"))
		return true;
	if (text.n > 3 && memcmp(text.p, "mf.", 3) == 0)
		text = (struct str){ text.p + 3, text.n - 3 };
	if (!str_cut(text, '.', &service, &method) || service.n == 0 || method.n == 0)
		return complain(e, "not *, SERVICE.* or SERVICE.METHOD:", text);
	if (service.n > NAME_MOST - 4 || method.n > NAME_MOST - 1 || !str_token_ok(service) ||
	    !str_token_ok(method))
		return complain(e, "not a name:", text);
	snprintf(r->service, sizeof r->service, "mf.%.*s", (int)service.n, service.p);
	if (!str_eq(method, "*"))
		snprintf(r->method, sizeof r->method, "%.*s", (int)method.n, method.p);
	return true;
}

static bool
parse_item(struct rule *r, struct str text, struct problem *e)
{
	const struct {
		const char *name;
		double *share;
	} shares[] = {
		{ "error", &r->error },
		{ "hang", &r->hang },
		{ "drop", &r->drop },
		{ "corrupt", &r->corrupt },
		{ "crash", &r->crash },
	};
	struct str name, value, share;
	char status[32];
	uint64_t ms;

	str_cut(text, '=', &name, &value);
	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
		if (str_eq(name, shares[i].name))
			return parse_share(value, shares[i].share) ||
			       complain(e, "not a share from 0 to 1:", text);
	if (str_eq(name, "delay")) {
		r->delay = 1;
		if (str_cut(value, ':', &value, &share) && !parse_share(share, &r->delay))
			return complain(e, "not a share from 0 to 1:", text);
		if (!str_u64(value, DELAY_MOST_MS, &ms))
			return complain(e, "not milliseconds:", text);
		r->delay_us = (int64_t)ms * MS;
		return true;
	}
	if (!str_eq(name, "status"))
		return complain(e, "unknown fault", text);
	snprintf(status, sizeof status, "%.*s", (int)(value.n < 31 ? value.n : 31), value.p);
	r->status = status_from_name(status);
	if (strcmp(status_name(r->status), status) != 0 || r->status == ST_OK)
		return complain(e, "not the name of a failure:", text);
	return true;
}

/* @NAME: kill | stop, =N */
static bool
parse_step(struct arming *a, struct str text, struct problem *e)
{
	struct str name, act, nth;
	uint64_t n = 1;

	if (!str_cut(text, ':', &name, &act))
		return complain(e, "no ':' after the step in", text);
	name = str_trim((struct str){ name.p + 1, name.n - 1 });
	if (name.n == 0 || name.n >= sizeof a->step || !str_token_ok(name))
		return complain(e, "not the name of a step:", name);
	snprintf(a->step, sizeof a->step, "%.*s", (int)name.n, name.p);
	if (!step_known(a->step))
		return complain(e, "this program has no step", name);
	if (str_cut(str_trim(act), '=', &act, &nth) && (!str_u64(nth, NTH_MOST, &n) || n == 0))
		return complain(e, "not a number from 1 to 1000000:", nth);
	a->nth = (uint32_t)n;
	a->action = str_eq(act, "kill") ? STEP_KILL : str_eq(act, "stop") ? STEP_STOP : STEP_NONE;
	return a->action != STEP_NONE || complain(e, "not kill or stop:", act);
}

static bool
parse_cut(struct fault_set *f, struct str text, struct problem *e)
{
	struct str node = str_trim((struct str){ text.p + 4, text.n - 4 });

	if (node.n == 0 || node.n >= NAME_MOST || !str_token_ok(node))
		return complain(e, "not the name of a node:", text);
	if (f->n_cut == CUTS_MOST)
		return complain(e, "too many rules at", text);
	snprintf(f->cut[f->n_cut++], NAME_MOST, "%.*s", (int)node.n, node.p);
	return true;
}

static bool
parse_clock(struct fault_set *f, struct str text, struct problem *e)
{
	struct str ms = str_trim((struct str){ text.p + 6, text.n - 6 });
	bool back = ms.n > 0 && ms.p[0] == '-';
	uint64_t n;

	if (back)
		ms = (struct str){ ms.p + 1, ms.n - 1 };
	if (!str_u64(ms, CLOCK_MOST_MS, &n))
		return complain(e, "not milliseconds:", text);
	f->clock_us = (back ? -1 : 1) * (int64_t)n * MS;
	return true;
}

static bool
parse_share(struct str text, double *out)
{
	bool percent = text.n > 1 && text.p[text.n - 1] == '%';

	if (percent)
		text.n--;
	if (!str_double(text, out))
		return false;
	if (percent)
		*out /= 100;
	return *out >= 0 && *out <= 1;
}

static bool
complain(struct problem *e, const char *what, struct str where)
{
	snprintf(e->err, e->size, "faults: %s \"%.*s\"", what, (int)(where.n < 80 ? where.n : 80),
	    where.p);
	return false;
}

static const struct rule *
rule_for(const struct fault_set *f, const char *service, const char *method)
{
	const struct rule *best = NULL;
	int rank, best_rank = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct rule *r = &f->rules[i];

		if (r->service[0] == '\0')
			rank = strcmp(service, "mf.Node") == 0 ? 0 : 1;
		else if (strcmp(r->service, service) != 0)
			rank = 0;
		else if (r->method[0] == '\0')
			rank = 2;
		else
			rank = strcmp(r->method, method) == 0 ? 3 : 0;
		if (rank > best_rank) {
			best = r;
			best_rank = rank;
		}
	}
	return best;
}

static uint64_t
hash_of(const char *a, const char *b)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *a != '\0'; a++)
		h = (h ^ (uint8_t)*a) * 1099511628211u;
	for (; *b != '\0'; b++)
		h = (h ^ (uint8_t)*b) * 1099511628211u;
	return h;
}
