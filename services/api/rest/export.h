/* export: traces to an OpenTelemetry collector, over HTTP. meta keeps them, decides what goes next and
 * when again (services/meta/traces.h); an agent makes one attempt of each batch and says what became of
 * it, and keeps nothing: so one that dies is not missed. Collectors live in private networks: any address
 * is fine, plain http too. */
#ifndef REST_EXPORT_H
#define REST_EXPORT_H

#include <stdbool.h>

#include "bus/bus.h"
#include "proto/rest.pb-c.h"

struct export_config {
	const char *endpoint; /* "": off */
	const char *headers_file, *protocol, *ca;
	int64_t limit_us;
};

/* clang-format off */
/* Entries of a key table, as SQL_KEYS; of all three agents. */
#define EXPORT_KEYS(S, at)									\
	{ "rest/otlp_endpoint", CONFIG_STR, offsetof(S, at endpoint), "", 0, 0, false, false,	\
	  "OpenTelemetry collector that traces go to: \"http://collector:4318\"; empty: none" },\
	{ "rest/otlp_headers_file", CONFIG_PATH, offsetof(S, at headers_file), "", 0, 0, false, false,\
	  "file of header fields that go along, \"Name: value\" a line: a secret" },		\
	{ "rest/otlp_protocol", CONFIG_STR, offsetof(S, at protocol), "http/protobuf", 0, 0, false, false,\
	  "http/protobuf or http/json" },							\
	{ "rest/otlp_ca", CONFIG_PATH, offsetof(S, at ca), "", 0, 0, false, true,		\
	  "certificates that a collector's is verified with; empty: the system's" },		\
	{ "rest/otlp_timeout", CONFIG_DURATION, offsetof(S, at limit_us), "10s", 100000, 14000000, false, false,\
	  "an answer that takes longer has failed" }
/* clang-format on */

/* At the start, and at each reload. False: err says what is wrong, and all is as before. */
bool export_configure(struct bus *b, const struct export_config *c, char *err, size_t err_size);
/* rpc Export */
void export_traces(struct call *c, const Mf__TraceBatch *q);

#endif
