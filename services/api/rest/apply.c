/* apply: see apply.h. The steps, top to bottom:
 *
 *	may he?		the permission of the action
 *	count		more than `expected`: 409, and nothing is done
 *	dry run		the first five of them; the end
 *	page		ids and versions, in the order of ids: what changes meanwhile does not move
 *	each		16 at a time, each of the version that was read: what somebody else changed since
 *			is left alone, and told
 *
 * It ends with the last task, at APPLY_MOST or `expected`, when the time is over, when too many were
 * refused, or when nobody can be asked: `cursor` says where to go on. A repeat under the same operation id
 * changes nothing twice: a task's own id follows from that and the task. Nothing is kept between requests. */
#include "api/rest/apply.h"

#include <sodium.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"

#define AT_ONCE     16
#define PAGE        500
#define SAMPLE      5
#define FAILED_MOST 100
#define AT_ONCE_ALL 4         /* requests of this kind in one agent */
#define ANSWER_US   (2 * SEC) /* kept back for what is under way, and to answer */

struct one { /* of those that are under way */
	struct apply *a;
	struct call *call; /* NULL: free */
	struct rpc *rpc;
	size_t at; /* in the page */
	bool fine;
};

struct apply { /* in its call's arena */
	struct handling *h;
	struct call_dep dep;
	bool deleting, dry_run, counted;
	const char *permission;
	uint64_t expected, matched;
	ProtobufCBinaryData patch;
	const char *cursor; /* behind which the page begins; "": the beginning */
	struct call *page;  /* its memory */
	struct rpc *rpc;
	const json_t *items; /* of the page */
	const char *next;    /* cursor of the page after it; NULL: it is the last */
	size_t at;           /* in the page: begun so far */
	size_t held;         /* ... the first that could not be asked for; SIZE_MAX: none */
	struct one under_way[AT_ONCE];
	size_t n_under_way;
	uint64_t begun, done;
	struct jw failed;
	size_t n_failed;
	bool stop;
	struct failure why; /* it stopped; status ST_OK: nothing was wrong */
};

static size_t busy; /* of this agent */

static void on_asked(const Mf__TaskResponse *, void *);
static void on_counted(const Mf__TaskResponse *, void *);
static void sample(struct apply *);
static void on_sample(const Mf__TaskResponse *, void *);
static void page_ask(struct apply *);
static void on_page(const Mf__TaskResponse *, void *);
static void on_page_end(struct call *, const struct call_end *, void *);
static void go_on(struct apply *);
static void begin_one(struct apply *, struct one *);
static void on_one(const Mf__TaskResponse *, void *);
static void on_one_end(struct call *, const struct call_end *, void *);
static void refused(struct apply *, const struct one *, const struct failure *);
static void page_over(struct apply *);
static void answer(struct apply *, const json_t *);
static void fail(struct apply *, const struct failure *);
static void leave(struct apply *);
static void on_call_ended(struct call_dep *);
static void stop_for(struct apply *, const struct failure *);
static bool again(const struct failure *);
static Mf__TaskRequest *
request(struct apply *, struct arena *, const char *operation, const char *permission);
static void operation_id_of(const char *of, const char *task, char out[UUID_LEN]);

void
apply_start(struct handling *h)
{
	struct apply *a = ARENA_NEW(h->a, struct apply);
	const json_t *b = h->op.body;
	struct jw w;

	*a = (struct apply){ .h = h, .dep = { .cancel = on_call_ended }, .held = SIZE_MAX };
	a->deleting = strcmp(json_string_value(json_object_get(b, "action")), "delete") == 0;
	a->permission = a->deleting ? "task.delete" : "task.update";
	a->dry_run = json_is_true(json_object_get(b, "dry_run"));
	a->expected = (uint64_t)json_integer_value(json_object_get(b, "expected"));
	a->cursor = json_string_value(json_object_get(b, "cursor")) ?: "";
	if (!a->deleting) {
		jw_start(&w, h->a, 256);
		jw_json(&w, NULL, json_object_get(b, "changes"));
		a->patch.data = (uint8_t *)jw_text(&w, &a->patch.len);
	}
	if (!a->dry_run && busy >= AT_ONCE_ALL) {
		respond_failure(h, 0,
		    &(const struct failure){ .status = ST_RESOURCE_EXHAUSTED,
			.reason = "APPLY_BUSY",
			.retry_ms = 1000,
			.message = "too many requests of this kind are under way" });
		return;
	}
	jw_start(&a->failed, h->a, 256);
	jw_array(&a->failed, NULL);
	a->counted = !a->dry_run;
	busy += a->counted;
	call_attach(h->c, &a->dep);
	a->rpc = ops_ask(h->c, &h->op, a->permission, NULL, on_asked, a);
}

