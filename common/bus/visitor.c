/* visitor: a peer's way to us. A member of the fleet is one visitor per connection, from its hello on; a
 * plain req client is one visitor per request.
 *
 * Invariants: `members` holds exactly those whose hello we answered, each the owner of its
 * connection. Nothing of a connection is believed before its hello; over tcp nothing is delivered but
 * what the peer's keys sealed. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/wire_impl.h"

/* requests of one plain client that run: as many as nng queues answers */
#define PLAIN_MAX 64u
/* longer than LINE_SILENT_US: who was refused goes by itself */
#define STRANGER_US (5 * SEC)

struct visitor {
	struct line line;
	struct wire *w;
	char name[WIRE_NAME]; /* "": plain */
	void *owner;
	struct link link; /* wire.members, wire.plain or, when answered, wire.answered */
	bool answered;
};

static void on_up(void *owner, struct sp_conn *c);
static void on_message(void *owner, struct sp_conn *c, const struct sp_message *m);
static void on_down(void *owner, struct sp_conn *c);
static void on_refused(void *owner, const char *why);
static void visitor_frame(struct wire *w, struct sp_conn *c, const struct sp_message *m);
static void visitor_hello(struct wire *w, struct sp_conn *c, const struct sp_message *m);
static void
visitor_admit(struct wire *w, struct sp_conn *c, const struct sp_message *m, const Mf__Hello *h);
static void visitor_plain(struct wire *w, struct sp_conn *c, const struct sp_message *m);
static void visitor_refuse(struct visitor *v, enum status s, const char *why);
static struct visitor *visitor_new(struct wire *w, struct sp_conn *c, const struct sp_message *m);
static void visitor_gone(struct visitor *v);
static void visitor_hang_up(struct wire *w, struct sp_conn *c);
static void conn_gone(struct wire *w, struct sp_conn *c);
static void on_head(struct line *line, const struct frame_head *h);
static void on_record(struct line *line, const struct frame_record *r);

static const struct sp_ops door_ops = { on_up, on_message, on_down, on_refused };
/* A caller may stop for as long as it likes (a program between two calls): only too much that waits
 * for it ends its link. */
static const struct line_ops visitor_line_ops = { .head = on_head, .record = on_record };

bool
visitor_listen(struct wire *w, char *err, size_t err_size)
{
	char url[WIRE_URL];

	if (!wire_url_listen(w, PLACE_CALLS, url, err, err_size))
		return false;
	w->door = sp_listen(&(const struct sp_opts){ .loop = w->loop,
				.role = SP_REP,
				.url = url,
				.ops = &door_ops,
				.owner = w,
				.body_max = wire_is_tcp(url) ? WIRE_STRANGER_MAX : WIRE_BODY_MAX,
				.stranger_us = wire_is_tcp(url) ? STRANGER_US : 0 },
	    err, err_size);
	return w->door != NULL;
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
		sp_hang_up(v->line.conn); /* `gone` comes with its end */
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
	LIST_EACH(&w->members, k)
		line_speak(&container_of(k, struct visitor, link)->line);
}

void
visitor_sweep(struct wire *w)
{
	LIST_EACH(&w->answered, k)
		visitor_gone(container_of(k, struct visitor, link));
}

void
visitor_free_all(struct wire *w)
{
	struct list *lists[] = { &w->members, &w->plain, &w->answered };
	struct visitor *v;
	struct link *k;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		while ((k = list_pop(lists[i])) != NULL) {
			v = container_of(k, struct visitor, link);
			line_free(&v->line);
			free(v);
		}
	}
	sp_close(&w->door);
}

static void
on_up(void *owner, struct sp_conn *c)
{
	(void)owner, (void)c; /* the caller speaks first */
}

static void
on_message(void *owner, struct sp_conn *c, const struct sp_message *m)
{
	struct wire *w = owner;

	switch (frame_kind_of(m->body, m->n)) {
	case FRAME_HELLO:
		visitor_hello(w, c, m);
		return;
	case FRAME_DATA:
	case FRAME_SEALED:
		visitor_frame(w, c, m);
		return;
	case FRAME_PLAIN:
		if (w->listen[0] == '\0') {
			visitor_plain(w, c, m);
			return;
		}
		wire_refused(w, "plain client over tcp");
		sp_hang_up(c);
		conn_gone(w, c);
		return;
	case FRAME_WELCOME:
	case FRAME_BELL:
	case FRAME_BAD:
		visitor_hang_up(w, c);
		return;
	}
}

static void
on_down(void *owner, struct sp_conn *c)
{
	conn_gone(owner, c);
}

static void
on_refused(void *owner, const char *why)
{
	wire_refused(owner, why);
}

