/* visitor: a peer's way to us. A member of the fleet is one visitor per pipe, from its hello on; a
 * plain req client is one visitor per request.
 *
 * Invariants: `visitors` holds exactly the pipes whose hello we answered; a pipe in `dead` is in
 * neither list. Nothing of a pipe is believed before its hello; over tcp nothing is delivered but
 * what the peer's keys sealed. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/wire_impl.h"

/* requests of one plain client that run: as many as nng queues answers */
#define PLAIN_MAX 64u

struct visitor {
	struct line line;
	struct wire *w;
	char name[WIRE_NAME]; /* "": plain */
	void *owner;
	struct link link; /* plain: in wire.plain or, when answered, wire.answered */
	bool answered;
	UT_hash_handle hh; /* member: by line.pipe */
};

static void on_message(struct port *p, nng_msg *m);
static void on_pipe(struct port *p, uint32_t pipe, enum port_event e);
static void visitor_frame(struct wire *w, uint32_t pipe, nng_msg *m);
static void visitor_hello(struct wire *w, uint32_t pipe, nng_msg *m);
static void visitor_admit(struct wire *w, uint32_t pipe, nng_msg *m, const Mf__Hello *h);
static void visitor_plain(struct wire *w, uint32_t pipe, nng_msg *m);
static void visitor_refuse(struct visitor *v, enum status s, const char *why);
static struct visitor *visitor_new(struct wire *w, uint32_t pipe, nng_msg *m);
static struct visitor *visitor_find(struct wire *w, uint32_t pipe);
static void visitor_gone(struct visitor *v);
static void visitor_hang_up(struct wire *w, uint32_t pipe);
static void pipe_gone(struct wire *w, uint32_t pipe);
static bool pipe_is_dead(const struct wire *w, uint32_t pipe);
static void on_head(struct line *line, const struct frame_head *h);
static void on_record(struct line *line, const struct frame_record *r);

static const struct port_ops door_ops = { on_message, on_pipe };
/* A caller may stop for as long as it likes (a program between two calls): only too much that waits
 * for it ends its link. */
static const struct line_ops visitor_line_ops = { .head = on_head, .record = on_record };

bool
visitor_listen(struct wire *w, char *err, size_t err_size)
{
	char url[WIRE_URL];
	int rv;

	if (!wire_url_listen(w, PLACE_CALLS, url, err, err_size))
		return false;
	rv = port_open(&w->door, w->loop, nng_rep0_open_raw, !wire_is_tcp(url), &door_ops, w);
	if (rv == 0)
		rv = nng_listen(w->door.sock, url, NULL, 0);
	if (rv != 0)
		snprintf(err, err_size, "%s: %s", url, nng_strerror(rv));
	return rv == 0;
}

void
visitor_set_owner(struct visitor *v, void *owner)
{
	v->owner = owner;
}

void *
visitor_owner(const struct visitor *v)
{
	return v->owner;
}

const char *
visitor_name(const struct visitor *v)
{
	return v->name;
}

void
visitor_answer(struct visitor *v, uint64_t call_id, const void *answer, size_t n)
{
	if (v->name[0] != '\0' && line_is_full(&v->line, n)) {
		port_hang_up(v->line.pipe); /* PORT_DOWN follows, and with it `gone` */
		return;
	}
	if (v->name[0] != '\0') {
		line_add(&v->line, &(struct frame_record){
				       .kind = RECORD_ANSWER, .id = call_id, .p = answer, .n = n });
		return;
	}
	must(!v->answered);
	line_raw(&v->line, answer, n);
	v->answered = true;
	list_del(&v->w->plain, &v->link);
	list_add(&v->w->answered, &v->link);
	loop_turn_soon(v->w->loop);
}

void
visitor_speak_all(struct wire *w)
{
	struct visitor *v, *next;

	HASH_ITER(hh, w->visitors, v, next)
		line_speak(&v->line);
}

void
visitor_sweep(struct wire *w)
{
	LIST_EACH(&w->answered, k) {
		struct visitor *v = container_of(k, struct visitor, link);

		if (v->line.stuck == NULL)
			visitor_gone(v);
	}
}