static void
on_asked(const Mf__TaskResponse *m, void *ctx)
{
	struct apply *a = ctx;
	struct failure f;

	if (m != NULL && m->success) {
		respond_principal(a->h, m);
		a->rpc = ops_execute(a->h->c, a->h->task, on_counted, a);
		return;
	}
	if (m != NULL)
		failure_of(a->h, m, &f);
	fail(a, m == NULL ? rpc_failure(a->rpc) : &f);
}

static void
on_counted(const Mf__TaskResponse *m, void *ctx)
{
	struct apply *a = ctx;
	struct failure f;

	if (m == NULL || !m->success) {
		if (m != NULL)
			failure_of(a->h, m, &f);
		fail(a, m == NULL ? rpc_failure(a->rpc) : &f);
		return;
	}
	a->matched =
	    (uint64_t)json_integer_value(json_object_get(read_object(a->h, &m->result), "count"));
	if (a->dry_run)
		sample(a);
	else if (a->matched > a->expected)
		fail(a, &(const struct failure){ .status = ST_FAILED_PRECONDITION,
			    .reason = "MORE_THAN_EXPECTED",
			    .message = arena_printf(a->h->a,
				"%llu tasks match, %llu were expected: nothing was done",
				(unsigned long long)a->matched, (unsigned long long)a->expected) });
	else
		page_ask(a);
}

static void
sample(struct apply *a)
{
	Mf__TaskRequest *q = request(a, a->h->a, "query", "task.read");

	q->database->n_filters = a->h->task->database->n_filters;
	q->database->filters = a->h->task->database->filters;
	q->database->cursor = (char *)(uintptr_t)a->cursor;
	q->database->limit = SAMPLE;
	a->rpc = ops_execute(a->h->c, q, on_sample, a);
}

static void
on_sample(const Mf__TaskResponse *m, void *ctx)
{
	struct apply *a = ctx;
	struct failure f;

	if (m != NULL && m->success) {
		answer(a, json_object_get(read_object(a->h, &m->result), "items"));
		return;
	}
	if (m != NULL)
		failure_of(a->h, m, &f);
	fail(a, m == NULL ? rpc_failure(a->rpc) : &f);
}

/* A page has memory of its own, which goes before the next one comes. */
static void
page_ask(struct apply *a)
{
	int64_t left = call_left(a->h->c) - ANSWER_US;
	Mf__TaskRequest *q;

	if (left <= 0 || a->begun >= APPLY_MOST || a->begun >= a->expected) {
		a->next = a->matched == 0 ? NULL : a->cursor;
		answer(a, NULL);
		return;
	}
	a->page = call_root(call_bus(a->h->c),
	    &(const struct call_opts){ .limit_us = left + 2 * ANSWER_US, /* it ends with h's call */
		.traceparent = call_traceparent(a->h->c),
		.done = on_page_end,
		.ctx = a });
	a->items = NULL;
	a->next = NULL;
	a->at = 0;
	q = request(a, call_arena(a->page), "query", "task.read");
	q->deadline_ms = (uint32_t)(left / MS + 1);
	q->database->n_filters = a->h->task->database->n_filters;
	q->database->filters = a->h->task->database->filters;
	q->database->cursor = (char *)(uintptr_t)a->cursor;
	q->database->limit = PAGE;
	q->database->want = (char *)(uintptr_t) "ids";
	a->rpc = ops_execute(a->page, q, on_page, a);
}

static void
on_page(const Mf__TaskResponse *m, void *ctx)
{
	struct apply *a = ctx;
	struct json_error e;
	struct failure f;
	json_t *v;

	if (m == NULL || !m->success) {
		if (m != NULL)
			failure_of(a->h, m, &f);
		stop_for(a, m == NULL ? rpc_failure(a->rpc) : &f);
		page_over(a);
		return;
	}
	v = json_read(m->result.data, m->result.len, &e);
	if (v != NULL)
		call_own_json(a->page, v);
	a->items = json_object_get(v, "items");
	a->next = json_string_value(json_object_get(v, "next_cursor"));
	go_on(a);
}

