/* meter: what is counted per method. A series of a status code is made when that code first occurs.
 */
#include <stddef.h>
#include "bus/inside.h"

static const char *const by_method[] = { "service", "method", NULL };
static const char *const by_code[] = { "service", "method", "code", NULL };

void
meter_init(struct meter *m, const char *service, const char *method, bool served)
{
	struct metric_family *f;

	*m = (struct meter){ .service = service, .method = method, .served = served };
	if (served)
		f = metric_family(METRIC_HISTOGRAM, "metafed_bus_served_seconds",
		    "Time from arrival to answer of calls served.", by_method);
	else
		f = metric_family(METRIC_HISTOGRAM, "metafed_bus_call_seconds",
		    "Time of calls made, retries included.", by_method);
	m->seconds = metric_get(f, (const char *const[]){ service, method, NULL });
}

void
meter_done(struct meter *m, enum status s, int64_t us)
{
	struct metric_family *f;
	unsigned code = (unsigned)s <= 16 ? (unsigned)s : ST_UNKNOWN;

	if (m->codes[code] == NULL) {
		if (m->served)
			f = metric_family(METRIC_COUNTER, "metafed_bus_served_total",
			    "Calls served, by status.", by_code);
		else
			f = metric_family(METRIC_COUNTER, "metafed_bus_calls_total",
			    "Calls made, by status.", by_code);
		m->codes[code] = metric_get(
		    f, (const char *const[]){ m->service, m->method, status_name(s), NULL });
	}
	metric_inc(m->codes[code]);
	metric_time(m->seconds, us);
}
