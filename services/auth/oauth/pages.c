/* pages: what all pages share: how a template becomes an answer, messages, scopes in words, the style
 * sheet. */
#include "auth/oauth/pages.h"
#include <string.h>
#include "auth/oauth/browser.h"
#include "base/log.h"

#define FILE_AGE    "public, max-age=3600"
#define DETAIL_MOST 500

/* What is not here is shown as it is. */
static const struct {
	const char *scope, *words;
} known_scopes[] = {
	{ "openid", "Know who you are" },
	{ "profile", "See your name" },
	{ "email", "See your email address" },
	{ "offline_access", "Go on while you are away" },
	{ "*", "Do everything that you may do" },
};

static const struct {
	const char *model, *words;
} models[] = {
	{ "task", "tasks" },
	{ "doc", "documents" },
	{ "collection", "collections of documents" },
	{ "stream", "streams" },
	{ "blob", "files" },
	{ "user", "user accounts" },
	{ "role", "roles" },
	{ "group", "groups" },
	{ "grant", "permissions of others" },
	{ "client", "applications" },
	{ "session", "sessions" },
	{ "audit", "the audit log" },
	{ "fleet", "the state of the system" },
};

static const struct {
	const char *verb, *words;
} verbs[] = {
	{ "create", "Create" },
	{ "read", "See" },
	{ "update", "Change" },
	{ "delete", "Delete" },
	{ "append", "Add to" },
	{ "*", "See, create, change and delete" },
};

static const char *scope_words(struct arena *a, const char *scope);

void
page_show(struct web *w, unsigned status, const char *file, struct view *v, const char *form_action)
{
	size_t n;

	web_page(w, status, html_page(v, file, &n), form_action);
}

void
page_error(struct web *w, unsigned status, const char *title, const char *text)
{
	page_message(w, status, &(const struct message){ .title = title, .text = text });
}

void
page_message(struct web *w, unsigned status, const struct message *m)
{
	struct view *v = view_new(w->a);

	view_set(v, "title", m->title);
	view_set(v, "text", m->text);
	view_set(v, "detail", m->detail);
	view_set(v, "again", m->again);
	view_set(v, "again_text", m->again_text);
	page_show(w, status, "message.html", v, NULL);
}

/* Where errors end that may not go back to a client, when nobody came with one. */
void
page_no_redirect(struct web *w)
{
	page_error(w, 400, "This did not work",
	    "Go back to the application that you came from and begin again.");
}

void
page_client(struct view *v, const struct client *c)
{
	view_set(v, "client", c->name);
	view_set(v, "unverified", c->registration_hash != NULL ? "1" : NULL);
}

void
page_scopes(struct view *v, size_t n, const char *const *scopes)
{
	struct view *list = n > 0 ? view_add(v, "scopes") : NULL;

	for (size_t i = 0; i < n; i++) {
		struct view *row = view_add(list, "scope");
		const char *words = scope_words(view_arena(v), scopes[i]);

		view_set(row, "words", words);
		view_set(row, "name", scopes[i]);
	}
}

static const char *
scope_words(struct arena *a, const char *scope)
{
	const char *model = NULL, *verb = NULL;
	struct str head, tail;

	for (size_t i = 0; i < sizeof(known_scopes) / sizeof(known_scopes[0]); i++)
		if (strcmp(known_scopes[i].scope, scope) == 0)
			return known_scopes[i].words;
	(void)str_cut(str_of(scope), '.', &head, &tail);
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (str_eq(head, models[i].model))
			model = models[i].words;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_eq(tail, verbs[i].verb))
			verb = verbs[i].words;
	if (model == NULL || verb == NULL)
		return "Use this permission of yours:";
	return arena_printf(a, "%s %s", verb, model);
}

/* For the audit log. Scopes are tokens without blanks; what is too long for it is cut. */
void
page_report(struct web *w, const struct browser *who, const struct client *c, bool allowed,
    size_t n, const char *const *scopes)
{
	struct jw j;
	size_t len;

	jw_start(&j, w->a, 200);
	jw_array(&j, NULL);
	for (size_t i = 0; i < n; i++)
		jw_str(&j, NULL, scopes[i]);
	jw_close(&j, ']');
	web_report(w, "consent", who->user_id, c->id,
	    arena_printf(
		w->a, "%s %.*s", allowed ? "allowed" : "denied", DETAIL_MOST, jw_text(&j, &len)));
}

void
page_file(struct web *w)
{
	const struct file *f = html_file(strrchr(w->q->path, '/') + 1);

	must(f != NULL);
	web_add(w, "cache-control", FILE_AGE);
	web_bytes(w, 200,
	    strstr(f->name, ".svg") != NULL ? "image/svg+xml" : "text/css; charset=utf-8", f->bytes,
	    f->n);
}
