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
static char *read_text_or(struct reader *r, const char *name, const char *otherwise);
static bool read_bool(struct reader *r, const char *name);
static int64_t read_time(struct reader *r, const char *name);
static uint64_t read_version(struct reader *r, const char *name);
static size_t read_list(struct reader *r, const char *name, char ***out);
static size_t read_words(struct reader *r, const char *name, char ***out);
static const char *read_proof_key(struct reader *r);
static void read_optional(struct reader *r, struct claims *out);
static bool session_ok(const Mf__Principal *p);
static bool issuer_ok(const char *issuer, const struct claims_expect *e);
static bool audience_has(const json_t *aud, const char *want);
static void write_optional(struct jw *w, struct arena *a, const struct claims *c);
static void write_list(struct jw *w, const char *name, size_t n, char *const *items);

enum token_verdict
claims_read(struct arena *a, const void *json, size_t n, const struct claims_expect *e,
    int64_t now_us, struct claims *out)
{
	struct json_error err;
	json_t *v = json_read(json, n, &err);
	struct reader r = { .a = a, .v = v, .ok = json_is_object(v) };
	Mf__Principal *p = &out->principal;
	int64_t issued, not_before, expires;
	bool audience = audience_has(json_object_get(v, "aud"), e->audience);

	mf__principal__init(p);
	out->issuer = read_text(&r, "iss");
	out->audience = e->audience;
	p->id = read_text(&r, "sub");
	p->name = read_text(&r, "name");
	p->token_id = read_text(&r, "jti");
	out->user_version = read_version(&r, "ver");
	issued = read_time(&r, "iat");
	not_before = read_time(&r, "nbf");
	expires = read_time(&r, "exp");
	p->n_roles = read_list(&r, "roles", &p->roles);
	p->n_permissions = read_list(&r, "perms", &p->permissions);
	read_optional(&r, out);
	json_decref(v);

	if (!r.ok || !audience || !issuer_ok(out->issuer, e) || !uuid_ok(p->id) || !session_ok(p) ||
	    p->token_id[0] == '\0')
		return TOKEN_INVALID;
	if (issued > now_us + CLAIMS_LEEWAY_US || not_before > now_us + CLAIMS_LEEWAY_US)
		return TOKEN_INVALID;
	if (e->life_us != 0 && expires - issued > e->life_us)
		expires = issued + e->life_us;
	p->snapshot_at = (uint64_t)issued;
	p->expires_at = (uint64_t)expires;
	return expires <= now_us ? TOKEN_EXPIRED : TOKEN_OK;
}

/* Client credentials begin no session; everything else does. */
static bool
session_ok(const Mf__Principal *p)
{
	return p->session_id[0] == '\0' ? p->client_id[0] != '\0' : uuid_ok(p->session_id);
}

/* What tokens of earlier versions don't have. */
static void
read_optional(struct reader *r, struct claims *out)
{
	Mf__Principal *p = &out->principal;

	p->session_id = read_text_or(r, "sid", "");
	p->client_id = read_text_or(r, "client_id", "");
	p->n_scopes = read_words(r, "scope", &p->scopes);
	p->limited = read_bool(r, "limited");
	p->service = read_bool(r, "service");
	if (json_object_get(r->v, "groups") != NULL)
		p->n_groups = read_list(r, "groups", &p->groups);
	if (json_object_get(r->v, "amr") != NULL)
		p->n_methods = read_list(r, "amr", &p->methods);
	if (json_object_get(r->v, "auth_time") != NULL)
		p->authenticated_at = (uint64_t)read_time(r, "auth_time");
	out->session = p->session_id;
	out->proof_key = read_proof_key(r);
}

