/* ws_line: a WebSocket as a session's line. */
#include "api/line.h"

static void
say(void *w, const void *text, size_t n)
{
	ws_say(w, text, n);
}

static size_t
room(const void *w)
{
	return ws_room(w);
}

static void
end(void *w, int code, const char *reason)
{
	ws_close(w, code, reason);
}

static const struct ws_stats *
stats(const void *w)
{
	return ws_stats(w);
}

static void
listen_to(void *w, bool on)
{
	ws_listen(w, on);
}

static void
set_message_max(void *w, size_t n)
{
	ws_set_message_max(w, n);
}

const struct line_ops ws_line = {
	.say = say,
	.room = room,
	.close = end,
	.stats = stats,
	.listen = listen_to,
	.set_message_max = set_message_max,
};
