/* otlp: traces as the OpenTelemetry protocol has them (1.x, over HTTP). Pure: no I/O, no clock.
 *
 * Each hop is a span of the node that was called, below the span of who called it; the request itself is
 * the span of the node at which it entered. */
#ifndef REST_OTLP_H
#define REST_OTLP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "proto/trace.pb-c.h"

enum otlp_form { OTLP_PROTOBUF, OTLP_JSON };

struct otlp_body {
	struct str bytes;
	size_t spans; /* in it; what is no trace is left out */
};
void
otlp_write(struct arena *a, enum otlp_form form, const Mf__TraceBatch *q, struct otlp_body *out);

/* Of a collector's answer: how many spans it did not take, and why. What can't be read says nothing. */
void otlp_read_answer(
    struct arena *a, enum otlp_form form, struct str body, uint32_t *rejected, const char **why);

#endif