char *
claims_write(struct arena *a, const struct claims *c, const struct claims_expect *e, size_t *n)
{
	const Mf__Principal *p = &c->principal;
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	jw_str(&w, "iss", c->issuer != NULL ? c->issuer : e->issuer);
	jw_str(&w, "aud", c->audience != NULL ? c->audience : e->audience);
	jw_str(&w, "sub", p->id);
	jw_str(&w, "name", p->name);
	jw_int(&w, "iat", (int64_t)p->snapshot_at / SEC);
	jw_int(&w, "nbf", (int64_t)p->snapshot_at / SEC);
	jw_int(&w, "exp", (int64_t)p->expires_at / SEC);
	jw_str(&w, "jti", p->token_id);
	if (c->session != NULL && c->session[0] != '\0')
		jw_str(&w, "sid", c->session);
	jw_int(&w, "ver", (int64_t)c->user_version);
	write_list(&w, "roles", p->n_roles, p->roles);
	write_list(&w, "perms", p->n_permissions, p->permissions);
	write_optional(&w, a, c);
	jw_close(&w, '}');
	return jw_text(&w, n);
}

static void
write_optional(struct jw *w, struct arena *a, const struct claims *c)
{
	const Mf__Principal *p = &c->principal;
	const char *scope = "";

	for (size_t i = 0; i < p->n_scopes; i++)
		scope = arena_printf(a, "%s%s%s", scope, i == 0 ? "" : " ", p->scopes[i]);
	if (p->n_scopes > 0)
		jw_str(w, "scope", scope);
	if (p->limited)
		jw_bool(w, "limited", true);
	if (p->client_id[0] != '\0')
		jw_str(w, "client_id", p->client_id);
	if (p->n_groups > 0)
		write_list(w, "groups", p->n_groups, p->groups);
	if (c->proof_key != NULL) {
		jw_object(w, "cnf");
		jw_str(w, "jkt", c->proof_key);
		jw_close(w, '}');
	}
	if (p->authenticated_at != 0)
		jw_int(w, "auth_time", (int64_t)p->authenticated_at / SEC);
	if (p->n_methods > 0)
		write_list(w, "amr", p->n_methods, p->methods);
	if (p->service)
		jw_bool(w, "service", true);
}

bool
claims_is_url(const char *issuer)
{
	return str_starts(issuer, "https://") || str_starts(issuer, "http://");
}

static bool
issuer_ok(const char *issuer, const struct claims_expect *e)
{
	return strcmp(issuer, e->issuer) == 0 || strcmp(issuer, CLAIMS_ISSUER) == 0 ||
	       (!claims_is_url(e->issuer) && claims_is_url(issuer));
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

static char *
read_text_or(struct reader *r, const char *name, const char *otherwise)
{
	return json_object_get(r->v, name) != NULL ? read_text(r, name)
	                                           : arena_strdup(r->a, otherwise);
}

static bool
read_bool(struct reader *r, const char *name)
{
	const json_t *v = json_object_get(r->v, name);

	if (v != NULL && !json_is_boolean(v))
		r->ok = false;
	return json_is_true(v);
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

/* Separated by single spaces (RFC 6749, 3.3). */
static size_t
read_words(struct reader *r, const char *name, char ***out)
{
	struct str rest = str_of(read_text_or(r, name, "")), word;
	size_t n = 0;

	for (const char *p = rest.p; *p != '\0'; p++)
		n += *p == ' ';
	*out = ARENA_ARRAY(r->a, char *, n + 1);
	if (n >= CLAIMS_LIST_MAX)
		r->ok = false;
	for (n = 0; r->ok && rest.n > 0; n++) {
		(void)str_cut(rest, ' ', &word, &rest);
		(*out)[n] = arena_strndup(r->a, word.p, word.n);
	}
	return n;
}

/* A token that is bound to something else than a key of RFC 9449 is nothing that we can check. */
static const char *
read_proof_key(struct reader *r)
{
	const json_t *cnf = json_object_get(r->v, "cnf");
	const char *key = json_string_value(json_object_get(cnf, "jkt"));

	if (cnf == NULL)
		return NULL;
	if (key == NULL || json_object_size(cnf) != 1) {
		r->ok = false;
		return NULL;
	}
	return arena_strdup(r->a, key);
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
