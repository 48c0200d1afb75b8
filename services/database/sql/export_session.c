/* export_session: see export_int.h. What runs in the pool touches nothing but its piece and the session,
 * which nobody else touches meanwhile: a second request is told to come again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "database/sql/export_int.h"

#define WAIT_US (120 * SEC) /* for PostgreSQL, once */
#define IDLE_US (300 * SEC) /* a session that nobody asks goes */

static void piece_run(struct work *);
static void piece_done(struct work *, bool);
static void piece_cancel(struct call_dep *);
static void on_idle(struct timer *);

const char export_tables_text[] =
    "SELECT c.relname,string_agg(quote_ident(a.attname),',' ORDER BY a.attnum)"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid=c.oid AND a.attnum>0"
    " AND NOT a.attisdropped AND a.attgenerated=''"
    " WHERE c.relnamespace='public'::regnamespace AND c.relkind IN ('r','p')"
    " AND NOT c.relispartition AND c.relname!~'^(events|traces|policy_|audit$)'"
    " AND c.relname NOT IN ('schema_migrations','replay','leader')"
    " GROUP BY c.oid,c.relname ORDER BY c.oid";
const char export_schema_text[] = "SELECT string_agg(number||':'||checksum,' ' ORDER BY number),"
				  "current_setting('server_version') FROM schema_migrations";

bool
export_open(struct export_session *s, struct call *c, const char *id)
{
	if (!uuid_ok(id)) {
		call_fail(c, ST_INVALID_ARGUMENT, "id: must be a UUID");
		return false;
	}
	if (s->running != NULL || (s->id[0] != '\0' && strcmp(s->id, id) != 0)) {
		call_fail_because(c, ST_FAILED_PRECONDITION, "BUSY", 0,
		    "another one is under way: %s; end it first", s->id);
		return false;
	}
	export_end(s);
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->pg = pg_session_new(sql_pool(), WAIT_US);
	timer_init(&s->idle, sql_loop(), on_idle);
	timer_in(&s->idle, IDLE_US);
	return true;
}

bool
export_has(struct export_session *s, struct call *c, const char *id)
{
	if (s->id[0] == '\0' || strcmp(s->id, id) != 0) {
		call_fail_because(c, ST_ABORTED, "NOT_OPEN", 0,
		    "%s is not open in sql any more: begin again", id);
		return false;
	}
	if (s->running != NULL) {
		call_fail_because(
		    c, ST_UNAVAILABLE, "BUSY", 100, "the piece before is still under way");
		return false;
	}
	timer_in(&s->idle, IDLE_US);
	return true;
}

void
export_end(struct export_session *s)
{
	if (s->id[0] == '\0')
		return;
	s->closing = true;
	if (s->running != NULL)
		return;
	timer_stop(&s->idle);
	pg_session_free(&s->pg);
	for (size_t i = 0; i < s->n_tables; i++) {
		free(s->tables[i].name);
		free(s->tables[i].columns);
	}
	free(s->tables);
	*s = (struct export_session){ .id = "" };
}

static void
on_idle(struct timer *t)
{
	struct export_session *s = container_of(t, struct export_session, idle);

	if (s->running != NULL) {
		timer_in(&s->idle, IDLE_US);
		return;
	}
	log_warn("session_idle", L_STR("id", s->id));
	export_end(s);
}

struct piece *
piece_new(bool (*run)(struct piece *), void (*done)(struct piece *))
{
	struct piece *p = mem_zalloc(sizeof(*p));

	p->run = run;
	p->done = done;
	return p;
}

void
export_run(struct export_session *s, struct call *c, struct piece *p)
{
	p->s = s;
	p->c = c;
	p->dep.cancel = piece_cancel;
	p->work.run = piece_run;
	p->work.done = piece_done;
	call_attach(c, &p->dep);
	s->running = p;
	if (work_start(sql_work(), &p->work))
		return;
	piece_done(&p->work, true);
}

static void
piece_run(struct work *w)
{
	struct piece *p = container_of(w, struct piece, work);

	p->ok = p->run(p);
}

static void
piece_done(struct work *w, bool dropped)
{
	struct piece *p = container_of(w, struct piece, work);

	p->s->running = NULL;
	p->ok = p->ok && !dropped;
	if (p->c != NULL)
		call_detach(p->c, &p->dep);
	p->done(p);
	if (p->s->closing)
		export_end(p->s);
	free(p->text);
	buf_free(&p->owned);
	free(p);
}

static void
piece_cancel(struct call_dep *d)
{
	container_of(d, struct piece, dep)->c = NULL;
}

bool
piece_failed(struct piece *p)
{
	const char *why = pg_session_error(p->s->pg), *state = pg_session_sqlstate(p->s->pg);

	if (p->ok)
		return false;
	log_warn("session_failed", L_STR("id", p->s->id), L_STR("why", why));
	if (p->c != NULL)
		call_fail_because(p->c, state[0] != '\0' ? pg_status_of(state) : ST_UNAVAILABLE,
		    state[0] != '\0' ? "" : "STORE_DOWN", 1000, "PostgreSQL: %s",
		    why[0] != '\0' ? why : "the work pool is full");
	export_end(p->s);
	return true;
}

bool
export_schema(struct piece *p)
{
	struct export_session *s = p->s;

	if (!pg_session_run(s->pg, export_tables_text))
		return false;
	s->n_tables = (size_t)pg_session_rows(s->pg);
	s->tables = mem_zalloc((s->n_tables + 1) * sizeof(*s->tables));
	buf_puts(&p->owned, "{\"tables\":[");
	for (size_t i = 0; i < s->n_tables; i++) {
		s->tables[i].name = strdup(pg_session_value(s->pg, (int)i, 0));
		s->tables[i].columns = strdup(pg_session_value(s->pg, (int)i, 1));
		buf_printf(&p->owned, "%s\"%s\"", i > 0 ? "," : "", s->tables[i].name);
	}
	if (!pg_session_run(s->pg, export_schema_text))
		return false;
	buf_printf(&p->owned, "],\"migrations\":\"%s\",\"server\":\"PostgreSQL %s\"}",
	    pg_session_value(s->pg, 0, 0), pg_session_value(s->pg, 0, 1));
	return true;
}
