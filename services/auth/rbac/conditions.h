/* conditions: when a grant counts. JSON, validated when it is written, compiled when it is read; all
 * members must hold:
 *
 *	{"time": {"not_before": "2026-11-01T00:00:00Z", "not_after": "...", "days": ["mon", "fri"],
 *	          "from": "08:00", "until": "18:00", "zone": "Europe/Berlin"},
 *	 "address": {"in": ["10.0.0.0/8", "2001:db8::/32"], "not_in": ["10.9.0.0/16"]},
 *	 "principal": {"service": false, "clients": ["web"], "methods": ["otp"],
 *	               "authenticated_within": 300, "groups": ["staff"]}}
 *
 * Pure: whoever asks brings the circumstances. */
#ifndef RBAC_CONDITIONS_H
#define RBAC_CONDITIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "proto/common.pb-c.h"

struct conditions;

enum truth { TRUTH_NO, TRUTH_YES, TRUTH_UNKNOWN }; /* unknown: an address that was not told, ... */

struct circumstances {
	int64_t now_us;      /* wall clock */
	const char *address; /* of the client; "" or NULL: not known */
	const Mf__Principal *who;
};

struct condition_error {
	char field[80]; /* JSON Pointer within the conditions: "/time/zone" */
	char what[100];
};

/* NULL: *e says where and why. */
struct conditions *
conditions_read(const json_t *v, struct condition_error *e) __attribute__((warn_unused_result));
void conditions_free(struct conditions **c);
enum truth conditions_hold(const struct conditions *c, const struct circumstances *of);

#endif
