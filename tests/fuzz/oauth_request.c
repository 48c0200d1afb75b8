/* oauth_request: any bytes as a form, as a redirect URI, as client metadata. What is taken must be what
 * its rules say, whatever its bytes are. */
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include "auth/oauth/assertion.h"
#include "auth/oauth/client_rules.h"
#include "auth/oauth/redirects.h"
#include "auth/oauth/register_json.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena *arena;

static void
as_form(const uint8_t *data, size_t n)
{
	struct web_params p;

	if (web_params_read(arena, (struct str){ (const char *)data, n }, &p) != NULL)
		return;
	must(p.n <= WEB_PARAMS_MOST);
	for (size_t i = 0; i < p.n; i++) {
		must(str_utf8_ok(p.all[i].value, strlen(p.all[i].value)));
		for (size_t k = 0; k < i; k++)
			must(strcmp(p.all[i].name, p.all[k].name) != 0);
	}
}

/* What may be registered has one host, in the place where every parser looks for it. */
static void
as_redirect(const char *uri)
{
	const char *origin;

	(void)redirect_matches("http://127.0.0.1/cb", uri);
	must(!redirect_matches("https://app.example/cb", uri) ||
	     strcmp(uri, "https://app.example/cb") == 0);
	if (redirect_wrong(uri) != NULL)
		return;
	must(redirect_matches(uri, uri));
	must(strpbrk(uri, "#\\ <>\"\r\n\t") == NULL && strstr(uri, "*") == NULL);
	if (redirect_is_private(uri))
		return;
	origin = redirect_origin(arena, uri);
	must(origin != NULL && str_starts(uri, origin));
	must(strchr(origin, '@') == NULL);
	must(strchr("/?", uri[strlen(origin)]) != NULL);
	must(str_starts(uri, "https://") || redirect_is_loopback(uri));
}

static void
as_metadata(const uint8_t *data, size_t n)
{
	struct register_error why;
	const char *field;
	struct json_error e;
	struct client m;
	struct jw j;
	json_t *v = json_read(data, n, &e), *fields;

	if (v == NULL)
		return;
	(void)assertion_keys_wrong(v);
	fields = register_read(arena, v, "018f0000-0000-7000-8000-0000000000aa", &why);
	if (fields != NULL) {
		must(client_of(arena, fields, &m) && client_wrong(&m, &field) == NULL);
		must(m.user_id == NULL && !m.trusted && m.secret_hash == NULL);
		jw_start(&j, arena, 512);
		jw_object(&j, NULL);
		register_write(arena, &j, &m);
		jw_close(&j, '}');
		json_decref(fields);
	}
	json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (arena == NULL) {
		must(sodium_init() >= 0);
		arena = arena_new(16 << 20);
	}
	as_form(data, n);
	as_redirect(arena_strndup(arena, (const char *)data, n));
	as_metadata(data, n);
	arena_reset(arena);
	return 0;
}
