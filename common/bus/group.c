/* group: see group.h. Called by peer.c (who of them is up) and event.c (who hears of them). */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "bus/group.h"
#include "bus/inside.h"

#define HOSTS_MOST GROUP_MOST
#define FOUND_MOST 64 /* addresses of one round; more are not looked at */

struct host {
	struct group *group;
	char name[WIRE_URL], port[8];
	struct look *look; /* under way */
};

/* A look-up ends on the loop, whether its group is still there or not. */
struct look {
	uv_getaddrinfo_t req;
	struct host *host; /* NULL: the group is gone */
};

struct group {
	struct link link; /* bus.groups */
	struct bus *bus;
	char name[64];
	struct peer *peers[GROUP_MOST];
	char at[GROUP_MOST][WIRE_URL]; /* of each peer; "": vacant */
	bool leaving[GROUP_MOST];      /* is not found any more */
	bool subscribed;
	size_t n_hosts;
	struct host hosts[HOSTS_MOST];
	struct timer timer;
	/* a round */
	size_t looks; /* under way */
	bool whole;   /* every host was found: who is missing has gone */
	size_t n_found;
	char found[FOUND_MOST][WIRE_URL];
};

static struct group *group_new(struct bus *b, const char *name, char (*urls)[WIRE_URL], size_t n);
static bool add_host(struct group *g, const char *url);
static bool is_literal(const struct host *h);
static bool asks_names(const struct group *g);
static void on_timer(struct timer *t);
static void look(struct group *g);
static void look_up(struct host *h);
static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found);
static void take(struct group *g, const struct addrinfo *a);
static void looked(struct group *g, bool well);
static void settle(struct group *g);
static bool was_found(const struct group *g, const char *url);
static bool is_known(const struct group *g, const char *url);
static void enter(struct group *g, const char *url);
static void arrive(struct group *g, size_t i, const char *url);
static bool leave(struct group *g, size_t i);

struct group *
group_get(struct bus *b, const char *name)
{
	const struct fleet_name *f = fleet_name_find(name);
	char urls[HOSTS_MOST][WIRE_URL];
	size_t n;

	LIST_EACH(&b->groups, k)
		if (strcmp(container_of(k, struct group, link)->name, name) == 0)
			return container_of(k, struct group, link);
	if (b->wire == NULL || f == NULL || !f->many)
		return NULL;
	n = wire_places(b->wire, name, urls, HOSTS_MOST);
	return n == 0 ? NULL : group_new(b, name, urls, n);
}

size_t
group_peers(const struct group *g, struct peer *const **peers)
{
	*peers = g->peers;
	return GROUP_MOST;
}

bool
group_has_twin(const struct peer *p)
{
	for (size_t i = 0; i < GROUP_MOST; i++) {
		const struct peer *o = p->group->peers[i];

		if (o != p && o->up && strcmp(o->instance, p->instance) == 0 &&
		    lane_generation(o->lane) == lane_generation(p->lane))
			return true;
	}
	return false;
}

/* Whether it comes back there or elsewhere: it is looked for before its time. */
void
group_peer_down(struct peer *p)
{
	struct group *g = p->group;

	for (size_t i = 0; i < GROUP_MOST; i++)
		if (g->peers[i]->twin && lane_is_up(g->peers[i]->lane) &&
		    !fault_cuts(g->bus->faults, g->name))
			peer_up(g->peers[i]);
	if (asks_names(g) && g->looks == 0 &&
	    g->timer.at_us > loop_now(g->bus->loop) + LOOK_FIRST_US)
		timer_in(&g->timer, LOOK_FIRST_US);
}

void
group_subscribe(struct group *g)
{
	if (g->subscribed)
		return;
	g->subscribed = true;
	for (size_t i = 0; i < GROUP_MOST; i++)
		if (g->at[i][0] != '\0')
			wire_subscribe_at(g->bus->wire, g->peers[i]->place, g->name, g->at[i]);
}