static void
on_page_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct apply *a = ctx;

	(void)end;
	if (a->page == c) /* the next one may be there already */
		a->page = NULL;
}

static void
go_on(struct apply *a)
{
	bool enough = a->stop || call_left(a->h->c) <= ANSWER_US;

	for (size_t i = 0; i < AT_ONCE && !enough && a->at < json_array_size(a->items); i++) {
		if (a->begun >= APPLY_MOST || a->begun >= a->expected)
			break;
		if (a->under_way[i].call == NULL)
			begin_one(a, &a->under_way[i]);
	}
	if (a->n_under_way == 0)
		page_over(a);
}

static void
begin_one(struct apply *a, struct one *o)
{
	const json_t *item = json_array_get(a->items, a->at);
	const char *id = json_string_value(json_object_get(item, "id"));
	char operation_id[UUID_LEN];
	Mf__TaskRequest *q;

	operation_id_of(a->h->op.operation_id, id, operation_id);
	*o = (struct one){ .a = a, .at = a->at++ };
	o->call = call_root(call_bus(a->h->c),
	    &(const struct call_opts){ .limit_us = call_left(a->h->c) - ANSWER_US / 4,
		.traceparent = call_traceparent(a->h->c),
		.operation_id = operation_id,
		.done = on_one_end,
		.ctx = o });
	a->begun++;
	a->n_under_way++;
	q = request(a, call_arena(o->call), a->deleting ? "delete" : "update", a->permission);
	q->database->id = (char *)(uintptr_t)id;
	q->database->if_version = (uint64_t)json_integer_value(json_object_get(item, "version"));
	q->database->data = a->patch;
	STEP("rest.apply.one_begun");
	o->rpc = ops_execute(o->call, q, on_one, o);
}

static void
on_one(const Mf__TaskResponse *m, void *ctx)
{
	struct one *o = ctx;
	struct failure f;

	o->fine = m != NULL && m->success;
	if (m != NULL && !o->fine)
		failure_of(o->a->h, m, &f);
	if (!o->fine)
		refused(o->a, o, m == NULL ? rpc_failure(o->rpc) : &f);
	call_reply(o->call, &(const Mf__Empty)MF__EMPTY__INIT.base);
}

static void
on_one_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct one *o = ctx;
	struct apply *a = o->a;

	(void)c;
	if (end->failure != NULL) /* of its own deadline, not of an answer */
		refused(a, o, end->failure);
	o->call = NULL;
	a->n_under_way--;
	a->done += o->fine;
	if (a->h != NULL)
		go_on(a);
}

/* Who can't be asked now, or must not be asked any more: nothing is said against the task. */
static void
refused(struct apply *a, const struct one *o, const struct failure *f)
{
	const char *id = json_string_value(json_object_get(json_array_get(a->items, o->at), "id"));

	if (a->h == NULL)
		return;
	if (again(f)) {
		stop_for(a, f);
		if (a->held == SIZE_MAX || o->at < a->held)
			a->held = o->at;
		return;
	}
	a->stop |= ++a->n_failed >= FAILED_MOST;
	jw_object(&a->failed, NULL);
	jw_str(&a->failed, "id", id);
	problem_write(&a->failed, "problem", 0, f, "", false);
	jw_close(&a->failed, '}');
}

/* What is said of it lives longer than the page. */
static void
stop_for(struct apply *a, const struct failure *f)
{
	a->stop = true;
	if (a->why.status != ST_OK)
		return;
	a->why = (struct failure){ .status = f->status,
		.reason = arena_strdup(a->h->a, f->reason),
		.message = arena_strdup(a->h->a, f->message),
		.retry_ms = f->retry_ms };
}

static bool
again(const struct failure *f)
{
	return f->status == ST_UNAVAILABLE || f->status == ST_RESOURCE_EXHAUSTED ||
	       f->status == ST_DEADLINE_EXCEEDED || f->status == ST_CANCELLED ||
	       f->status == ST_UNAUTHENTICATED || f->status == ST_PERMISSION_DENIED;
}

