/* explain: the plan instead of the operation, as JSON; nothing is run. What the store says of it (its
 * statements and PostgreSQL's plan for them) is asked with the same operation and put under
 * "statement". Called by database_read and database_write. */
#include "base/json.h"
#include "base/time.h"
#include "database/commit.h"

struct explaining {
	struct op *o;
	bool write;
	struct jw w;
};

static bool store_says(const struct plan *, const struct plan_kind *);
static void put_store(struct jw *, const struct plan *);
static void put_consistency(struct explaining *);
static void put_cache_read(struct explaining *);
static void put_cache_write(struct explaining *);
static void put_pushed_down(struct jw *, const Mf__StoreOp *);
static void put_members(struct jw *, const Mf__StoreOp *);
static void on_statement(const Mf__StoreResult *, void *);
static void finish(struct explaining *);

static const char *const commits[] = {
	[COMMIT_SQL] = "one commit of PostgreSQL",
	[COMMIT_COLLECTION] = "one script of Redis",
	[COMMIT_BOTH] = ("two phases: documents are staged, PostgreSQL commits with the decision, "
			 "documents are published"),
};

void
db_explain(struct op *o, bool write)
{
	struct arena *a = call_arena(o->c);
	struct explaining *x = ARENA_NEW(a, struct explaining);
	const struct plan_kind *k = plan_kind(o->q->kind);

	x->o = o;
	x->write = write;
	jw_start(&x->w, a, 2048);
	jw_object(&x->w, NULL);
	jw_str(&x->w, "operation", k->name);
	if (!k->members)
		jw_str(&x->w, "model", o->q->model);
	put_store(&x->w, &o->plan);
	if (write) {
		put_cache_write(x);
	} else {
		put_consistency(x);
		put_cache_read(x);
		put_pushed_down(&x->w, o->q);
	}
	if (k->members)
		put_members(&x->w, o->q);
	if (o->q->kind == MF__STORE_OP__KIND__TRANSACTION)
		jw_str(&x->w, "commit", commits[commit_kind(o->q)]);
	jw_str(&x->w, "degraded",
	    commit_kind(o->q) == COMMIT_BOTH ? "refused: PostgreSQL decides"
	    : o->plan.store == PLAN_NOSQL    ? "does not concern it: Redis is the store"
	    : write ? "journalled, where no version has to be known; else refused"
		    : "the journal, then the cache with its age, else refused");
	if (!store_says(&o->plan, k))
		finish(x);
	else
		(write ? db_send_write : db_send_read)(o, o->plan.store, o->q, on_statement);
	o->explaining = x;
}

/* Who has nothing to say would run it. */
static bool
store_says(const struct plan *p, const struct plan_kind *k)
{
	if (!k->said)
		return false;
	if (k->members)
		return p->store == PLAN_SQL;
	return p->rule->says == SAYS_ALL || (p->rule->says == SAYS_READS && !k->write);
}

static void
put_store(struct jw *w, const struct plan *p)
{
	jw_str(w, "store", plan_store_name(p->store));
	jw_str(w, "agent",
	    p->store == PLAN_SQL     ? "sql"
	    : p->store == PLAN_NOSQL ? "nosql"
				     : "sql, nosql");
	jw_str(w, "stand_in", p->store == PLAN_NOSQL ? NULL : "nosql");
}

static void
put_consistency(struct explaining *x)
{
	const struct op *o = x->o;
	const struct plan_consistency *l = plan_consistency(o->plan.level);

	jw_object(&x->w, "consistency");
	jw_str(&x->w, "level", l->name);
	jw_str(&x->w, "means", l->means);
	if (o->plan.level == PLAN_BOUNDED)
		jw_int(&x->w, "max_age_ms", (int64_t)o->q->max_age_ms);
	jw_array(&x->w, "read_from");
	jw_str(&x->w, NULL, "primary");
	if (l->replica)
		jw_str(&x->w, NULL, "replica");
	if (o->plan.from_cache)
		jw_str(&x->w, NULL, "cache");
	jw_close(&x->w, ']');
	jw_close(&x->w, '}');
	jw_bool(&x->w, "session", o->in_session);
}

