/* oauth_html: any bytes as a text of a page, as a form's token and as a browser's cookie. What comes out
 * of escaping is UTF-8 that no browser takes for markup, in text or between quotes; and nothing that
 * the fuzzer makes is a token or a cookie of ours. */
#include <sodium.h>
#include <string.h>
#include "auth/oauth/cookie.h"
#include "auth/oauth/csrf.h"
#include "auth/oauth/html.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define NOW INT64_C(1900000000000000)

static struct arena *arena;

static bool
is_reference(const char *p)
{
	static const char *const all[] = { "&amp;", "&lt;", "&gt;", "&#34;", "&#39;" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strncmp(p, all[i], strlen(all[i])) == 0)
			return true;
	return false;
}

static void
as_text(const uint8_t *data, size_t n)
{
	size_t n_out;
	char *out = html_escape(arena, (const char *)data, n, &n_out);

	must(strlen(out) == n_out && str_utf8_ok(out, n_out));
	must(strpbrk(out, "<>\"'\r\x7f\x1b") == NULL);
	for (char *p = strchr(out, '&'); p != NULL; p = strchr(p + 1, '&'))
		must(is_reference(p));
}

/* As many tags as the page has without it. */
static void
as_page(const char *text)
{
	struct view *v = view_new(arena);
	size_t n, tags = 0;
	static size_t want;

	view_set(v, "title", "x");
	view_set(v, "client", want == 0 ? "x" : text);
	view_set(v, "username", want == 0 ? "x" : text);
	for (const char *p = html_page(v, "login.html", &n); (p = strchr(p, '<')) != NULL; p++)
		tags++;
	if (want == 0)
		want = tags;
	must(tags == want);
}

static void
as_credentials(const char *text)
{
	static const uint8_t key[STAMP_KEY] = "the fuzzer does not know its MAC";
	static const struct csrf b = { "mark", "", "login", "" };
	struct cookie c;

	must(!csrf_check(key, &b, text, NOW));
	must(!cookie_read(key, text, &c));
	(void)!csrf_from_here(text, text, "https://metafed.example");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	if (arena == NULL) {
		must(sodium_init() >= 0);
		arena = arena_new(1 << 26);
		as_page("x");
	}
	text = arena_strndup(arena, (const char *)data, n);
	as_text(data, n);
	if (text[0] != '\0')
		as_page(text);
	as_credentials(text);
	arena_reset(arena);
	return 0;
}