void
visitor_free_all(struct wire *w)
{
	struct visitor *v, *next;
	struct link *k;

	HASH_ITER(hh, w->visitors, v, next) {
		HASH_DEL(w->visitors, v);
		line_free(&v->line);
		free(v);
	}
	while ((k = list_pop(w->plain.n > 0 ? &w->plain : &w->answered)) != NULL) {
		v = container_of(k, struct visitor, link);
		line_free(&v->line);
		free(v);
	}
	port_close(&w->door);
}

static void
on_message(struct port *p, nng_msg *m)
{
	struct wire *w = p->owner;
	uint32_t pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(m));
	bool tcp = w->listen[0] != '\0';

	if (pipe_is_dead(w, pipe)) {
		w->lines.stats.dropped_epoch++;
		return;
	}
	switch (frame_kind_of(nng_msg_body(m), nng_msg_len(m))) {
	case FRAME_HELLO:
		visitor_hello(w, pipe, m);
		return;
	case FRAME_DATA:
	case FRAME_SEALED:
		visitor_frame(w, pipe, m);
		return;
	case FRAME_PLAIN:
		if (!tcp) {
			visitor_plain(w, pipe, m);
			return;
		}
		wire_pipe_refused(w, "plain client over tcp");
		port_hang_up(pipe);
		pipe_gone(w, pipe);
		return;
	case FRAME_WELCOME:
	case FRAME_BELL:
	case FRAME_BAD:
		visitor_hang_up(w, pipe);
		return;
	}
}

static void
on_pipe(struct port *p, uint32_t pipe, enum port_event e)
{
	struct wire *w = p->owner;

	if (e == PORT_REFUSED)
		wire_pipe_refused(w, "uid");
	else if (e == PORT_DOWN)
		pipe_gone(w, pipe);
}

/* Frames of an earlier pipe may leave a caller's queue before its hello does: without a hello they
 * are dropped, not judged. */
static void
visitor_frame(struct wire *w, uint32_t pipe, nng_msg *m)
{
	struct visitor *v = visitor_find(w, pipe);

	if (v == NULL) {
		w->lines.stats.dropped_epoch++;
		return;
	}
	line_set_header(&v->line, nng_msg_header(m), nng_msg_header_len(m));
	if (!line_take(&v->line, nng_msg_body(m), nng_msg_len(m)))
		visitor_hang_up(w, pipe);
}

/* Whom we refuse gets no WELCOME: it hangs up after LINE_SILENT_US and tries again, at that
 * pace. */
static void
visitor_hello(struct wire *w, uint32_t pipe, nng_msg *m)
{
	uint64_t to;
	Mf__Hello *h = frame_read_hello(nng_msg_body(m), nng_msg_len(m), &to);
	struct visitor *v = visitor_find(w, pipe);

	if (v != NULL) /* a new hello on the same pipe ends what came before it */
		visitor_gone(v);
	if (h == NULL || HASH_COUNT(w->visitors) + w->plain.n >= WIRE_VISITORS)
		visitor_hang_up(w, pipe);
	else if (h->version != WIRE_VERSION)
		wire_pipe_refused(w, "another protocol version");
	else
		visitor_admit(w, pipe, m, h);
	if (h != NULL)
		mf__hello__free_unpacked(h, NULL);
}

static void
visitor_admit(struct wire *w, uint32_t pipe, nng_msg *m, const Mf__Hello *h)
{
	struct visitor *v = visitor_new(w, pipe, m);
	uint8_t out[FRAME_HELLO_MAX];
	struct secure_link *s = NULL;
	char err[160];
	Mf__Hello answer;

	wire_hello(w, v->line.mine, &answer);
	if (w->id != NULL && (s = secure_accept(w->id, h, &answer, err, sizeof(err))) == NULL) {
		wire_pipe_refused(w, err);
		line_free(&v->line);
		free(v);
		return;
	}
	memcpy(v->name, h->node, strlen(h->node) + 1); /* 63 at most: frame_read_hello */
	HASH_ADD(hh, w->visitors, line.pipe, sizeof(v->line.pipe), v);
	line_raw(&v->line, out, frame_hello(out, FRAME_WELCOME, h->epoch, &answer));
	line_set_up(&v->line, h->epoch, s);
	if (s != NULL)
		line_add(
		    &v->line, &(struct frame_record){
				  .kind = RECORD_BELL_KEY, .p = w->bell_key, .n = SECURE_KEY });
	else if (w->lines.draining || w->lines.hinted)
		line_speak(&v->line);
}

