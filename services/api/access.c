/* access: what is counted of each request, and the access log. */
#include <stdio.h>
#include <string.h>

#include "api/exchange.h"
#include "api/part.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define USER_AGENT_MOST 200

static void on_traced(void *, const Mf__Trace *);
static void write_line(const struct exchange *, int64_t);
static bool is_fault(const struct exchange *);
static struct metric *requests_of(size_t, int);
static struct metric *seconds_of(size_t, enum http_method);

static struct bus *bus; /* whose load it is; NULL: nobody's */

void
access_init(struct bus *b)
{
	bus = b;
	bus_on_traced(b, on_traced, NULL);
}

/* Of a request whose trace is kept: from "it was slow" a person gets to why. */
static void
on_traced(void *ctx, const Mf__Trace *m)
{
	(void)ctx;
	for (int i = 0; i < M_METHODS; i++)
		if (strcmp(http_method_names[i], m->http_method) == 0)
			metric_exemplar(seconds_of(part_of(m->route), (enum http_method)i),
			    (int64_t)m->duration_us, m->trace_id);
}

void
access_account(struct exchange *x)
{
	enum access_log want = edge_settings(x->e)->access_log;
	int64_t us = time_now_us() - x->began_us;
	size_t part = part_of(x->path);

	if (bus != NULL && x->http != 0 && x->http != 101 && x->stream == NULL)
		bus_count_served(bus, us, is_fault(x));
	if (x->http != 101 && x->stream == NULL) /* how long a session was is no request's time */
		metric_time(seconds_of(part, x->head.method), us);
	if (x->http != 0)
		metric_inc(requests_of(part, x->http));
	if (want == ACCESS_ALL || (want == ACCESS_ERRORS && x->http >= 500))
		write_line(x, us);
}

/* A method or version that nobody knows is the client's mistake: he can't make the fleet look ill by it.
 * It is refused before there is a path; a 501 of a path came from inside. */
static bool
is_fault(const struct exchange *x)
{
	return x->http >= 500 && (x->path[0] != '\0' || (x->http != 501 && x->http != 505));
}

/* Every one of them: this is no site of a warning that repeats itself. Status 0: the client was gone,
 * or sent what libmicrohttpd refused by itself. */
static void
write_line(const struct exchange *x, int64_t us)
{
	struct str said = x->checked ? x->head.fields[F_USER_AGENT] : STR("");
	char agent[USER_AGENT_MOST + 1];
	int n = (int)(said.n < USER_AGENT_MOST ? said.n : USER_AGENT_MOST);

	if (!log_on(LOG_INFO))
		return;
	snprintf(agent, sizeof(agent), "%.*s", n, said.p == NULL ? "" : said.p);
	log_set_trace(x->trace);
	log_write(LOG_INFO, NULL, "request",
	    (const struct log_field[]){ L_STR("client", exchange_client(x)),
		L_STR("principal", x->charge.name[0] == '\0' ? NULL : x->charge.name),
		L_STR("method",
		    x->head.method == M_METHODS ? "?" : http_method_names[x->head.method]),
		L_STR("path", x->checked ? x->path : "?"), L_INT("status", x->http),
		L_INT("bytes", x->sent), L_INT("duration_us", us), L_STR("agent", x->agent),
		L_STR("user_agent", agent), { .key = NULL } });
	log_set_trace(NULL);
}

/* A series is made when its first request ends. By status and by method apart, so that nobody who asks
 * for odd things makes more of them than there are parts times statuses. */
static struct metric *
requests_of(size_t part, int http)
{
	static const char *const labels[] = { "route", "status", NULL };
	static struct metric *known[PARTS_MOST][600];
	struct metric **slot = &known[part][http < 600 ? http : 599];
	char code[16];

	if (*slot == NULL) {
		snprintf(code, sizeof(code), "%d", http);
		*slot = metric_get(metric_family(METRIC_COUNTER, "metafed_http_requests_total",
				       "Requests answered, by part of the API and status.", labels),
		    (const char *const[]){ part_name(part), code });
	}
	return *slot;
}

static struct metric *
seconds_of(size_t part, enum http_method m)
{
	static const char *const labels[] = { "route", "method", NULL };
	static struct metric *known[PARTS_MOST][M_METHODS + 1];
	struct metric **slot = &known[part][m];

	if (*slot == NULL)
		*slot = metric_get(metric_family(METRIC_HISTOGRAM, "metafed_http_request_seconds",
				       "From the request line to the end of the answer.", labels),
		    (const char *const[]){
			part_name(part), m == M_METHODS ? "other" : http_method_names[m] });
	return *slot;
}