static void
put_cache_read(struct explaining *x)
{
	struct op *o = x->o;
	const char *why = o->plan.why_not;
	bool used = o->plan.from_cache && !(o->in_session && cohere_foreign(&o->session));

	if (o->plan.from_cache && !used)
		why = "session of another process";
	used = used && cohere_begin(o, &why);
	jw_object(&x->w, "cache");
	jw_bool(&x->w, "used", used);
	if (!used) {
		jw_str(&x->w, "because", why);
	} else {
		struct plan_lives l = plan_lives(&o->plan, db_config()->cache_ttl_us);

		jw_bool(&x->w, "asked", cohere_usable());
		jw_str(&x->w, "key", o->key);
		jw_array(&x->w, "tags");
		if (o->plan.list)
			jw_str(&x->w, NULL, o->watch.tag->name);
		jw_close(&x->w, ']');
		jw_int(&x->w, "ttl_ms", l.ttl_us / MS);
		jw_int(&x->w, "soft_ms", l.soft_us / MS);
		if (!o->plan.list)
			jw_int(&x->w, "absent_ms", l.absent_us / MS);
	}
	jw_close(&x->w, '}');
}

static void
put_old(struct jw *w, unsigned old)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { OLD_ENTRY, "entry" }, { OLD_LISTS, "lists" }, { OLD_ABSENT, "absent" } };

	jw_array(w, "makes_old");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((old & names[i].bit) != 0)
			jw_str(w, NULL, names[i].name);
	jw_close(w, ']');
}

static void
put_cache_write(struct explaining *x)
{
	unsigned old = plan_makes_old(x->o->q);

	for (size_t i = 0; i < x->o->q->n_members; i++)
		old |= plan_makes_old(x->o->q->members[i]);
	jw_object(&x->w, "cache");
	put_old(&x->w, old);
	jw_close(&x->w, '}');
}

static void
put_pushed_down(struct jw *w, const Mf__StoreOp *q)
{
	jw_object(w, "pushed_down");
	jw_array(w, "fields");
	for (size_t i = 0; i < q->n_fields; i++)
		jw_str(w, NULL, q->fields[i]);
	jw_close(w, ']');
	jw_array(w, "filters");
	for (size_t i = 0; i < q->n_filters; i++)
		jw_str(w, NULL, q->filters[i]->key);
	jw_close(w, ']');
	jw_bool(w, "where", q->where.len != 0);
	jw_str(w, "sort", q->sort);
	if (q->limit != 0)
		jw_int(w, "limit", (int64_t)q->limit);
	jw_bool(w, "cursor", q->cursor[0] != '\0');
	jw_close(w, '}');
}

static void
put_members(struct jw *w, const Mf__StoreOp *q)
{
	jw_array(w, "members");
	for (size_t i = 0; i < q->n_members; i++) {
		const Mf__StoreOp *m = q->members[i];

		jw_object(w, NULL);
		jw_str(w, "operation", plan_kind(m->kind)->name);
		jw_str(w, "model", m->model);
		jw_str(w, "store", plan_store_name(plan_model(m->model)->store));
		put_old(w, plan_makes_old(m));
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* A store that can't be asked leaves the rest of the plan as true as it was; one that refuses the
 * operation would refuse it without explain too. */
static void
on_statement(const Mf__StoreResult *m, void *ctx)
{
	struct explaining *x = ((struct op *)ctx)->explaining;
	const struct failure *f = m == NULL ? rpc_failure(x->o->rpc) : NULL;

	if (m != NULL) {
		jw_raw(&x->w, "statement", m->data.data, m->data.len);
	} else if (db_unknown(f->status)) {
		jw_object(&x->w, "statement");
		jw_str(&x->w, "error", f->message);
		jw_close(&x->w, '}');
	} else {
		call_fail_with(x->o->c, f);
		return;
	}
	finish(x);
}

static void
finish(struct explaining *x)
{
	Mf__StoreResult out = MF__STORE_RESULT__INIT;

	jw_close(&x->w, '}');
	out.data.data = (uint8_t *)jw_text(&x->w, &out.data.len);
	call_reply(x->o->c, &out.base);
}