size_t
bus_instances(struct bus *b, const char *node, const char **instances, size_t most)
{
	struct peer *one = peer_get(b, node), *const *all = &one;
	size_t n = one->group != NULL ? group_peers(one->group, &all) : 1, k = 0;

	for (size_t i = 0; i < n && k < most; i++)
		if (all[i]->up)
			instances[k++] = all[i]->instance[0] != '\0' ? all[i]->instance : node;
	return k;
}

/* The wire is gone by now, and the lanes with it. */
void
groups_free(struct bus *b)
{
	struct link *k;

	while ((k = list_pop(&b->groups)) != NULL) {
		struct group *g = container_of(k, struct group, link);

		timer_stop(&g->timer);
		for (size_t i = 0; i < g->n_hosts; i++) {
			if (g->hosts[i].look == NULL)
				continue;
			g->hosts[i].look->host = NULL;
			(void)uv_cancel((uv_req_t *)&g->hosts[i].look->req);
		}
		free(g);
	}
}

static struct group *
group_new(struct bus *b, const char *name, char (*urls)[WIRE_URL], size_t n)
{
	struct group *g = mem_zalloc(sizeof *g);
	char place[72];

	g->bus = b;
	snprintf(g->name, sizeof g->name, "%s", name);
	timer_init(&g->timer, b->loop, on_timer);
	for (size_t i = 0; i < n; i++)
		if (!add_host(g, urls[i]))
			log_warn("bus_peer_unknown", L_STR("peer", name), L_STR("url", urls[i]),
			    L_STR("why", "is not tcp://HOST:PORT"));
	list_add(&b->groups, &g->link);
	for (size_t i = 0; i < GROUP_MOST; i++) {
		snprintf(place, sizeof place, i == 0 ? "%s" : "%s#%zu", name, i + 1);
		g->peers[i] = peer_new(b, name, place);
		g->peers[i]->group = g;
		g->peers[i]->vacant = true;
	}
	look(g);
	return g;
}

static bool
add_host(struct group *g, const char *url)
{
	struct host *h = &g->hosts[g->n_hosts];
	const char *host = str_starts(url, "tcp://") ? url + 6 : "", *colon = strrchr(host, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - host);

	if (n == 0 || colon[1] == '\0' || strlen(colon + 1) >= sizeof h->port)
		return false;
	if (n > 2 && host[0] == '[' && host[n - 1] == ']')
		host++, n -= 2;
	h->group = g;
	memcpy(h->name, host, n);
	strcpy(h->port, colon + 1);
	g->n_hosts++;
	return true;
}

static bool
is_literal(const struct host *h)
{
	struct in6_addr a;

	return inet_pton(AF_INET, h->name, &a) == 1 || inet_pton(AF_INET6, h->name, &a) == 1;
}

/* Else nothing can change. */
static bool
asks_names(const struct group *g)
{
	for (size_t i = 0; i < g->n_hosts; i++)
		if (!is_literal(&g->hosts[i]))
			return true;
	return false;
}

static void
on_timer(struct timer *t)
{
	look(container_of(t, struct group, timer));
}

static void
look(struct group *g)
{
	if (g->looks > 0)
		return;
	g->whole = true;
	g->n_found = 0;
	g->looks = g->n_hosts + 1; /* and this function: it is over last */
	for (size_t i = 0; i < g->n_hosts; i++)
		look_up(&g->hosts[i]);
	looked(g, true);
}

static void
look_up(struct host *h)
{
	struct group *g = h->group;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	struct look *l;

	if (is_literal(h)) {
		hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
		if (getaddrinfo(h->name, h->port, &hints, &found) != 0) {
			looked(g, false);
			return;
		}
		take(g, found);
		freeaddrinfo(found);
		looked(g, true);
		return;
	}
	l = mem_zalloc(sizeof *l);
	l->host = h;
	if (uv_getaddrinfo(loop_uv(g->bus->loop), &l->req, on_found, h->name, h->port, &hints) ==
	    0) {
		h->look = l;
	} else {
		free(l);
		looked(g, false);
	}
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct look *l = container_of(req, struct look, req);
	struct host *h = l->host;

	free(l);
	if (h != NULL) {
		h->look = NULL;
		if (status == 0)
			take(h->group, found);
		looked(h->group, status == 0);
	}
	uv_freeaddrinfo(found);
}

