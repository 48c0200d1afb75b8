/* register_json: see register_json.h. */
#include "auth/oauth/register_json.h"
#include <string.h>
#include "auth/oauth/client_rules.h"
#include "auth/oauth/redirects.h"

#define TEXT_MAX 500

/* Of the same kind and meaning in both. */
static const struct {
	const char *metadata, *field;
	json_type type;
} same[] = {
	{ "client_name", "name", JSON_STRING },
	{ "token_endpoint_auth_method", "auth_method", JSON_STRING },
	{ "redirect_uris", "redirect_uris", JSON_ARRAY },
	{ "post_logout_redirect_uris", "logout_uris", JSON_ARRAY },
	{ "grant_types", "grant_types", JSON_ARRAY },
	{ "jwks", "jwks", JSON_OBJECT },
	{ "dpop_bound_access_tokens", "proof_required", JSON_TRUE },
	{ "require_pushed_authorization_requests", "pushed_required", JSON_TRUE },
};
/* What is only for people to read. */
static const struct {
	const char *name;
	json_type type;
	bool is_url;
} told[] = {
	{ "client_uri", JSON_STRING, true },
	{ "logo_uri", JSON_STRING, true },
	{ "tos_uri", JSON_STRING, true },
	{ "policy_uri", JSON_STRING, true },
	{ "contacts", JSON_ARRAY, false },
	{ "software_id", JSON_STRING, false },
	{ "software_version", JSON_STRING, false },
	{ "application_type", JSON_STRING, false },
};
static const char *const refused[] = { "jwks_uri", "software_statement", "request_uris",
	"request_object_signing_alg", "id_token_encrypted_response_alg",
	"userinfo_encrypted_response_alg" };

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static json_t *defaults(const char *id);
static const char *take_same(const json_t *metadata, json_t *out);
static const char *take_told(const json_t *metadata, json_t *out);
static const char *take_scope(struct arena *a, const json_t *metadata, json_t *out);
static const char *unusable(const json_t *metadata);
static bool is_type(const json_t *v, json_type type);
static const char *judge(struct arena *a, const json_t *fields, struct register_error *e);

json_t *
register_read(struct arena *a, const json_t *metadata, const char *id, struct register_error *e)
{
	json_t *out = defaults(id);
	const char *wrong;

	e->error = "invalid_client_metadata";
	if ((wrong = unusable(metadata)) == NULL && (wrong = take_same(metadata, out)) == NULL &&
	    (wrong = take_scope(a, metadata, out)) == NULL &&
	    (wrong = take_told(metadata, out)) == NULL)
		wrong = judge(a, out, e);
	if (wrong == NULL)
		return out;
	e->description = wrong;
	json_decref(out);
	return NULL;
}

static json_t *
defaults(const char *id)
{
	return json_pack("{s:s,s:s,s:s,s:[],s:[],s:[s],s:[s,s,s,s],s:b,s:b,s:{},s:n}", "id", id,
	    "name", id, "auth_method", "client_secret_basic", "redirect_uris", "logout_uris",
	    "grant_types", "authorization_code", "scopes", "openid", "profile", "email",
	    "offline_access", "proof_required", 0, "pushed_required", 0, "metadata", "jwks");
}

static const char *
unusable(const json_t *metadata)
{
	const json_t *types = json_object_get(metadata, "response_types");

	if (!json_is_object(metadata))
		return "the body must be a JSON object";
	for (size_t i = 0; i < COUNT(refused); i++)
		if (json_object_get(metadata, refused[i]) != NULL)
			return "a member is not supported: jwks_uri, software_statement, request "
			       "objects, encryption";
	if (types != NULL && !json_is_array(types))
		return "response_types must be a list";
	for (size_t i = 0; i < json_array_size(types); i++) {
		const char *s = json_string_value(json_array_get(types, i));

		if (s == NULL || strcmp(s, "code") != 0)
			return "the only response type is code";
	}
	return NULL;
}

