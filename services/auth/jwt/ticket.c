/* ticket: see ticket.h. */
#include "auth/jwt/ticket.h"

#include <sodium.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"

#define PURPOSE "ticket"

char *
ticket_write(struct arena *a, const struct seal *s, const char *username, const struct ticket *t)
{
	struct jw w;
	size_t n;
	char *text;

	jw_start(&w, a, 160);
	jw_object(&w, NULL);
	jw_str(&w, "user", t->user_id);
	jw_int(&w, "ver", (int64_t)t->user_version);
	jw_str(&w, "method", t->method);
	jw_int(&w, "at", t->at_us);
	jw_close(&w, '}');
	text = jw_text(&w, &n);
	return seal_text(a, s, PURPOSE, username, text, n);
}

static bool
read_members(struct arena *a, const json_t *v, struct ticket *out)
{
	const char *user = json_string_value(json_object_get(v, "user"));
	const char *method = json_string_value(json_object_get(v, "method"));
	const json_t *version = json_object_get(v, "ver"), *at = json_object_get(v, "at");

	if (user == NULL || !uuid_ok(user) || method == NULL || !json_is_integer(version) ||
	    !json_is_integer(at))
		return false;
	*out = (struct ticket){
		.user_id = arena_strdup(a, user),
		.user_version = (uint64_t)json_integer_value(version),
		.method = arena_strdup(a, method),
		.at_us = json_integer_value(at),
	};
	return true;
}

bool
ticket_read(struct arena *a, const struct seal *s, const char *username, const char *text,
    int64_t now_us, struct ticket *out)
{
	struct json_error e;
	size_t n;
	char *p = seal_open(s, PURPOSE, username, text, &n);
	json_t *v = p == NULL ? NULL : json_read(p, n, &e);
	bool ok = v != NULL && read_members(a, v, out) && now_us - out->at_us <= TICKET_LIFE_US;

	json_decref(v);
	if (p != NULL)
		sodium_free(p);
	return ok;
}
