/* gqlmeta: whole requests of /graphql against a Meta on loop-back that knows two tasks and writes down
 * what it was asked. On busbed. */
#ifndef HARNESS_GQLMETA_H
#define HARNESS_GQLMETA_H

#include "base/time.h"
#include "harness/busbed.h"

/* The request's own id, and that of one task; another; and one that is nobody's. */
#define ID  "0199f0c0-1234-7abc-8def-0123456789ab"
#define ID2 "0199f0c0-1234-7abc-8def-0123456789ac"
#define ID3 "0199f0c0-1234-7abc-8def-0123456789ad"

struct gqlmeta {
	unsigned calls;
	char log[8192]; /* what was asked, one line each */
	size_t page;    /* items of one answer; 0: all */
	bool down;
	size_t payload; /* bytes of each task's */
	bool by_users;  /* a task was made by the user who has its id; else by u1 */
};
extern struct gqlmeta gqlmeta;

struct gqlgot { /* the answer */
	bool done;
	int status;
	char headers[1024]; /* "name: value\n" */
	char body[65536];
	char principal[64]; /* "-": none */
};
extern struct gqlgot gqlgot;

int gqlmeta_start(void **state);
#define META(f) cmocka_unit_test_setup_teardown(f, gqlmeta_start, bed_stop)

/* A call whose end is_done sees. */
struct call *gqlmeta_root(void);
bool gqlmeta_done(void *ctx);
/* headers: name, value, ... NULL */
void
gqlmeta_http(const char *method, const char *query, const char *body, const char *const *headers);
/* A document without quotes in it, or with them escaped, by POST with a token; what was asked of Meta
 * begins anew. */
void gqlmeta_run(const char *document, const char *variables);

#define H(...)              ((const char *const[]){ __VA_ARGS__, NULL })
#define JSON_BODY           "content-type", "application/json"
#define NEWER               "accept", "application/graphql-response+json"
#define assert_header(line) assert_non_null(strstr(gqlgot.headers, line "\n"))

#endif