static void
visitor_plain(struct wire *w, uint32_t pipe, nng_msg *m)
{
	struct visitor *v = visitor_new(w, pipe, m);
	size_t running = 0;

	LIST_EACH(&w->plain, k)
		running += container_of(k, struct visitor, link)->line.pipe == pipe;
	list_add(&w->plain, &v->link);
	if (running >= PLAIN_MAX || HASH_COUNT(w->visitors) + w->plain.n > WIRE_VISITORS) {
		visitor_refuse(v, ST_RESOURCE_EXHAUSTED, "too many requests at a time");
		return;
	}
	w->lines.stats.calls_in++;
	w->events.call(w->ctx, v, nng_msg_body(m), nng_msg_len(m));
}

static void
visitor_refuse(struct visitor *v, enum status s, const char *why)
{
	Mf__Problem problem = MF__PROBLEM__INIT;
	Mf__Answer answer = MF__ANSWER__INIT;
	uint8_t out[256];

	problem.code = s;
	problem.message = (char *)why;
	answer.problem = &problem;
	must(mf__answer__get_packed_size(&answer) <= sizeof(out));
	visitor_answer(v, 0, out, mf__answer__pack(&answer, out));
}

static struct visitor *
visitor_new(struct wire *w, uint32_t pipe, nng_msg *m)
{
	struct visitor *v = calloc(1, sizeof(*v));

	must(v != NULL);
	v->w = w;
	line_init(&v->line, &w->lines, &visitor_line_ops, &w->door);
	line_start(&v->line, pipe);
	line_set_header(&v->line, nng_msg_header(m), nng_msg_header_len(m));
	return v;
}

static struct visitor *
visitor_find(struct wire *w, uint32_t pipe)
{
	struct visitor *v;

	HASH_FIND(hh, w->visitors, &pipe, sizeof(pipe), v);
	return v;
}

static void
visitor_gone(struct visitor *v)
{
	struct wire *w = v->w;

	w->events.gone(w->ctx, v);
	if (v->name[0] != '\0')
		HASH_DEL(w->visitors, v);
	else
		list_del(v->answered ? &w->answered : &w->plain, &v->link);
	line_free(&v->line);
	free(v);
}

static void
visitor_hang_up(struct wire *w, uint32_t pipe)
{
	w->lines.stats.dropped_bad++;
	log_warn("bus_bad_frame", L_STR("peer", "visitor"));
	port_hang_up(pipe);
	pipe_gone(w, pipe);
}

static void
pipe_gone(struct wire *w, uint32_t pipe)
{
	struct visitor *v = visitor_find(w, pipe);

	if (!pipe_is_dead(w, pipe))
		w->dead[w->next_dead++ % WIRE_DEAD] = pipe;
	if (v != NULL)
		visitor_gone(v);
	LIST_EACH(&w->plain, k)
		if (container_of(k, struct visitor, link)->line.pipe == pipe)
			visitor_gone(container_of(k, struct visitor, link));
}

static bool
pipe_is_dead(const struct wire *w, uint32_t pipe)
{
	for (unsigned i = 0; i < WIRE_DEAD; i++)
		if (w->dead[i] == pipe)
			return true;
	return false;
}

static void
on_head(struct line *line, const struct frame_head *h)
{
	(void)line, (void)h; /* a caller's hint and draining concern nobody here */
}

static void
on_record(struct line *line, const struct frame_record *r)
{
	struct visitor *v = container_of(line, struct visitor, line);

	if (r->kind == RECORD_CALL) {
		v->w->lines.stats.calls_in++;
		v->w->events.call(v->w->ctx, v, r->p, r->n);
	} else if (r->kind == RECORD_CANCEL) {
		v->w->events.cancel(v->w->ctx, v, r->id);
	}
}