static void
take(struct group *g, const struct addrinfo *a)
{
	char host[64], port[8], url[WIRE_URL];

	for (; a != NULL && g->n_found < FOUND_MOST; a = a->ai_next) {
		if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		snprintf(url, sizeof url,
		    strchr(host, ':') != NULL ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
		if (!was_found(g, url))
			strcpy(g->found[g->n_found++], url);
	}
	if (a != NULL) /* not all were looked at: nobody is known to be gone */
		g->whole = false;
}

static void
looked(struct group *g, bool well)
{
	g->whole = g->whole && well;
	if (--g->looks == 0)
		settle(g);
}

static void
settle(struct group *g)
{
	/* by chance where not all have a place */
	size_t first = g->n_found > GROUP_MOST ? rng_below(&g->bus->rng, (uint32_t)g->n_found) : 0;
	bool one = false, waits = false;

	for (size_t i = 0; i < GROUP_MOST; i++) {
		bool gone = g->whole && g->n_found > 0 && !was_found(g, g->at[i]);

		if (g->at[i][0] == '\0' || (!gone && !g->leaving[i]))
			continue;
		g->leaving[i] = gone || !was_found(g, g->at[i]);
		if (!g->leaving[i])
			g->peers[i]->draining =
			    g->peers[i]->up && lane_is_draining(g->peers[i]->lane);
		else
			waits |= !leave(g, i);
	}
	for (size_t i = 0; i < g->n_found; i++)
		enter(g, g->found[(first + i) % g->n_found]);
	for (size_t i = 0; i < GROUP_MOST; i++)
		one |= g->peers[i]->up;
	if (waits)
		timer_in(&g->timer, LEAVE_LOOK_US);
	else if (asks_names(g))
		timer_in(&g->timer, one ? LOOK_US : LOOK_FIRST_US);
}

static bool
was_found(const struct group *g, const char *url)
{
	for (size_t i = 0; i < g->n_found; i++)
		if (strcmp(g->found[i], url) == 0)
			return true;
	return false;
}

static bool
is_known(const struct group *g, const char *url)
{
	for (size_t i = 0; i < GROUP_MOST; i++)
		if (strcmp(g->at[i], url) == 0)
			return true;
	return false;
}

static void
enter(struct group *g, const char *url)
{
	for (size_t i = 0; i < GROUP_MOST && !is_known(g, url); i++)
		if (g->at[i][0] == '\0')
			arrive(g, i, url);
}

static void
arrive(struct group *g, size_t i, const char *url)
{
	struct peer *p = g->peers[i];
	struct wire *w = g->bus->wire;

	log_debug("bus_place", L_STR("peer", g->name), L_STR("place", p->place), L_STR("url", url));
	snprintf(g->at[i], sizeof g->at[i], "%s", url);
	g->leaving[i] = false;
	p->vacant = false;
	events_peer_moved(p);
	if (g->subscribed)
		wire_subscribe_at(w, p->place, g->name, url);
	p->lane = wire_lane_at(w, p->place, g->name, url);
	lane_set_owner(p->lane, p);
}

/* True: it has left. Until then it gets no new calls, but for want of anybody else. */
static bool
leave(struct group *g, size_t i)
{
	struct peer *p = g->peers[i];

	p->draining = p->up;
	if (p->up && p->outs.n > 0)
		return false;
	log_debug("bus_place_left", L_STR("peer", g->name), L_STR("place", p->place),
	    L_STR("instance", p->instance));
	p->vacant = true;
	if (p->up)
		peer_down(p);
	p->twin = false;
	p->instance[0] = '\0';
	wire_unsubscribe(g->bus->wire, p->place);
	lane_close(&p->lane);
	g->at[i][0] = '\0';
	g->leaving[i] = false;
	return true;
}