static const char *
take_same(const json_t *metadata, json_t *out)
{
	for (size_t i = 0; i < COUNT(same); i++) {
		json_t *v = json_object_get(metadata, same[i].metadata), *item;
		size_t k;

		if (v == NULL || json_is_null(v))
			continue;
		if (!is_type(v, same[i].type))
			return "a member is of the wrong kind";
		if (json_is_array(v))
			json_array_foreach(v, k, item) if (!json_is_string(item) || k >= 32)
			{
				return "a list has too many members, or other than strings";
			}
		(void)json_object_set(out, same[i].field, v);
	}
	return NULL;
}

static bool
is_type(const json_t *v, json_type type)
{
	return type == JSON_TRUE ? json_is_boolean(v) : json_typeof(v) == type;
}

static const char *
take_scope(struct arena *a, const json_t *metadata, json_t *out)
{
	const json_t *v = json_object_get(metadata, "scope");
	struct str rest, word;
	json_t *list;

	if (v == NULL)
		return NULL;
	if (!json_is_string(v))
		return "scope must be a string";
	list = json_array();
	(void)json_object_set_new(out, "scopes", list);
	rest = str_of(json_string_value(v));
	while (rest.n > 0 && json_array_size(list) < 100) {
		(void)str_cut(rest, ' ', &word, &rest);
		(void)json_array_append_new(list, json_string(arena_strndup(a, word.p, word.n)));
	}
	return rest.n > 0 ? "scope has too many words" : NULL;
}

static const char *
take_told(const json_t *metadata, json_t *out)
{
	json_t *into = json_object_get(out, "metadata");

	for (size_t i = 0; i < COUNT(told); i++) {
		json_t *v = json_object_get(metadata, told[i].name);
		const char *s = json_string_value(v);

		if (v == NULL || json_is_null(v))
			continue;
		if (json_typeof(v) != told[i].type || (s != NULL && strlen(s) > TEXT_MAX))
			return "a member is of the wrong kind, or too long";
		if (told[i].is_url && (!str_starts(s, "https://") || redirect_wrong(s) != NULL))
			return "an URL must be https, without user or fragment";
		(void)json_object_set(into, told[i].name, v);
	}
	return NULL;
}

static const char *
judge(struct arena *a, const json_t *fields, struct register_error *e)
{
	struct client m;
	const char *field, *wrong;

	if (!client_of(a, fields, &m))
		return "client_name must be a string";
	wrong = client_wrong(&m, &field);
	if (wrong == NULL)
		return NULL;
	if (strcmp(field, "redirect_uris") == 0)
		e->error = "invalid_redirect_uri";
	return arena_printf(a, "%s: %s", field, wrong);
}

void
register_write(struct arena *a, struct jw *j, const struct client *m)
{
	const struct {
		const char *name;
		size_t n;
		const char *const *all;
	} lists[] = {
		{ "redirect_uris", m->n_redirect_uris, m->redirect_uris },
		{ "post_logout_redirect_uris", m->n_logout_uris, m->logout_uris },
		{ "grant_types", m->n_grant_types, m->grant_types },
	};
	const char *scope = "", *key;
	json_t *v;

	jw_str(j, "client_id", m->id);
	jw_str(j, "client_name", m->name);
	jw_str(j, "token_endpoint_auth_method", m->auth_method);
	for (size_t i = 0; i < COUNT(lists); i++) {
		jw_array(j, lists[i].name);
		for (size_t k = 0; k < lists[i].n; k++)
			jw_str(j, NULL, lists[i].all[k]);
		jw_close(j, ']');
	}
	jw_array(j, "response_types");
	if (client_has_grant(m, "authorization_code"))
		jw_str(j, NULL, "code");
	jw_close(j, ']');
	for (size_t i = 0; i < m->n_scopes; i++)
		scope = arena_printf(a, "%s%s%s", scope, i > 0 ? " " : "", m->scopes[i]);
	jw_str(j, "scope", scope);
	if (m->jwks != NULL)
		jw_json(j, "jwks", m->jwks);
	jw_bool(j, "dpop_bound_access_tokens", m->proof_required);
	jw_bool(j, "require_pushed_authorization_requests", m->pushed_required);
	json_object_foreach((json_t *)(uintptr_t)m->metadata, key, v) jw_json(j, key, v);
}
