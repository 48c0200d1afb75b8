/* lane: our way to one peer. Dialled for ever; a call leaves only while the hello of the present
 * connection is done.
 *
 * Invariant: `out` holds the calls that were sent on the present connection and have neither been
 * answered nor cancelled. When that goes, all of them are lost at once (`down`). Called by
 * target.c through wire.h. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/wire_impl.h"

struct lane {
	struct line line;
	struct sp *sp;
	struct wire *w;
	/* who, and where: of several processes of that name each has a place */
	char node[WIRE_NAME], place[WIRE_PLACE];
	char instance[WIRE_NAME];
	void *owner;
	uint64_t generation;
	bool draining, unfit;
	struct idset out;
	struct secure_dial *dial; /* tcp: between HELLO and WELCOME */
	UT_hash_handle hh;
};

static struct lane *lane_new(struct wire *w, const char *place, const char *node);
static void lane_dial(struct lane *l, const char *url);
static void on_up(void *owner, struct sp_conn *c);
static void on_message(void *owner, struct sp_conn *c, const struct sp_message *m);
static void on_down(void *owner, struct sp_conn *c);
static void on_refused(void *owner, const char *why);
static void lane_greet(struct lane *l, struct sp_conn *c);
static bool lane_welcomed(struct lane *l, const uint8_t *body, size_t n);
static bool lane_accept(struct lane *l, const Mf__Hello *h);
static void lane_lost(struct lane *l, const char *why);
static void on_head(struct line *line, const struct frame_head *h);
static void on_record(struct line *line, const struct frame_record *r);
static void on_silent(struct line *line);

static const struct sp_ops lane_sp_ops = { on_up, on_message, on_down, on_refused };
static const struct line_ops lane_line_ops = { on_head, on_record, on_silent };

struct lane *
wire_lane(struct wire *w, const char *node)
{
	char url[WIRE_URL];
	struct lane *l;

	HASH_FIND_STR(w->lanes, node, l);
	if (l != NULL)
		return l;
	l = lane_new(w, node, node);
	if (wire_url_of(w, node, PLACE_CALLS, url))
		lane_dial(l, url);
	else
		log_warn("bus_peer_unknown", L_STR("peer", node),
		    L_STR("why", "bus_peers does not name it"));
	return l;
}

struct lane *
wire_lane_at(struct wire *w, const char *place, const char *node, const char *url)
{
	struct lane *l = lane_new(w, place, node);

	lane_dial(l, url);
	return l;
}

void
lane_close(struct lane **lp)
{
	struct lane *l = *lp;

	*lp = NULL;
	HASH_DEL(l->w->lanes, l);
	sp_drop(&l->sp);
	line_free(&l->line);
	secure_dial_free(&l->dial);
	idset_free(&l->out);
	free(l);
}

void
lane_set_owner(struct lane *l, void *owner)
{
	l->owner = owner;
}

void *
lane_owner(const struct lane *l)
{
	return l->owner;
}

const char *
lane_node(const struct lane *l)
{
	return l->node;
}

bool
lane_is_up(const struct lane *l)
{
	return l->line.up;
}

bool
lane_is_draining(const struct lane *l)
{
	return l->draining;
}

bool
lane_is_unfit(const struct lane *l)
{
	return l->unfit;
}

uint64_t
lane_generation(const struct lane *l)
{
	return l->generation;
}

const char *
lane_instance(const struct lane *l)
{
	return l->instance;
}

enum status
lane_call(struct lane *l, uint64_t call_id, const void *envelope, size_t n)
{
	if (!l->line.up)
		return ST_UNAVAILABLE;
	if (n > WIRE_CALL_MAX)
		return ST_OUT_OF_RANGE;
	if (l->out.n >= WIRE_OUT_MAX || line_is_full(&l->line, n))
		return ST_RESOURCE_EXHAUSTED;
	must(idset_add(&l->out, call_id));
	line_add(&l->line, &(struct frame_record){ .kind = RECORD_CALL, .p = envelope, .n = n });
	l->w->lines.stats.calls_out++;
	return ST_OK;
}

void
lane_cancel(struct lane *l, uint64_t call_id)
{
	if (idset_del(&l->out, call_id) && l->line.up)
		line_add(&l->line, &(struct frame_record){ .kind = RECORD_CANCEL, .id = call_id });
}

void
lane_free_all(struct wire *w)
{
	while (w->lanes != NULL) {
		struct lane *l = w->lanes;

		sp_close(&l->sp); /* what is on its way may leave: we end */
		lane_close(&l);
	}
}

static struct lane *
lane_new(struct wire *w, const char *place, const char *node)
{
	struct lane *l = calloc(1, sizeof(*l));

	must(l != NULL && strlen(node) < sizeof(l->node) && strlen(place) < sizeof(l->place));
	l->w = w;
	memcpy(l->node, node, strlen(node) + 1);
	memcpy(l->place, place, strlen(place) + 1);
	HASH_ADD_STR(w->lanes, place, l);
	line_init(&l->line, &w->lines, &lane_line_ops);
	return l;
}

static void
lane_dial(struct lane *l, const char *url)
{
	char err[160];

	l->sp = sp_dial(&(const struct sp_opts){ .loop = l->w->loop,
			    .role = SP_REQ,
			    .url = url,
			    .ops = &lane_sp_ops,
			    .owner = l,
			    .body_max = wire_is_tcp(url) ? WIRE_STRANGER_MAX : WIRE_BODY_MAX },
	    err, sizeof(err));
	if (l->sp == NULL)
		log_warn("bus_dial_failed", L_STR("peer", l->node), L_STR("why", err));
}

