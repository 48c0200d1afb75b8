/* report_live: what the document says of a fleet that is in use besides: what was done to it, and what
 * was not measured. */
#include <math.h>

#include "cli/reliability/report_int.h"

json_t *
experiments_json(const struct result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_trials; i++) {
		const struct trial *t = &r->trials[i];
		uint64_t n = t->outcomes[OUTCOME_SUCCESS] + t->outcomes[OUTCOME_PARTIAL] +
		             t->outcomes[OUTCOME_FAILED];
		struct interval ci = stat_wilson(t->outcomes[OUTCOME_SUCCESS], n, CONFIDENCE);
		bool ran = t->refused == NULL;

		json_array_append_new(out,
		    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:s}",
			"action", t->action, "target", t->target, "probability",
			report_num(t->probability > 0 ? t->probability : NAN), "delay_ms",
			report_num(t->delay_ms > 0 ? t->delay_ms : NAN), "from_s",
			report_num(ran ? (double)t->from_us / 1e6 : NAN), "until_s",
			report_num(ran ? (double)t->until_us / 1e6 : NAN), "requests",
			(json_int_t)n, "success", (json_int_t)t->outcomes[OUTCOME_SUCCESS],
			"partial", (json_int_t)t->outcomes[OUTCOME_PARTIAL], "failed",
			(json_int_t)t->outcomes[OUTCOME_FAILED], "cascades",
			(json_int_t)t->cascades, "ci99", n > 0 ? report_interval(ci) : json_null(),
			"refused", ran ? "" : t->refused));
	}
	return out;
}

json_t *
not_measured_json(const struct result *r)
{
	json_t *out = json_array();

	for (size_t i = 0; i < r->n_not_measured; i++)
		json_array_append_new(out, json_pack("{s:s, s:s}", "what", r->not_measured[i].name,
					       "why", r->not_measured[i].value));
	return out;
}
