/* raw_response: a TaskResponse as JSON, with exactly the three levels of its trace. */
#include <string.h>

#include "api/ops/ops.h"

static void write_strings(struct jw *, const char *, size_t, char *const *);
static void write_trace(struct jw *, const Mf__TaskResponse *);
static void write_hop(struct jw *, const Mf__Hop *);

void
raw_response(struct jw *w, const char *key, const Mf__TaskResponse *m)
{
	struct failure f;

	jw_object(w, key);
	jw_str(w, "task_id", m->task_id);
	jw_str(w, "status", status_name((enum status)m->status));
	jw_bool(w, "success", m->success);
	jw_bool(w, "partial_success", m->partial_success);
	write_strings(w, "successful_domains", m->n_successful_domains, m->successful_domains);
	write_strings(w, "failed_domains", m->n_failed_domains, m->failed_domains);
	jw_bool(w, "cascade_prevented", m->cascade_prevented);
	jw_bool(w, "degraded", m->degraded);
	write_strings(w, "agents_used", m->n_agents_used, m->agents_used);
	write_strings(w, "failed_agents", m->n_failed_agents, m->failed_agents);
	jw_bool(w, "meta_failure", m->meta_failure);
	jw_raw(w, "result", m->result.data, m->result.len);
	if (m->version != 0)
		jw_int(w, "version", (int64_t)m->version);
	jw_int(w, "rows_affected", (int64_t)m->rows_affected);
	if (m->session[0] != '\0')
		jw_str(w, "session", m->session);
	if (m->age_us != 0)
		jw_int(w, "age_us", (int64_t)m->age_us);
	if (m->n_warnings != 0)
		write_strings(w, "warnings", m->n_warnings, m->warnings);
	if (m->problem != NULL) {
		problem_from(w->a, m->problem, &f);
		problem_write(w, "problem", 0, &f, "", false);
	}
	write_trace(w, m);
	jw_close(w, '}');
}

static void
write_strings(struct jw *w, const char *key, size_t n, char *const *s)
{
	jw_array(w, key);
	for (size_t i = 0; i < n; i++)
		jw_str(w, NULL, s[i]);
	jw_close(w, ']');
}

/* A level that nothing of the request touched has no hops: it is there all the same. */
static void
write_trace(struct jw *w, const Mf__TaskResponse *m)
{
	jw_array(w, "execution_trace");
	for (uint32_t level = 0; level < 3; level++) {
		jw_object(w, NULL);
		jw_int(w, "level", level);
		jw_array(w, "hops");
		for (size_t i = 0; i < m->n_execution_trace; i++)
			if (m->execution_trace[i]->level == level)
				for (size_t k = 0; k < m->execution_trace[i]->n_hops; k++)
					write_hop(w, m->execution_trace[i]->hops[k]);
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
write_hop(struct jw *w, const Mf__Hop *h)
{
	jw_object(w, NULL);
	jw_str(w, "node", h->node);
	jw_str(w, "method", h->method);
	jw_int(w, "attempt", h->attempt);
	jw_int(w, "start_us", (int64_t)h->start_us);
	jw_int(w, "duration_us", (int64_t)h->duration_us);
	jw_str(w, "outcome", h->code == 0 ? "ok" : "failed");
	jw_str(w, "code", status_name((enum status)h->code));
	if (h->reason[0] != '\0')
		jw_str(w, "reason", h->reason);
	jw_close(w, '}');
}
