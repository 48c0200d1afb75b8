/* session_job: the work that a session's turns ask for. Each job is a call of its own with an
 * operation id of its own, so that a stand-in may do it after an agent died with it; its messages go
 * out when it is done, in whatever order that is. */
#include <stdlib.h>
#include <string.h>

#include "api/session.h"
#include "base/mem.h"

struct job {
	struct link link; /* of one list of its session's */
	struct session *s;
	struct call *call; /* NULL: it does not run */
	struct rpc *rpc;
	char operation_id[UUID_LEN];
	struct session_bytes problem; /* packed: why it is undone */
	size_t n;
	char *id; /* behind the work */
	uint8_t work[];
};

static void start(struct job *);
static void on_result(const Mf__SessionResult *, void *);
static void on_end(struct call *, const struct call_end *, void *);
static void give_up(struct job *, const struct failure *);
static void stop(struct job *);
static void list_free(struct list *);
static void job_free(struct job *);

void
jobs_init(struct jobs *j)
{
	list_init(&j->waiting);
	list_init(&j->running);
	list_init(&j->undone);
}

bool
jobs_none(const struct jobs *j)
{
	return j->waiting.n == 0 && j->running.n == 0 && j->undone.n == 0;
}

void
jobs_add(struct session *s, const Mf__SessionJob *q)
{
	size_t id = strlen(q->id) + 1;
	struct job *j = mem_zalloc(sizeof(*j) + q->work.len + id);

	j->s = s;
	j->n = q->work.len;
	if (j->n != 0)
		memcpy(j->work, q->work.data, j->n);
	j->id = (char *)j->work + j->n;
	memcpy(j->id, q->id, id);
	uuid7(j->operation_id);
	list_add(&s->jobs.waiting, &j->link);
}

void
jobs_drop(struct jobs *jobs, const char *id)
{
	struct list *lists[] = { &jobs->waiting, &jobs->running };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		LIST_EACH(lists[i], k) {
			struct job *j = container_of(k, struct job, link);

			if (strcmp(j->id, id) != 0)
				continue;
			list_del(lists[i], k);
			stop(j);
			job_free(j);
		}
}

/* Not while the client does not even take what there is. */
void
jobs_start(struct session *s)
{
	size_t most = (size_t)s->live->o.settings(s->live->o.ctx)->c->session_jobs;
	struct link *k;

	while (s->jobs.running.n < most && s->line.ops->room(s->line.to) != 0 &&
	       (k = list_pop(&s->jobs.waiting)) != NULL) {
		list_add(&s->jobs.running, k);
		start(container_of(k, struct job, link));
	}
}

void
jobs_tell(const struct jobs *jobs, struct arena *a, Mf__SessionTurn *q)
{
	const struct list *lists[] = { &jobs->waiting, &jobs->running };
	size_t bytes = 0;

	q->running = ARENA_ARRAY(a, char *, jobs->waiting.n + jobs->running.n + 1);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		LIST_EACH(lists[i], k)
			q->running[q->n_running++] = container_of(k, struct job, link)->id;
	q->undone = ARENA_ARRAY(a, Mf__SessionUndone *, jobs->undone.n + 1);
	LIST_EACH(&jobs->undone, k) {
		struct job *j = container_of(k, struct job, link);
		Mf__SessionUndone *u;

		bytes += j->n;
		if (q->n_undone != 0 && bytes > TURN_MOST)
			break;
		u = ARENA_NEW(a, Mf__SessionUndone);
		mf__session_undone__init(u);
		u->work = (ProtobufCBinaryData){ j->n, j->work };
		u->problem = mf__problem__unpack(arena_allocator(a), j->problem.n, j->problem.p);
		q->undone[q->n_undone++] = u;
	}
}

void
jobs_told(struct jobs *jobs, size_t undone)
{
	struct link *k;

	for (; undone > 0 && (k = list_pop(&jobs->undone)) != NULL; undone--)
		job_free(container_of(k, struct job, link));
}

void
jobs_free(struct jobs *jobs)
{
	list_free(&jobs->waiting);
	list_free(&jobs->running);
	list_free(&jobs->undone);
}

static void
start(struct job *j)
{
	struct session *s = j->s;
	static const struct call_about about = { .name = "Websocket.Work" };
	Mf__SessionWork q = MF__SESSION_WORK__INIT;

	j->call = call_root(
	    s->live->o.bus, &(const struct call_opts){
				.limit_us = s->live->o.settings(s->live->o.ctx)->c->request_time_us,
				.operation_id = j->operation_id,
				.entry = true,
				.done = on_end,
				.ctx = j,
			    });
	call_say_about(j->call, &about);
	j->rpc = rpc_new(j->call, s->live->agents, NULL);
	q.session_id = s->id;
	q.protocol = (char *)s->protocol;
	q.work = (ProtobufCBinaryData){ j->n, j->work };
	q.operation_id = j->operation_id;
	mf__websocket__work(&j->rpc->service, &q, on_result, j);
}

static void
on_result(const Mf__SessionResult *m, void *ctx)
{
	struct job *j = ctx;

	if (m == NULL)
		call_fail_with(j->call, rpc_failure(j->rpc));
	else
		call_reply(j->call, &m->base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct job *j = ctx;
	struct session *s = j->s;
	const Mf__SessionResult *m = (const Mf__SessionResult *)(const void *)end->reply;

	(void)c;
	if (j->call == NULL)
		return; /* stopped by us */
	j->call = NULL;
	list_del(&s->jobs.running, &j->link);
	if (end->failure != NULL) {
		give_up(j, end->failure);
	} else {
		session_say(s, m->n_messages, m->messages);
		job_free(j);
	}
	jobs_start(s);
	session_consider(s);
}

static void
give_up(struct job *j, const struct failure *f)
{
	Mf__Problem p = MF__PROBLEM__INIT;

	p.code = (uint32_t)f->status;
	p.message = (char *)f->message;
	p.reason = (char *)f->reason;
	p.retry_delay_ms = f->retry_ms;
	j->problem.n = mf__problem__get_packed_size(&p);
	j->problem.p = mem_zalloc(j->problem.n + 1);
	mf__problem__pack(&p, j->problem.p);
	list_add(&j->s->jobs.undone, &j->link);
}

static void
stop(struct job *j)
{
	struct call *c = j->call;

	j->call = NULL;
	if (c != NULL)
		call_cancel(c);
}

static void
list_free(struct list *l)
{
	struct link *k;

	while ((k = list_pop(l)) != NULL) {
		struct job *j = container_of(k, struct job, link);

		stop(j);
		job_free(j);
	}
}

static void
job_free(struct job *j)
{
	free(j->problem.p);
	free(j);
}
