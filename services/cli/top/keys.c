/* keys: see model.h. What a key means depends on what is asked: a word (filter), yes or no (restart), or
 * nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/top/model.h"

static enum todo type(struct state *, int);
static enum todo answer(struct arena *, struct state *, int, const char **);
static enum todo look_on(struct state *, int, int);
static bool move(struct state *, const struct table *, int, int);
static void choose(struct state *, const struct table *, long);
static enum todo to_tab(struct state *, int);
static enum todo act(struct arena *, struct state *, const struct table *, int, const char **);
static void tell(struct state *, const char *);

enum todo
keys_press(struct arena *a, const struct snapshot *s, struct state *st, int key, int rows,
    const char **node)
{
	struct table t;

	st->message[0] = '\0';
	if (st->typing)
		return type(st, key);
	if (st->confirm[0] != '\0')
		return answer(a, st, key, node);
	if (key == '?') {
		st->help = !st->help;
		return DO_NOTHING;
	}
	if (st->help || st->detail)
		return look_on(st, key, rows);
	if (key == 'q')
		return DO_QUIT;
	if (key >= '1' && key < '1' + TABS)
		return to_tab(st, key - '1');
	if (key == KEY_OF_TAB || key == KEY_OF_RIGHT || key == KEY_OF_LEFT)
		return to_tab(st, ((int)st->tab + (key == KEY_OF_LEFT ? TABS - 1 : 1)) % TABS);
	table_make(a, s, st, &t);
	if (move(st, &t, key, rows))
		return DO_NOTHING;
	return act(a, st, &t, key, node);
}

static enum todo
type(struct state *st, int key)
{
	size_t n = strlen(st->filter);

	if (key == KEY_OF_ENTER || key == KEY_OF_ESCAPE) {
		st->typing = false;
		if (key == KEY_OF_ESCAPE)
			st->filter[0] = '\0';
	} else if (key == KEY_OF_BACKSPACE) {
		while (n > 0 && (st->filter[n - 1] & 0xc0) == 0x80)
			n--; /* a character, not a byte */
		st->filter[n > 0 ? n - 1 : 0] = '\0';
	} else if (key >= ' ' && key < 0x100 && key != 0x7f && n + 1 < sizeof(st->filter)) {
		st->filter[n] = (char)key; /* of UTF-8 a byte at a time */
		st->filter[n + 1] = '\0';
	}
	st->top = 0;
	return DO_NOTHING;
}

static enum todo
answer(struct arena *a, struct state *st, int key, const char **node)
{
	*node = arena_strdup(a, st->confirm);
	st->confirm[0] = '\0';
	if (key == 'y' || key == 'Y') {
		snprintf(st->message, sizeof(st->message), "Restarting %s ...", *node);
		st->message_bad = false;
		return DO_RESTART;
	}
	tell(st, "Nothing was done.");
	return DO_NOTHING;
}

static enum todo
look_on(struct state *st, int key, int rows)
{
	int page = screen_page(rows);

	if (key == KEY_OF_ESCAPE || key == 'q' || key == KEY_OF_ENTER || key == KEY_OF_LEFT)
		st->help = st->detail = false;
	else if (key == KEY_OF_DOWN || key == 'j')
		st->detail_top++;
	else if (key == KEY_OF_UP || key == 'k')
		st->detail_top--;
	else if (key == KEY_OF_PAGE_DOWN || key == ' ')
		st->detail_top += page;
	else if (key == KEY_OF_PAGE_UP)
		st->detail_top -= page;
	else if (key == KEY_OF_HOME || key == 'g')
		st->detail_top = 0;
	if (st->detail_top < 0)
		st->detail_top = 0;
	return DO_NOTHING;
}

/* True: the key was one that moves. */
static bool
move(struct state *st, const struct table *t, int key, int rows)
{
	long at = t->chosen < t->n ? (long)t->chosen : 0, page = screen_page(rows);

	if (key == KEY_OF_DOWN || key == 'j')
		at++;
	else if (key == KEY_OF_UP || key == 'k')
		at--;
	else if (key == KEY_OF_PAGE_DOWN || key == ' ')
		at += page;
	else if (key == KEY_OF_PAGE_UP)
		at -= page;
	else if (key == KEY_OF_HOME || key == 'g')
		at = 0;
	else if (key == KEY_OF_END || key == 'G')
		at = (long)t->n - 1;
	else
		return false;
	choose(st, t, at);
	if (at < st->top)
		st->top = at > 0 ? (int)at : 0;
	if (at >= st->top + page)
		st->top = (int)(at - page + 1);
	if (st->top > (int)t->n - page)
		st->top = (int)t->n > page ? (int)((long)t->n - page) : 0;
	return true;
}

static void
choose(struct state *st, const struct table *t, long at)
{
	if (at >= (long)t->n)
		at = (long)t->n - 1;
	if (at < 0)
		at = 0;
	if (t->n > 0)
		snprintf(st->chosen, sizeof(st->chosen), "%s", t->rows[at].id);
}

static enum todo
to_tab(struct state *st, int tab)
{
	st->tab = (enum tab)tab;
	st->chosen[0] = '\0';
	st->top = 0;
	st->sort = -1;
	return DO_ASK;
}

static enum todo
act(struct arena *a, struct state *st, const struct table *t, int key, const char **node)
{
	const char *id = t->chosen < t->n ? t->rows[t->chosen].id : NULL;

	if (key == '/') {
		st->typing = true;
	} else if (key == KEY_OF_ESCAPE) {
		st->filter[0] = '\0';
	} else if (key == 's') {
		st->sort = st->sort + 1 < t->n_columns ? st->sort + 1 : -1;
	} else if (key == 'S') {
		st->sort = -1;
	} else if (key == KEY_OF_ENTER && id != NULL) {
		choose(st, t, (long)t->chosen);
		st->detail = true;
		st->detail_top = 0;
		return DO_ASK;
	} else if ((key == 'r' || key == 'l') && (st->tab != TAB_NODES || id == NULL)) {
		tell(st, "That is of a node: key 1.");
	} else if (key == 'r' && (strcmp(id, "guard") == 0 || strcmp(id, "supervisor") == 0)) {
		tell(st, "guard and supervisor are not restarted by request.");
	} else if (key == 'r') {
		snprintf(st->confirm, sizeof(st->confirm), "%s", id);
	} else if (key == 'l' && !st->local) {
		tell(st, "Logs are files of a local fleet: --var DIR, not --url.");
	} else if (key == 'l') {
		*node = arena_strdup(a, id);
		return DO_LOGS;
	}
	return DO_NOTHING;
}

static void
tell(struct state *st, const char *what)
{
	snprintf(st->message, sizeof(st->message), "%s", what);
	st->message_bad = false;
}
