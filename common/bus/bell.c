/* bell: events out over one pub socket, in over one sub socket per publisher.
 *
 * Over ipc a whole batch goes out. Over tcp anybody might listen, so only numbers go, sealed with a
 * key that members get in a frame of their link (BELL_KEY); what they stand for is fetched over
 * that link. Nothing durable depends on either. */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "bus/wire_impl.h"

#define BELL_MAX 512u /* a bell without events is smaller */

struct ear {
	struct port port;
	struct wire *w;
	struct link link;
	char node[WIRE_NAME], place[WIRE_PLACE];
	bool tcp, has_key;
	uint8_t key[SECURE_KEY];
	uint64_t generation, last_seq; /* tcp: an older bell is a replay */
};

static struct ear *ear_new(struct wire *w, const char *place, const char *node);
static void ear_dial(struct ear *e, const char *url);
static struct ear *ear_find(struct wire *w, const char *place);
static void on_message(struct port *p, nng_msg *m);
static void ear_bell(struct ear *e, uint8_t *p, size_t n);

bool
bell_listen(struct wire *w, char *err, size_t err_size)
{
	char url[WIRE_URL];
	int rv;

	if (!wire_url_listen(w, PLACE_BELL, url, err, err_size))
		return false;
	rv = port_open(&w->bell, w->loop, nng_pub0_open, !wire_is_tcp(url), NULL, w);
	if (rv == 0)
		rv = nng_listen(w->bell.sock, url, NULL, 0);
	if (rv != 0)
		snprintf(err, err_size, "%s: %s", url, nng_strerror(rv));
	return rv == 0;
}

void
wire_publish(struct wire *w, const void *batch, size_t n, uint64_t last_seq)
{
	Mf__EventBatch numbers = MF__EVENT_BATCH__INIT;
	uint8_t plain[BELL_MAX],
	    out[FRAME_PREFIX + BELL_MAX + SECURE_BELL_EXTRA] = { 0, FRAME_BELL };
	nng_msg *m;

	if (!w->bell.open)
		return;
	if (w->listen[0] != '\0') {
		numbers.node = w->name;
		numbers.generation = w->generation;
		numbers.last_seq = last_seq;
		must(mf__event_batch__get_packed_size(&numbers) <= sizeof(plain));
		n = mf__event_batch__pack(&numbers, plain);
		secure_bell_seal(w->bell_key, plain, n, out + FRAME_PREFIX);
		n += FRAME_PREFIX + SECURE_BELL_EXTRA;
		batch = out;
	}
	must(nng_msg_alloc(&m, n) == 0);
	memcpy(nng_msg_body(m), batch, n);
	if (!port_send(&w->bell, m))
		nng_msg_free(m); /* lost: the numbers of the next batch show it */
}

void
wire_subscribe(struct wire *w, const char *node)
{
	char url[WIRE_URL];
	struct ear *e;

	if (ear_find(w, node) != NULL)
		return;
	e = ear_new(w, node, node);
	if (wire_url_of(w, node, PLACE_BELL, url)) /* else: said by wire_lane */
		ear_dial(e, url);
	(void)wire_lane(w, node); /* tcp: brings the key; both: how a gap is fetched */
}

void
wire_subscribe_at(struct wire *w, const char *place, const char *node, const char *url)
{
	char bell[WIRE_URL];

	snprintf(bell, sizeof(bell), "%s", url);
	if (wire_bell_url(bell))
		ear_dial(ear_new(w, place, node), bell);
}

void
wire_unsubscribe(struct wire *w, const char *place)
{
	struct ear *e = ear_find(w, place);

	if (e == NULL)
		return;
	list_del(&w->ears, &e->link);
	port_close(&e->port);
	free(e);
}

void
bell_set_key(struct wire *w, const char *place, const uint8_t key[SECURE_KEY])
{
	struct ear *e = ear_find(w, place);

	if (e == NULL)
		return;
	memcpy(e->key, key, sizeof(e->key));
	e->has_key = true;
}

void
bell_free_all(struct wire *w)
{
	struct link *k;

	while ((k = list_pop(&w->ears)) != NULL) {
		struct ear *e = container_of(k, struct ear, link);

		port_close(&e->port);
		free(e);
	}
	port_close(&w->bell);
}

static struct ear *
ear_new(struct wire *w, const char *place, const char *node)
{
	struct ear *e = calloc(1, sizeof(*e));

	must(e != NULL && strlen(node) < sizeof(e->node) && strlen(place) < sizeof(e->place));
	e->w = w;
	memcpy(e->node, node, strlen(node) + 1);
	memcpy(e->place, place, strlen(place) + 1);
	list_add(&w->ears, &e->link);
	return e;
}

static void
ear_dial(struct ear *e, const char *url)
{
	int rv;

	e->tcp = wire_is_tcp(url);
	rv = port_open(&e->port, e->w->loop, nng_sub0_open, !e->tcp, on_message, e);
	if (rv == 0)
		rv = nng_socket_set(e->port.sock, NNG_OPT_SUB_SUBSCRIBE, "", 0);
	if (rv == 0)
		rv = nng_dial(e->port.sock, url, NULL, NNG_FLAG_NONBLOCK);
	if (rv != 0)
		log_warn("bus_subscribe_failed", L_STR("peer", e->node), L_STR("url", url),
		    L_STR("why", nng_strerror(rv)));
}

static struct ear *
ear_find(struct wire *w, const char *place)
{
	LIST_EACH(&w->ears, k)
		if (strcmp(container_of(k, struct ear, link)->place, place) == 0)
			return container_of(k, struct ear, link);
	return NULL;
}

static void
on_message(struct port *p, nng_msg *m)
{
	struct ear *e = p->owner;

	if (e->tcp)
		ear_bell(e, nng_msg_body(m), nng_msg_len(m));
	else
		e->w->events.event(e->w->ctx, e->place, nng_msg_body(m), nng_msg_len(m));
}

/* A bell that does not open (an old key, somebody else's) is dropped: the next link or the next
 * bell makes up for it. */
static void
ear_bell(struct ear *e, uint8_t *p, size_t n)
{
	Mf__EventBatch *b = NULL;
	const uint8_t *plain;
	size_t plain_n;

	if (e->has_key && frame_kind_of(p, n) == FRAME_BELL &&
	    n <= FRAME_PREFIX + BELL_MAX + SECURE_BELL_EXTRA &&
	    secure_bell_open(e->key, p + FRAME_PREFIX, n - FRAME_PREFIX, &plain, &plain_n))
		b = mf__event_batch__unpack(NULL, plain_n, plain);
	if (b == NULL || strcmp(b->node, e->node) != 0) {
		e->w->lines.stats.dropped_bad++;
	} else if (b->generation > e->generation ||
		   (b->generation == e->generation && b->last_seq > e->last_seq)) {
		e->generation = b->generation;
		e->last_seq = b->last_seq;
		e->w->events.event(e->w->ctx, e->place, plain, plain_n);
	}
	if (b != NULL)
		mf__event_batch__free_unpacked(b, NULL);
}
