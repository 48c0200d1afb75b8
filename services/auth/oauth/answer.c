/* answer: how a request ends (web.h): headers, bodies, errors in OAuth's own format. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/session.h"
#include "auth/jwt/sighting.h"
#include "auth/oauth/pages.h"
#include "base/log.h"

#define SECRET_BYTES 32
#define PAGE_CSP                                                                                   \
	"default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "           \
	"base-uri 'none'; form-action 'self'"

static void send_answer(struct web *w, unsigned status, const void *p, size_t n);
static void derive(const struct web *w, const char *what, const char *of, uint8_t *out, size_t n);

void
web_add(struct web *w, const char *name, const char *fmt, ...)
{
	Mf__KeyValue *kv = ARENA_NEW(w->a, Mf__KeyValue);
	va_list ap;

	must(w->n_headers < WEB_HEADERS_MOST);
	mf__key_value__init(kv);
	kv->key = arena_strdup(w->a, name);
	va_start(ap, fmt);
	kv->value = arena_vprintf(w->a, fmt, ap);
	va_end(ap);
	kv->value[strcspn(kv->value, "\r\n")] = '\0';
	w->headers[w->n_headers++] = kv;
}

void
web_json(struct web *w, unsigned status, struct jw *body)
{
	size_t n;
	const char *p = jw_text(body, &n);

	web_add(w, "cache-control", "no-store");
	web_bytes(w, status, "application/json", p, n);
}

void
web_bytes(struct web *w, unsigned status, const char *type, const void *p, size_t n)
{
	web_add(w, "content-type", "%s", type);
	send_answer(w, status, p, n);
}

void
web_empty(struct web *w, unsigned status)
{
	web_add(w, "cache-control", "no-store");
	send_answer(w, status, "", 0);
}

void
web_page(struct web *w, unsigned status, const char *html, const char *form_action)
{
	web_add(w, "content-security-policy", PAGE_CSP "%s%s", form_action != NULL ? " " : "",
	    form_action != NULL ? form_action : "");
	web_add(w, "cache-control", "no-store");
	/* not no-referrer: browsers would send `Origin: null` with the page's own forms (Fetch) */
	web_add(w, "referrer-policy", "same-origin");
	web_add(w, "x-frame-options", "DENY");
	web_add(w, "cross-origin-opener-policy", "same-origin");
	web_bytes(w, status, "text/html; charset=utf-8", html, strlen(html));
}

void
web_redirect(struct web *w, const char *url)
{
	web_add(w, "location", "%s%s", url[0] == '/' ? w->base : "", url);
	web_add(w, "cache-control", "no-store");
	web_add(w, "referrer-policy", "no-referrer");
	send_answer(w, 303, "", 0);
}

void
web_oauth_error(struct web *w, unsigned status, const char *error, const char *description)
{
	struct jw j;

	jw_start(&j, w->a, 200);
	jw_object(&j, NULL);
	jw_str(&j, "error", error);
	if (description != NULL)
		jw_str(&j, "error_description", description);
	jw_close(&j, '}');
	if (status == 401)
		web_add(w, "www-authenticate", "Basic realm=\"oauth\", error=\"%s\"", error);
	web_json(w, status, &j);
}

void
web_error(struct web *w, unsigned status, const char *error, const char *description)
{
	if (w->is_page)
		page_error(w, status, "This did not work", description);
	else
		web_oauth_error(w, status, error, description);
}

void
web_failed(struct web *w, const struct failure *f)
{
	bool busy = status_is_fault(f->status) || f->status == ST_RESOURCE_EXHAUSTED;

	log_info("oauth_failed", L_STR("path", w->q->path), L_STR("status", status_name(f->status)),
	    L_STR("reason", f->reason));
	if (busy)
		web_add(w, "retry-after", "%u", f->retry_ms > 1000 ? f->retry_ms / 1000 : 1);
	web_error(w, busy ? 503 : 500, busy ? "temporarily_unavailable" : "server_error",
	    busy ? "this can't be decided now; try again" : "something went wrong");
}

static void
send_answer(struct web *w, unsigned status, const void *p, size_t n)
{
	Mf__WebAnswer m = MF__WEB_ANSWER__INIT;

	m.status = status;
	m.n_headers = w->n_headers;
	m.headers = w->headers;
	m.body = (ProtobufCBinaryData){ n, (uint8_t *)(uintptr_t)p };
	call_reply(w->c, &m.base);
}

/* --- helpers --- */

const char *
web_percent(struct arena *a, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, 3 * strlen(text) + 1), *p = out;

	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
		if ((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
		    (*s >= 'A' && *s <= 'Z') || strchr("-._~", *s) != NULL) {
			*p++ = (char)*s;
			continue;
		}
		*p++ = '%';
		*p++ = hex[*s >> 4];
		*p++ = hex[*s & 15];
	}
	*p = '\0';
	return out;
}

void
web_secret_id(const struct web *w, const char *what, const char *of, char out[UUID_LEN])
{
	session_uuid("oauth secret id", web_secret_text(w, what, of), out);
}

char *
web_secret_text(const struct web *w, const char *what, const char *of)
{
	char *out = arena_alloc(w->a, str_b64url_len(SECRET_BYTES) + 1);
	uint8_t b[SECRET_BYTES];

	derive(w, what, of, b, sizeof(b));
	(void)str_b64url(b, sizeof(b), out);
	sodium_memzero(b, sizeof(b));
	return out;
}

/* Parts go in with their terminating NUL, so that no two lists of parts are the same bytes. */
static void
derive(const struct web *w, const char *what, const char *of, uint8_t *out, size_t n)
{
	const char *parts[] = { "oauth", what, w->operation_id, of };
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, keyring_secret(w->o->tokens->keys), KEYRING_SECRET, n);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)crypto_generichash_update(
		    &s, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
	(void)crypto_generichash_final(&s, out, n);
	sodium_memzero(&s, sizeof(s));
}

void
web_hash_id(const char *kind, const char *secret, char out[UUID_LEN])
{
	session_uuid(kind, secret, out);
}

void
web_report(
    struct web *w, const char *kind, const char *user_id, const char *client_id, const char *detail)
{
	sight(w->o->tokens, w->c,
	    &(const struct sighting){ .kind = kind,
		.user_id = user_id,
		.client_id = client_id,
		.client_address = w->q->client_address,
		.detail = detail,
		.operation_id = w->operation_id });
}