static void
on_up(void *owner, struct sp_conn *c)
{
	lane_greet(owner, c);
}

static void
on_message(void *owner, struct sp_conn *c, const struct sp_message *m)
{
	struct lane *l = owner;
	enum frame_kind kind = frame_kind_of(m->body, m->n);
	bool good = false;

	if (c != l->line.conn) { /* we gave it up */
		l->w->lines.stats.dropped_epoch++;
		return;
	}
	if (kind == FRAME_WELCOME)
		good = lane_welcomed(l, m->body, m->n);
	else if (l->line.up && (kind == FRAME_DATA || kind == FRAME_SEALED))
		good = line_take(&l->line, m->body, m->n);
	if (!good && l->line.conn != NULL) {
		l->w->lines.stats.dropped_bad++;
		log_warn("bus_bad_frame", L_STR("peer", l->node));
		sp_hang_up(c);
		lane_lost(l, "bad frame");
	}
}

static void
on_down(void *owner, struct sp_conn *c)
{
	struct lane *l = owner;

	if (c == l->line.conn)
		lane_lost(l, "closed");
}

static void
on_refused(void *owner, const char *why)
{
	wire_refused(((struct lane *)owner)->w, why);
}

static void
lane_greet(struct lane *l, struct sp_conn *c)
{
	/* a request id: top bit set, else any */
	static const uint8_t request[4] = { 0x80, 0, 0, 1 };
	uint8_t out[FRAME_HELLO_MAX];
	char err[160];
	Mf__Hello h;

	line_start(&l->line, c);
	line_set_header(&l->line, request, sizeof(request));
	wire_hello(l->w, l->line.mine, &h);
	if (l->w->id != NULL) {
		secure_dial_free(&l->dial);
		l->dial = secure_start(l->w->id, l->node, &h, err, sizeof(err));
		if (l->dial == NULL) {
			log_warn("bus_hello_failed", L_STR("peer", l->node), L_STR("why", err));
			return;
		}
	}
	line_raw(&l->line, out, frame_hello(out, FRAME_HELLO, 0, &h));
}

/* True also for a welcome to an earlier hello. */
static bool
lane_welcomed(struct lane *l, const uint8_t *body, size_t n)
{
	uint64_t to;
	Mf__Hello *h = frame_read_hello(body, n, &to);
	bool good = h != NULL;

	if (good && to == l->line.mine && !l->line.up)
		good = lane_accept(l, h);
	if (h != NULL)
		mf__hello__free_unpacked(h, NULL);
	return good;
}

/* A peer that is another than we dialled, or speaks another version, stays connected and not up:
 * said once per connection. */
static bool
lane_accept(struct lane *l, const Mf__Hello *h)
{
	struct secure_link *s = NULL;
	char err[160] = "";

	if (h->version != WIRE_VERSION)
		snprintf(err, sizeof(err), "it speaks version %u, we %u", h->version, WIRE_VERSION);
	else if (strcmp(h->node, l->node) != 0)
		snprintf(err, sizeof(err), "it says that it is %s", h->node);
	else if (l->w->id != NULL && l->dial != NULL)
		s = secure_finish(l->dial, h, err, sizeof(err));
	secure_dial_free(&l->dial);
	if (l->w->id != NULL && s == NULL && err[0] == '\0')
		snprintf(err, sizeof(err), "there is no hello that it could answer");
	if (err[0] != '\0') {
		log_warn("bus_hello_failed", L_STR("peer", l->node), L_STR("why", err));
		l->w->lines.stats.refused_peers++;
		return l->w->id == NULL;
	}
	l->generation = h->generation;
	snprintf(
	    l->instance, sizeof(l->instance), "%s", h->instance[0] != '\0' ? h->instance : h->node);
	l->draining = l->unfit = false;
	line_set_up(&l->line, h->epoch, s);
	sp_set_body_max(l->line.conn, WIRE_BODY_MAX);
	log_debug("bus_up", L_STR("peer", l->node), L_INT("peer_generation", h->generation));
	l->w->events.up(l->w->ctx, l);
	return true;
}

static void
lane_lost(struct lane *l, const char *why)
{
	bool was_up = l->line.up;

	line_stop(&l->line);
	secure_dial_free(&l->dial);
	idset_clear(&l->out);
	l->draining = l->unfit = false;
	if (!was_up)
		return;
	log_debug("bus_down", L_STR("peer", l->node), L_STR("why", why));
	l->w->events.down(l->w->ctx, l);
}

static void
on_head(struct line *line, const struct frame_head *h)
{
	struct lane *l = container_of(line, struct lane, line);

	if ((h->flags & FRAME_HINT) != 0)
		l->w->events.hint(l->w->ctx, l, h->hint_epoch, h->hint_value);
	if (((h->flags & FRAME_UNFIT) != 0) != l->unfit) {
		l->unfit = !l->unfit;
		l->w->events.unfit(l->w->ctx, l, l->unfit);
	}
	if ((h->flags & FRAME_DRAINING) != 0 && !l->draining) {
		l->draining = true;
		l->w->events.draining(l->w->ctx, l);
	}
}

static void
on_record(struct line *line, const struct frame_record *r)
{
	struct lane *l = container_of(line, struct lane, line);

	if (r->kind == RECORD_ANSWER && idset_del(&l->out, r->id))
		l->w->events.answer(l->w->ctx, l, r->id, r->p, r->n);
	else if (r->kind == RECORD_BELL_KEY)
		bell_set_key(l->w, l->place, r->p);
}

static void
on_silent(struct line *line)
{
	struct lane *l = container_of(line, struct lane, line);

	sp_hang_up(line->conn);
	lane_lost(l, "silent");
}