/* Without a hello, frames are dropped, not judged. */
static void
visitor_frame(struct wire *w, struct sp_conn *c, const struct sp_message *m)
{
	struct visitor *v = sp_owner(c);

	if (v == NULL) {
		w->lines.stats.dropped_epoch++;
		return;
	}
	line_set_header(&v->line, m->header, m->header_n);
	if (line_take(&v->line, m->body, m->n))
		sp_know(c); /* not by its hello: that may be one that was recorded */
	else
		visitor_hang_up(w, c);
}

/* Whom we refuse gets no WELCOME: it hangs up after LINE_SILENT_US and tries again, at that
 * pace. */
static void
visitor_hello(struct wire *w, struct sp_conn *c, const struct sp_message *m)
{
	uint64_t to;
	Mf__Hello *h = frame_read_hello(m->body, m->n, &to);
	struct visitor *v = sp_owner(c);

	if (v != NULL) /* a new hello on the same connection ends what came before it */
		visitor_gone(v);
	if (h == NULL)
		visitor_hang_up(w, c);
	else if (w->members.n + w->plain.n >= WIRE_VISITORS)
		wire_refused(w, "too many links");
	else if (h->version != WIRE_VERSION)
		wire_refused(w, "another protocol version");
	else
		visitor_admit(w, c, m, h);
	if (h != NULL)
		mf__hello__free_unpacked(h, NULL);
}

static void
visitor_admit(struct wire *w, struct sp_conn *c, const struct sp_message *m, const Mf__Hello *h)
{
	struct visitor *v = visitor_new(w, c, m);
	uint8_t out[FRAME_HELLO_MAX];
	struct secure_link *s = NULL;
	char err[160];
	Mf__Hello answer;

	wire_hello(w, v->line.mine, &answer);
	if (w->id != NULL && (s = secure_accept(w->id, h, &answer, err, sizeof(err))) == NULL) {
		wire_refused(w, err);
		line_free(&v->line);
		free(v);
		return;
	}
	memcpy(v->name, h->node, strlen(h->node) + 1); /* 63 at most: frame_read_hello */
	list_add(&w->members, &v->link);
	sp_set_owner(c, v);
	sp_set_body_max(c, WIRE_BODY_MAX);
	line_raw(&v->line, out, frame_hello(out, FRAME_WELCOME, h->epoch, &answer));
	line_set_up(&v->line, h->epoch, s);
	if (s != NULL)
		line_add(
		    &v->line, &(struct frame_record){
				  .kind = RECORD_BELL_KEY, .p = w->bell_key, .n = SECURE_KEY });
	else if (w->lines.draining || w->lines.hinted || w->lines.unfit)
		line_speak(&v->line);
}

static void
visitor_plain(struct wire *w, struct sp_conn *c, const struct sp_message *m)
{
	struct visitor *v = visitor_new(w, c, m);
	size_t running = 0;

	LIST_EACH(&w->plain, k)
		running += container_of(k, struct visitor, link)->line.conn == c;
	list_add(&w->plain, &v->link);
	if (running >= PLAIN_MAX || w->members.n + w->plain.n > WIRE_VISITORS) {
		visitor_refuse(v, ST_RESOURCE_EXHAUSTED, "too many requests at a time");
		return;
	}
	w->lines.stats.calls_in++;
	w->events.call(w->ctx, v, m->body, m->n);
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
visitor_new(struct wire *w, struct sp_conn *c, const struct sp_message *m)
{
	struct visitor *v = calloc(1, sizeof(*v));

	must(v != NULL);
	v->w = w;
	line_init(&v->line, &w->lines, &visitor_line_ops);
	line_start(&v->line, c);
	line_set_header(&v->line, m->header, m->header_n);
	return v;
}

static void
visitor_gone(struct visitor *v)
{
	struct wire *w = v->w;

	w->events.gone(w->ctx, v);
	if (v->name[0] != '\0') {
		sp_set_owner(v->line.conn, NULL);
		list_del(&w->members, &v->link);
	} else {
		list_del(v->answered ? &w->answered : &w->plain, &v->link);
	}
	line_free(&v->line);
	free(v);
}

static void
visitor_hang_up(struct wire *w, struct sp_conn *c)
{
	w->lines.stats.dropped_bad++;
	log_warn("bus_bad_frame", L_STR("peer", "visitor"));
	sp_hang_up(c);
	conn_gone(w, c);
}

static void
conn_gone(struct wire *w, struct sp_conn *c)
{
	struct list *plain[] = { &w->plain, &w->answered };

	if (sp_owner(c) != NULL)
		visitor_gone(sp_owner(c));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		LIST_EACH(plain[i], k)
			if (container_of(k, struct visitor, link)->line.conn == c)
				visitor_gone(container_of(k, struct visitor, link));
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
