/* traces_room: the bound of what is kept of requests, in bytes on disk (trace_store_max). Beyond it
 * upkeep drops whole days; that of today stays, so what it may still grow by is decided here: beyond
 * the bound by failed requests alone, beyond 1.25 times of it by nothing. When the day is over its
 * partition can be dropped, and all are stored again.
 *
 * Of the process. Upkeep measures once a minute, after it has dropped what it could; a stand-in has
 * no upkeep, and much can come in a minute, so who stores measures too, when the last time was long
 * ago or a 32nd part of the bound was stored since: by no more can it be passed. What he finds
 * beyond the bound upkeep may yet make room for, and gets its turn first. */
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "database/sql/store.h"

#define STALE_US   (90 * SEC) /* upkeep's minute, and what a round may take */
#define STALE_PART 32         /* of the bound */
#define TURN_US    (70 * SEC) /* in which upkeep has had its turn, where there is one */

static const char *const words[] = { "all", "failed", "none" };

static struct {
	enum traces_stored stored;
	bool known;
	int64_t measured_us, over_us; /* over_us: since when too large, 0: it is not */
	int64_t since;                /* stored since, in bytes */
	struct metric *bytes, *refused[2];
} room;

static void say(int64_t bytes, int64_t most);

void
traces_room_start(void)
{
	static const char *const labels[] = { "status", NULL };
	const char *const error = "error", *const ok = "ok";
	struct metric_family *refused =
	    metric_family(METRIC_COUNTER, "metafed_sql_traces_refused_total",
		"Traces that were not stored for want of room (trace_store_max).", labels);

	room.refused[0] = metric_get(refused, &ok);
	room.refused[1] = metric_get(refused, &error);
	room.bytes = metric_simple(METRIC_GAUGE, "metafed_sql_traces_bytes",
	    "Bytes on disk of the stored traces and their indexes, as last measured.");
	room.stored = TRACES_ALL;
	room.known = false;
	room.over_us = 0;
}

bool
traces_room_known(void)
{
	int64_t most = sql_config()->trace_store_max;

	return most == 0 || (room.known && room.since <= most / STALE_PART &&
				time_now_us() - room.measured_us < STALE_US);
}

void
traces_room_is(int64_t bytes, bool trimmed)
{
	int64_t most = sql_config()->trace_store_max;
	enum traces_stored was = room.stored;

	room.known = true;
	room.measured_us = time_now_us();
	room.since = 0;
	if (most == 0 || bytes <= most)
		room.over_us = 0;
	else if (room.over_us == 0)
		room.over_us = room.measured_us;
	room.stored = traces_room_decide(
	    was, bytes, most, room.over_us != 0 ? room.measured_us - room.over_us : -1, trimmed);
	metric_set(room.bytes, (double)bytes);
	if (room.stored != was)
		say(bytes, most);
}

bool
traces_room_for(bool failed)
{
	return room.stored == TRACES_ALL || (room.stored == TRACES_FAILED && failed);
}

void
traces_room_took(size_t bytes)
{
	room.since += (int64_t)bytes;
}

void
traces_room_refused(size_t n, bool failed)
{
	metric_add(room.refused[failed], (double)n);
}

enum traces_stored
traces_room_decide(
    enum traces_stored was, int64_t bytes, int64_t most, int64_t over_for_us, bool trimmed)
{
	if (over_for_us < 0)
		return TRACES_ALL;
	if (bytes > most + most / 4)
		return TRACES_NONE;
	if (trimmed || was != TRACES_ALL || over_for_us >= TURN_US)
		return TRACES_FAILED;
	return TRACES_ALL;
}

static void
say(int64_t bytes, int64_t most)
{
	if (room.stored == TRACES_ALL)
		log_info("traces_bounded", L_STR("stored", words[room.stored]),
		    L_INT("bytes", bytes), L_INT("trace_store_max", most));
	else
		log_warn("traces_bounded", L_STR("stored", words[room.stored]),
		    L_INT("bytes", bytes), L_INT("trace_store_max", most));
}
