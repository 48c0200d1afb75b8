/* access: what is counted of each request, and the access log. */
#include <stdio.h>

#include "api/exchange.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"

static struct metric *answers_of(enum http_method, int);

/* One line per request costs more than the request's parsing: only what the configuration asks for.
 */
void
access_account(struct exchange *x)
{
	enum access_log want = edge_settings(x->e)->access_log;
	static struct metric *seconds;
	int64_t us = time_now_us() - x->began_us;

	if (seconds == NULL)
		seconds = metric_simple(METRIC_HISTOGRAM, "metafed_http_request_seconds",
		    "From the request line to the end of the answer.");
	metric_time(seconds, us);
	if (x->http != 0)
		metric_inc(answers_of(x->head.method, x->http));
	if (want == ACCESS_ALL || (want == ACCESS_ERRORS && x->http >= 500))
		log_info("request", L_STR("client", exchange_client(x)),
		    L_STR("method",
			x->head.method == M_METHODS ? "?" : http_method_names[x->head.method]),
		    L_STR("path", x->checked ? x->path : "?"), L_INT("status", x->http),
		    L_INT("us", us));
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
