/* access: what is counted of each request, and the access log. */
#include <stdio.h>

#include "api/exchange.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

#define USER_AGENT_MOST 200

static void write_line(const struct exchange *, int64_t);
static struct metric *answers_of(enum http_method, int);

void
access_account(struct exchange *x)
{
	enum access_log want = edge_settings(x->e)->access_log;
	static struct metric *seconds;
	int64_t us = time_now_us() - x->began_us;

	if (seconds == NULL)
		seconds = metric_simple(METRIC_HISTOGRAM, "metafed_http_request_seconds",
		    "From the request line to the end of the answer.");
	if (x->http != 101 && x->stream == NULL) /* how long a session was is no request's time */
		metric_time(seconds, us);
	if (x->http != 0)
		metric_inc(answers_of(x->head.method, x->http));
	if (want == ACCESS_ALL || (want == ACCESS_ERRORS && x->http >= 500))
		write_line(x, us);
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

static struct metric *
answers_of(enum http_method m, int http)
{
	static const char *const labels[] = { "method", "status", NULL };
	static struct metric *known[M_METHODS + 1][600];
	struct metric **slot = &known[m][http < 600 ? http : 599];
	char code[16];

	if (*slot == NULL) {
		snprintf(code, sizeof(code), "%d", http);
		*slot = metric_get(metric_family(METRIC_COUNTER, "metafed_http_answers_total",
				       "Answers by method and status.", labels),
		    (const char *const[]){ m == M_METHODS ? "other" : http_method_names[m], code });
	}
	return *slot;
}