/* Behind the last task of which all is known, or the whole page. */
static void
page_over(struct apply *a)
{
	size_t behind = a->held < a->at ? a->held : a->at, n = json_array_size(a->items);
	const char *at = a->cursor;
	struct call *page = a->page;

	if (behind > 0)
		at = json_string_value(
		    json_object_get(json_array_get(a->items, behind - 1), "cursor"));
	a->cursor = arena_strdup(a->h->a, at != NULL ? at : "");
	if (!a->stop && behind == n && a->next == NULL) {
		answer(a, NULL);
	} else if (a->stop || behind < n) {
		a->next = a->cursor;
		answer(a, NULL);
	} else {
		a->items = NULL;
		page_ask(a);
	}
	if (page != NULL)
		call_cancel(page);
}

/* next NULL: all of them were looked at. */
static void
answer(struct apply *a, const json_t *sampled)
{
	struct handling *h = a->h;
	const json_t *one;
	struct jw w;
	size_t i, n;
	char *p;

	if (a->why.status != ST_OK && a->done == 0 && a->n_failed == 0) {
		fail(a, &a->why);
		return;
	}
	jw_close(&a->failed, ']');
	p = jw_text(&a->failed, &n);
	jw_start(&w, h->a, 1024 + n);
	jw_object(&w, NULL);
	jw_int(&w, "matched", (int64_t)a->matched);
	jw_array(&w, "sample");
	json_array_foreach(sampled, i, one) jw_json(&w, NULL, one);
	jw_close(&w, ']');
	jw_int(&w, "done", (int64_t)a->done);
	jw_raw(&w, "failed", p, n);
	jw_bool(&w, "more", a->next != NULL);
	/* "": nothing was begun, from the beginning */
	jw_str(&w, "cursor", a->next != NULL && a->next[0] == '\0' ? NULL : a->next);
	if (a->why.status != ST_OK)
		problem_write(&w, "problem", 0, &a->why, "", false);
	jw_close(&w, '}');
	p = jw_text(&w, &n);
	leave(a);
	respond(h, h->op.route->status, p, n);
}

static void
fail(struct apply *a, const struct failure *f)
{
	struct handling *h = a->h;

	leave(a);
	respond_failure(h, 0, f);
}

static void
leave(struct apply *a)
{
	call_detach(a->h->c, &a->dep);
	busy -= a->counted;
	a->h = NULL;
}

/* Nobody waits any more: what is under way may end by itself, nothing else is begun. */
static void
on_call_ended(struct call_dep *d)
{
	struct apply *a = container_of(d, struct apply, dep);

	busy -= a->counted;
	a->h = NULL;
	for (size_t i = 0; i < AT_ONCE; i++)
		if (a->under_way[i].call != NULL)
			call_cancel(a->under_way[i].call);
	if (a->page != NULL)
		call_cancel(a->page);
}

/* LOW: who changes thousands holds nobody up. */
static Mf__TaskRequest *
request(struct apply *a, struct arena *in, const char *operation, const char *permission)
{
	const struct op *o = &a->h->op;
	Mf__TaskRequest *q = ARENA_NEW(in, Mf__TaskRequest);

	mf__task_request__init(q);
	q->auth = ARENA_NEW(in, Mf__AuthRequirement);
	mf__auth_requirement__init(q->auth);
	q->database = ARENA_NEW(in, Mf__DatabaseRequirement);
	mf__database_requirement__init(q->database);
	q->task_id = (char *)(uintptr_t)o->operation_id;
	q->priority = MF__PRIORITY__LOW;
	q->auth->credential = (char *)(uintptr_t)o->credential;
	q->auth->client_address = (char *)(uintptr_t)o->client_address;
	q->auth->require_permission = (char *)(uintptr_t)permission;
	ops_prove(q->auth, o->proof);
	q->database->operation = (char *)(uintptr_t)operation;
	q->database->model = (char *)(uintptr_t) "task";
	return q;
}

/* UUID version 8: the same for the same request and task, whoever asks. */
static void
operation_id_of(const char *of, const char *task, char out[UUID_LEN])
{
	crypto_generichash_state s;
	uint8_t u[16];
	char hex[33];

	crypto_generichash_init(&s, NULL, 0, sizeof(u));
	crypto_generichash_update(&s, (const uint8_t *)of, strlen(of) + 1);
	crypto_generichash_update(&s, (const uint8_t *)task, strlen(task));
	crypto_generichash_final(&s, u, sizeof(u));
	u[6] = (uint8_t)(0x80 | (u[6] & 0x0f));
	u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
	str_hex(u, 16, hex);
	snprintf(
	    out, UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
