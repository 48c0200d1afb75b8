/* upkeep: once an hour throws away what nobody may ask for any more. Of node `sql` alone; twice
 * would do no harm. */
#include "base/log.h"
#include "base/time.h"
#include "database/sql/store.h"

#define UPKEEP_US (INT64_C(3600) * SEC)

/* With the place up to which the log was thrown away. */
static const char old_events[] =
    "WITH gone AS (DELETE FROM events WHERE at < now() - interval '1 day' RETURNING xid,seq),"
    "last AS (SELECT xid,seq FROM gone ORDER BY xid DESC,seq DESC LIMIT 1) "
    "UPDATE events_gone g SET xid=last.xid,seq=last.seq FROM last "
    "WHERE (last.xid,last.seq)>(g.xid,g.seq)";

static const char *const old[] = {
	"DELETE FROM operations WHERE at < now() - interval '1 day'",
	"DELETE FROM deleted WHERE at < now() - interval '1 day'",
	"DELETE FROM sessions WHERE expires_at < now() - interval '1 day'",
	"DELETE FROM idempotency WHERE created_at < now() - interval '1 day'",
	"DELETE FROM revocations WHERE expires_at < now() - interval '1 day'",
	old_events,
};

static struct timer timer;

static void
on_swept(const struct pg_reply *r, void *ctx)
{
	if (!pg_ok(r))
		log_warn("upkeep_failed", L_STR("statement", ctx), L_STR("why", pg_error(r)));
}

static void
on_timer(struct timer *t)
{
	if (sql_state() == SQL_USABLE && pg_pool_up(sql_pool()))
		for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
			pg_query(
			    sql_pool(), NULL, old[i], 0, NULL, on_swept, (void *)(uintptr_t)old[i]);
	timer_in(t, UPKEEP_US);
}

void
upkeep_start(void)
{
	timer_init(&timer, sql_loop(), on_timer);
	timer_in(&timer, UPKEEP_US);
}

void
upkeep_stop(void)
{
	if (timer.loop != NULL)
		timer_stop(&timer);
}
