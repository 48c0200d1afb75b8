/* http_check: the sentences of RFC 9110 and 9112 that a server must hold before it believes a
 * request. Pure: no parser's types, no I/O. libmicrohttpd has split the head into lines and refused
 * what is no head at all (discipline level 1). */
#ifndef API_HTTP_CHECK_H
#define API_HTTP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

enum http_field { /* the header fields that we know; all others are only looked over */
	F_HOST,
	F_CONTENT_LENGTH,
	F_TRANSFER_ENCODING,
	F_EXPECT,
	F_CONTENT_ENCODING,
	F_X_FORWARDED_FOR,
	F_X_FORWARDED_PROTO,
	F_ACCEPT_ENCODING,
	F_REQUESTED_METHOD,
	/* from here on: handed to the agents where the path is the authorization server's */
	F_ORIGIN,
	F_COOKIE,
	F_SEC_FETCH_SITE,
	F_ACCEPT_LANGUAGE,
	/* from here on: also for a log-in */
	F_USER_AGENT,
	/* from here on: always */
	F_AUTHORIZATION,
	F_DPOP,
	F_CONTENT_TYPE,
	F_ACCEPT,
	F_IF_MATCH,
	F_IF_NONE_MATCH,
	F_IDEMPOTENCY_KEY,
	F_PREFER,
	F_LAST_EVENT_ID,
	F_TRACEPARENT,
	F_RANGE,
	F_IF_RANGE,
	F_CONTENT_DIGEST,
	F_REPR_DIGEST,
	F_TUS_RESUMABLE,
	F_UPLOAD_LENGTH,
	F_UPLOAD_DEFER_LENGTH,
	F_UPLOAD_OFFSET,
	F_UPLOAD_METADATA,
	F_UPLOAD_CHECKSUM,
	F_METAFED_SESSION,
	F_FIELDS,
};
#define F_FIRST_WEB       F_ORIGIN
#define F_FIRST_SIGN      F_USER_AGENT
#define F_FIRST_FORWARDED F_AUTHORIZATION
extern const struct str http_field_names[F_FIELDS]; /* lower case, NUL-ended */

enum http_method { M_GET, M_HEAD, M_POST, M_PUT, M_PATCH, M_DELETE, M_OPTIONS, M_METHODS };
extern const char *const http_method_names[M_METHODS];

struct http_refusal {
	int http;
	const char *reason; /* UPPER_SNAKE */
	const char *message;
};

struct http_head { /* filled by the checks below; views of what was given to them */
	enum http_method method;
	struct str path, query;      /* still encoded */
	struct str fields[F_FIELDS]; /* p NULL: absent */
	uint64_t content_length;     /* 0 when absent or chunked */
	bool chunked;
	bool many_accepts;
};

/* Each answers NULL (fine) or why not. In this order: */
const struct http_refusal *
http_check_line(struct http_head *h, const char *method, const char *target, const char *version);
const struct http_refusal *
http_check_field(struct http_head *h, struct str name, struct str value); /* for each line */
const struct http_refusal *
http_check_head(struct http_head *h, const char *version, uint64_t body_limit);

/* A parameter of this name, however it is written. */
bool http_query_names(struct str query, const char *name);
/* The path, decoded once, into out (as large as path + 1). NULL or why not. */
const struct http_refusal *http_decode_path(struct str path, char *out);

/* --- media.c --- */
bool media_compressible(const char *content_type); /* text of some kind */
/* gzip is taken, and not less gladly than the text as it is (RFC 9110, 12.5.3). */
bool gzip_accepted(struct str accept_encoding);
bool media_is(struct str content_type,
    const char *type); /* "application/json; charset=utf-8" is "application/json" */
bool media_accepted(struct str accept,
    const char *type); /* some range with q > 0 takes it; malformed ranges are passed over */
/* OpenMetrics 1.0 is asked for by its name, and as gladly as the older text. */
bool openmetrics_wanted(struct str accept);

bool traceparent_ok(struct str s); /* W3C, version 00, lower case, nothing zero */

#endif
