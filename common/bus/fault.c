/* fault: see fault.h. The parser reads what an operator typed: bounds and unknown words are errors
 * that name the place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "bus/fault.h"

#define RULES_MOST    64
#define NAME_MOST     64
#define DELAY_MOST_MS 3600000

struct rule {
	char service[NAME_MOST], method[NAME_MOST]; /* "" = any */
	double error, delay, hang, drop, corrupt, crash;
	enum status status;
	int64_t delay_us;
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
	struct list points;
};

struct problem {
	char *err;
	size_t size;
};

static bool parse_rule(struct rule *r, struct str text, struct problem *e);
static bool parse_pattern(struct rule *r, struct str text, struct problem *e);
static bool parse_item(struct rule *r, struct str text, struct problem *e);
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
		if (f->n == RULES_MOST) {
			complain(&e, "too many rules at", one);
			fault_free(&f);
			return NULL;
		}
		if (!parse_rule(&f->rules[f->n++], one, &e)) {
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
