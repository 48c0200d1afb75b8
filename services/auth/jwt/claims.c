/* claims: see claims.h. One reader per kind of member; a member of the wrong kind makes the token
 * invalid. */
#include <string.h>
#include "auth/jwt/claims.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

struct reader {
	struct arena *a;
	const json_t *v;
	bool ok;
};

static char *read_text(struct reader *r, const char *name);
static int64_t read_time(struct reader *r, const char *name);
static uint64_t read_version(struct reader *r, const char *name);
static size_t read_list(struct reader *r, const char *name, char ***out);
static bool audience_has(const json_t *aud, const char *want);
static void write_list(struct jw *w, const char *name, size_t n, char *const *items);

enum token_verdict
claims_read(struct arena *a, const void *json, size_t n, const struct claims_expect *e,
    int64_t now_us, struct claims *out)
{
	struct json_error err;
	json_t *v = json_read(json, n, &err);
	struct reader r = { .a = a, .v = v, .ok = json_is_object(v) };
	Mf__Principal *p = &out->principal;
	const char *issuer = read_text(&r, "iss");
	int64_t issued, not_before, expires;
	bool audience = audience_has(json_object_get(v, "aud"), e->audience);

	mf__principal__init(p);
	p->id = read_text(&r, "sub");
	p->name = read_text(&r, "name");
	p->token_id = read_text(&r, "jti");
	out->session = read_text(&r, "sid");
	out->user_version = read_version(&r, "ver");
	issued = read_time(&r, "iat");
	not_before = read_time(&r, "nbf");
	expires = read_time(&r, "exp");
	p->n_roles = read_list(&r, "roles", &p->roles);
	p->n_permissions = read_list(&r, "perms", &p->permissions);
	json_decref(v);

	if (!r.ok || !audience || strcmp(issuer, e->issuer) != 0 || !uuid_ok(p->id) ||
	    !uuid_ok(out->session) || p->token_id[0] == '\0')
		return TOKEN_INVALID;
	if (issued > now_us + CLAIMS_LEEWAY_US || not_before > now_us + CLAIMS_LEEWAY_US)
		return TOKEN_INVALID;
	p->snapshot_at = (uint64_t)issued;
	p->expires_at = (uint64_t)expires;
	return expires <= now_us ? TOKEN_EXPIRED : TOKEN_OK;
}

char *
claims_write(struct arena *a, const struct claims *c, const struct claims_expect *e, size_t *n)
{
	const Mf__Principal *p = &c->principal;
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	jw_str(&w, "iss", e->issuer);
	jw_str(&w, "aud", e->audience);
	jw_str(&w, "sub", p->id);
	jw_str(&w, "name", p->name);
	jw_int(&w, "iat", (int64_t)p->snapshot_at / SEC);
	jw_int(&w, "nbf", (int64_t)p->snapshot_at / SEC);
	jw_int(&w, "exp", (int64_t)p->expires_at / SEC);
	jw_str(&w, "jti", p->token_id);
	jw_str(&w, "sid", c->session);
	jw_int(&w, "ver", (int64_t)c->user_version);
	write_list(&w, "roles", p->n_roles, p->roles);
	write_list(&w, "perms", p->n_permissions, p->permissions);
	jw_close(&w, '}');
	return jw_text(&w, n);
}

static char *
read_text(struct reader *r, const char *name)
{
	const char *s = json_string_value(json_object_get(r->v, name));

	if (s == NULL) {
		r->ok = false;
		s = "";
	}
	return arena_strdup(r->a, s);
}

/* Seconds since 1970 in the token; microseconds here. The bound keeps the product within 64 bits.
 */
static int64_t
read_time(struct reader *r, const char *name)
{
	const json_t *v = json_object_get(r->v, name);
	json_int_t s = json_integer_value(v);

	if (!json_is_integer(v) || s < 0 || s > INT64_MAX / SEC - CLAIMS_LEEWAY_US) {
		r->ok = false;
		return 0;
	}
	return (int64_t)s * SEC;
}

static uint64_t
read_version(struct reader *r, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(r->v, name));

	if (v <= 0)
		r->ok = false;
	return v <= 0 ? 0 : (uint64_t)v;
}

static size_t
read_list(struct reader *r, const char *name, char ***out)
{
	const json_t *v = json_object_get(r->v, name);
	size_t n = json_array_size(v);

	*out = NULL;
	if (!json_is_array(v) || n > CLAIMS_LIST_MAX) {
		r->ok = false;
		return 0;
	}
	*out = ARENA_ARRAY(r->a, char *, n + 1);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(v, i));

		if (s == NULL) {
			r->ok = false;
			return 0;
		}
		(*out)[i] = arena_strdup(r->a, s);
	}
	return n;
}

/* One text, or an array of texts (RFC 7519, 4.1.3). */
static bool
audience_has(const json_t *aud, const char *want)
{
	const char *s = json_string_value(aud);

	if (s != NULL)
		return strcmp(s, want) == 0;
	for (size_t i = 0; i < json_array_size(aud); i++) {
		s = json_string_value(json_array_get(aud, i));
		if (s != NULL && strcmp(s, want) == 0)
			return true;
	}
	return false;
}

static void
write_list(struct jw *w, const char *name, size_t n, char *const *items)
{
	jw_array(w, name);
	for (size_t i = 0; i < n; i++)
		jw_str(w, NULL, items[i]);
	jw_close(w, ']');
}
