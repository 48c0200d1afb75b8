/* api: the real metafed-api with rest and graphql behind it, and bytes that no HTTP library would
 * send. Meta is a child of this test: it answers at once, or after as many milliseconds as a list's
 * `limit` says. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/id.h"
#include "base/time.h"
#include "bus/bus.h"
#include "harness/test.h"
#include "proto/meta.pb-c.h"

#define CONNECTIONS 64 /* as start_api says */
#define BATCH       50
#define TASK        "0199f0c0-1234-7abc-8def-0123456789ab"

static struct seen { /* shared with the child that plays meta */
	unsigned calls, cancelled, creates;
} * seen;

static char dir[200], bin[200];
static uint16_t port;
static pid_t meta, rest, graphql, api;

/* --- meta --- */

static void
on_cancelled(struct call_dep *d)
{
	(void)d;
	seen->cancelled++;
}

struct waiting {
	struct call_dep dep;
};

static void
answer(struct call *c, void *ctx)
{
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;
	static const char body[] = "{\"items\":[],\"next_cursor\":null}";

	if (ctx != NULL)
		call_detach(c, ctx);
	r.success = true;
	r.version = 1;
	r.result = (ProtobufCBinaryData){ sizeof(body) - 1, (uint8_t *)body };
	call_reply(c, &r.base);
}

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	struct waiting *w;

	(void)s, (void)reply;
	seen->calls++;
	if (q->database != NULL && strcmp(q->database->operation, "create") == 0)
		seen->creates++;
	if (q->database == NULL || q->database->limit == 0) {
		answer(ctx, NULL);
		return;
	}
	w = ARENA_NEW(call_arena(ctx), struct waiting);
	w->dep.cancel = on_cancelled;
	call_attach(ctx, &w->dep);
	call_after(ctx, q->database->limit * MS, answer, &w->dep);
}

static void
meta_fleet(Mf__Meta_Service *s, const Mf__Empty *q, Mf__FleetState_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
meta_heartbeat(Mf__Meta_Service *s, const Mf__Beat *q, Mf__BeatAnswer_Closure reply, void *ctx)
{
	(void)s, (void)q, (void)reply;
	call_fail(ctx, ST_UNIMPLEMENTED, "not here");
}

static void
meta_main(void)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve serves[] = { { NULL, PRIMARY }, { NULL, 0 } };
	char bus_dir[220], err[200];
	struct node_config config = { .var = dir,
		.log_level = "warn",
		.bus_dir = bus_dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "",
		.retry_budget = 0.3 };
	struct loop *l;
	struct bus *b;

	snprintf(bus_dir, sizeof(bus_dir), "%s/run/bus", dir);
	serves[0].service = &service.base;
	log_init("meta", 1, STDERR_FILENO);
	log_set_level(LOG_WARN);
	l = loop_new();
	b = bus_new(l,
	    &(const struct bus_opts){
		.name = "meta", .generation = 1, .config = &config, .serves = serves },
	    err, sizeof(err));
	if (b == NULL || !bus_listen(b, err, sizeof(err)))
		fatal("%s", err);
	loop_run(l);
	_exit(0);
}

/* --- the processes --- */

static pid_t
start_node_log(const char *name, const char *const *sets, int log_fd)
{
	char path[300], var[300];
	const char *args[40] = { path, "--set", var, "--set", "log_level=warn" };
	size_t n = 5;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/metafed-%s", bin, name);
	snprintf(var, sizeof(var), "var=%s", dir);
	for (; sets != NULL && *sets != NULL; sets++) {
		args[n++] = "--set";
		args[n++] = *sets;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test itself be killed */
		dup2(log_fd, STDERR_FILENO);
		execv(path, (char *const *)(uintptr_t)args);
		_exit(127);
	}
	return pid;
}

static pid_t
start_node(const char *name, const char *const *sets)
{
	return start_node_log(name, sets, STDERR_FILENO);
}

static pid_t
start_api(const char *const *more)
{
	char listen_on[64];
	const char *sets[24] = { listen_on, "head_time=400ms", "body_time=500ms", "idle_time=2s",
		"connections=64", "body_limit=64k", "drain_idle=200ms" };
	size_t n = 7;

	snprintf(listen_on, sizeof(listen_on), "listen=127.0.0.1:%u", port);
	for (; more != NULL && *more != NULL; more++)
		sets[n++] = *more;
	return start_node("api", sets);
}

static void
end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* --- a client of bytes --- */

static int
dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
say_n(int fd, const char *p, size_t n)
{
	while (n != 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0)
			return; /* the server closed: what it said is read by the caller */
		p += k;
		n -= (size_t)k;
	}
}

static void
say(int fd, const char *text)
{
	say_n(fd, text, strlen(text));
}

/* Until the other side closes, or nothing came for limit_ms, or `ends` answers are complete (0:
 * never). */
static size_t
hear(int fd, char *out, size_t size, int limit_ms, unsigned ends)
{
	size_t n = 0;

	out[0] = '\0';
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		unsigned complete = 0;
		const char *at = out;
		ssize_t k;

		while (ends != 0 && (at = strstr(at, "HTTP/1.1 ")) != NULL) {
			const char *blank = strstr(at, "\r\n\r\n"),
				   *length = strcasestr(at, "content-length: ");
			size_t body = length != NULL && (blank == NULL || length < blank)
			                  ? strtoul(length + 16, NULL, 10)
			                  : 0;

			if (blank == NULL || (size_t)(out + n - (blank + 4)) < body)
				break;
			complete++;
			at = blank + 4 + body;
		}
		if ((ends != 0 && complete >= ends) || n + 1 >= size || poll(&p, 1, limit_ms) != 1)
			return n;
		if ((k = recv(fd, out + n, size - 1 - n, 0)) <= 0)
			return n;
		n += (size_t)k;
		out[n] = '\0';
	}
}

static int
status_of(const char *text)
{
	return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

/* One request on a connection of its own; the answer's status, 0: closed without one. */
static int
ask(const char *request, char *out, size_t size)
{
	int fd = dial();

	if (fd < 0)
		return -1;
	say(fd, request);
	hear(fd, out, size, 3000, 1);
	close(fd);
	return status_of(out);
}

static bool
within(int64_t limit_us, bool (*fn)(void))
{
	for (int64_t until = time_now_us() + limit_us; time_now_us() < until; usleep(2000))
		if (fn())
			return true;
	return fn();
}

static bool
is_ready(void)
{
	char out[4096];

	return ask("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)) == 200;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(path, type, length, body)                                                             \
	"POST " path " HTTP/1.1\r\nHost: h\r\nContent-Type: " type "\r\nContent-Length: " length   \
	"\r\n\r\n" body

/* --- the sentences --- */

static void
a_request_that_two_servers_could_read_differently_gets_4xx_or_the_door(void **unused)
{
	static const struct {
		const char *bytes;
		int status; /* 0: closed, or any refusal from 400 on */
	} all[] = {
		{ "GET /livez HTTP/1.1\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400 },
		{ "GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /livez\r\n\r\n", 400 },
		{ "GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "GET /livez HTTX/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /v1/../livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET livez HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "BREW /livez HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: "
		  "3\r\n\r\n{}",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, "
		  "chunked\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		  "chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: "
		  "application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		    400 },
		{ "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: "
		  "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "ffffffffffffffffff\r\n",
		    413 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417 },
		{ POST("/v1/tasks", "text/plain", "2", "{}"), 415 },
		{ "GET /v1/tasks HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", 406 },
		{ POST("/v1/tasks", "application/json", "1", "{"), 400 },
		{ "GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
		    400 },
	};
	char out[4096];

	(void)unused;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int status = ask(all[i].bytes, out, sizeof(out));

		if (all[i].status == 0 ? status != 0 && status < 400 : status != all[i].status)
			fail_msg("%s: %d", all[i].bytes, status);
		assert_int_equal(ask(GET("/livez"), out, sizeof(out)), 200);
	}
}

static size_t
spoil(const char *good, char *bytes, struct rng *r)
{
	size_t n = strlen(good), at;

	memcpy(bytes, good, n);
	for (uint32_t k = 1 + rng_below(r, 4); k != 0 && n > 1; k--) {
		at = rng_below(r, (uint32_t)n);
		switch (rng_below(r, 4)) {
		case 0:
			bytes[at] ^= (char)(1 << rng_below(r, 8));
			break;
		case 1:
			bytes[at] = (char)rng_below(r, 256);
			break;
		case 2:
			memmove(bytes + at, bytes + at + 1, n - at - 1);
			n--;
			break;
		default:
			n = at + 1;
			break;
		}
	}
	return n;
}

/* Bits flipped, bytes changed and lost, ends cut off: whatever comes back, it is no 500, and the
 * same process goes on. */
static void
a_thousand_spoilt_requests_crash_nothing(void **unused)
{
	static const char *const good[] = {
		POST("/v1/tasks", "application/json", "42",
		    "{\"title\":\"x\",\"labels\":{\"a\":\"b\"},\"payload\":1}"),
		"GET /v1/tasks?limit=1&label=a%3Db HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "
		"abc\r\nAccept: application/json\r\n\r\n",
		"PATCH /v1/tasks/" TASK " HTTP/1.1\r\nHost: h\r\nIf-Match: \"1\"\r\nContent-Type: "
		"application/merge-patch+json\r\n"
		"Transfer-Encoding: chunked\r\n\r\n9\r\n{\"title\":\r\n4\r\n\"y\"}\r\n0\r\n\r\n",
		POST("/v1/requests", "application/json", "96",
		    "{\"task_id\":\"t\",\"requirements\":{\"database\":"
		    "{\"operation\":\"read\",\"model\":\"task\"},\"auth\":{}}}       "),
	};
	uint64_t seed = id_random_u64();
	char bytes[1024], out[8192];
	struct rng r;

	(void)unused;
	rng_seed(&r, seed);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 1000; i += BATCH) {
		int fds[BATCH];

		for (int k = 0; k < BATCH; k++) {
			size_t n = spoil(good[(i + k) % 4], bytes, &r);

			fds[k] = dial();
			say_n(fds[k], bytes, n);
			shutdown(fds[k], SHUT_WR);
		}
		for (int k = 0; k < BATCH; k++) {
			int status;

			hear(fds[k], out, sizeof(out), 3000, 1);
			close(fds[k]);
			status = status_of(out);
			if (status == 500 || (status != 0 && (status < 100 || status > 599)))
				fail_msg("request %d: %s", i + k, out);
		}
	}
	assert_int_equal(waitpid(api, NULL, WNOHANG), 0);
	assert_int_equal(waitpid(rest, NULL, WNOHANG), 0);
	assert_int_equal(ask(GET("/livez"), out, sizeof(out)), 200);
}

static void
a_head_or_target_that_is_too_long_is_refused(void **unused)
{
	static char long_one[40000], out[4096];

	(void)unused;
	snprintf(long_one, sizeof(long_one), "GET /%09000d HTTP/1.1\r\nHost: h\r\n\r\n", 7);
	assert_int_equal(ask(long_one, out, sizeof(out)), 414);
	snprintf(
	    long_one, sizeof(long_one), "GET /livez HTTP/1.1\r\nHost: h\r\nX: %030000d\r\n\r\n", 7);
	assert_int_equal(ask(long_one, out, sizeof(out)), 431);
}

static void
a_body_that_is_too_large_is_413_and_the_connection_lives(void **unused)
{
	static char body[100000], out[8192];
	int fd = dial();

	(void)unused;
	memset(body, ' ', sizeof(body));
	say(fd, "POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
		"application/json\r\nContent-Length: 100000\r\n\r\n");
	say_n(fd, body, sizeof(body));
	hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(status_of(out), 413);
	say(fd, "POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
		"application/json\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
	say_n(fd, body, sizeof(body));
	say(fd, "\r\n0\r\n\r\n");
	hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(status_of(out), 413);
	say(fd, GET("/livez"));
	hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(status_of(out), 200);
	close(fd);
	assert_int_equal(ask("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
			     "application/json\r\nExpect: 100-continue\r\n"
			     "Content-Length: 100000\r\n\r\n",
			     out, sizeof(out)),
	    413);
}

static void
a_chunked_body_is_a_body(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(ask("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
			     "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
			     "8\r\n{\"title\"\r\n5\r\n:\"x\"}\r\n0\r\n\r\n",
			     out, sizeof(out)),
	    201);
	assert_non_null(strcasestr(out, "\r\nLocation: /v1/tasks/"));
	assert_non_null(strcasestr(out, "\r\nETag: \"1\""));
}

static void
pipelined_requests_are_answered_in_their_order(void **unused)
{
	char out[8192], *first, *second, *third;
	int fd = dial();

	(void)unused;
	say(fd, GET("/v1/tasks?limit=60") GET("/livez") GET("/nothing"));
	hear(fd, out, sizeof(out), 3000, 3);
	first = strstr(out, "next_cursor");
	second = strstr(out, "alive");
	third = strstr(out, "NO_RESOURCE");
	assert_true(
	    first != NULL && second != NULL && third != NULL && first < second && second < third);
	close(fd);
}

static void
head_is_get_without_a_body(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(
	    ask("HEAD /v1/tasks/" TASK " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", out,
		sizeof(out)),
	    200);
	assert_non_null(strcasestr(out, "\r\nContent-Length: 31\r\n"));
	assert_null(strstr(out, "next_cursor"));
}

static void
another_method_is_405_and_learns_which_there_are(void **unused)
{
	char out[4096];

	(void)unused;
	assert_int_equal(ask("PUT /v1/tasks HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 405);
	assert_non_null(strcasestr(out, "\r\nAllow: POST, GET, HEAD, OPTIONS\r\n"));
	assert_int_equal(ask("DELETE /livez HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 405);
	assert_int_equal(ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", out, sizeof(out)), 204);
}

/* A byte of the head, or of the body, every 50 ms: never idle, never done. */
static int64_t
cut_after(const char *opening, char drip)
{
	int64_t begin = time_now_us();
	int fd = dial();
	char out[64];

	say(fd, opening);
	for (int i = 0; i < 60; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		say_n(fd, &drip, 1);
		if (poll(&p, 1, 50) == 1 && recv(fd, out, sizeof(out), MSG_DONTWAIT) <= 0)
			break;
	}
	close(fd);
	return time_now_us() - begin;
}

static void
who_sends_slowly_is_cut_off_at_an_absolute_limit(void **unused)
{
	int64_t head = cut_after("GET /livez HTTP/1.1\r\nX: ", 'a');
	int64_t body = cut_after("POST /v1/tasks HTTP/1.1\r\nHost: h\r\nContent-Type: "
				 "application/json\r\nContent-Length: 999\r\n\r\n",
	    ' ');

	(void)unused;
	assert_in_range(head, 300 * MS, 1200 * MS);
	assert_in_range(body, 400 * MS, 1300 * MS);
}

static bool
was_cancelled(void)
{
	return seen->cancelled == 1;
}

static void
a_client_that_goes_away_cancels_the_work_behind_it(void **unused)
{
	int fd = dial();
	unsigned calls = seen->calls;

	(void)unused;
	seen->cancelled = 0;
	say(fd, GET("/v1/tasks?limit=1000"));
	for (int i = 0; i < 200 && seen->calls == calls; i++)
		usleep(2000);
	assert_int_equal(seen->cancelled, 0);
	close(fd);
	assert_true(within(500 * MS, was_cancelled));
}

static void
a_client_that_only_stops_sending_still_gets_its_answer(void **unused)
{
	char out[4096];
	int fd = dial();

	(void)unused;
	say(fd, GET("/v1/tasks?limit=30"));
	shutdown(fd, SHUT_WR);
	hear(fd, out, sizeof(out), 3000, 1);
	assert_int_equal(status_of(out), 200);
	close(fd);
}

static void
at_the_limit_of_connections_the_next_waits_for_a_free_slot(void **unused)
{
	char out[4096];
	int fds[CONNECTIONS], waiting;

	(void)unused;
	for (size_t i = 0; i < CONNECTIONS; i++)
		fds[i] = dial();
	waiting = dial();
	say(waiting, GET("/livez"));
	assert_int_equal(hear(waiting, out, sizeof(out), 50, 1), 0);
	close(fds[0]);
	hear(waiting, out, sizeof(out), 1000, 1);
	assert_int_equal(status_of(out), 200);
	close(waiting);
	for (size_t i = 1; i < CONNECTIONS; i++)
		close(fds[i]);
}

static void
the_death_of_an_agent_fails_no_request(void **unused)
{
	char out[4096];

	(void)unused;
	for (int i = 0; i < 40; i++) {
		int fd = dial();

		say(fd, GET("/v1/tasks?limit=10"));
		if (i == 10)
			kill(rest, SIGKILL);
		hear(fd, out, sizeof(out), 5000, 1);
		close(fd);
		if (status_of(out) != 200)
			fail_msg("request %d: %s", i, out);
	}
	waitpid(rest, NULL, 0);
	rest = start_node("rest", NULL);
}

static void
metrics_are_a_page_of_all_nodes(void **unused)
{
	static char out[1 << 20];

	(void)unused;
	assert_int_equal(
	    ask("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", out, sizeof(out)),
	    200);
	assert_non_null(strstr(out, "\nmetafed_up{node=\"api\"} 1\n"));
	assert_non_null(strstr(out, "\nmetafed_up{node=\"sql\"} 0\n"));
	assert_non_null(
	    strstr(out, "metafed_http_answers_total{node=\"api\",method=\"GET\",status=\"200\"}"));
}

static void
http_beyond_loopback_is_refused_at_start(void **unused)
{
	char log[2048] = "";
	int status, log_pipe[2];
	ssize_t n;
	pid_t pid;

	(void)unused;
	assert_int_equal(pipe(log_pipe), 0);
	pid = start_node_log("api", (const char *const[]){ "listen=0.0.0.0:0", NULL }, log_pipe[1]);
	close(log_pipe[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	n = read(log_pipe[0], log, sizeof(log) - 1);
	close(log_pipe[0]);
	assert_true(n > 0);
	assert_non_null(strstr(log, "listener_refused"));
}

/* Last: afterwards there is no api. */
static void
a_drain_answers_what_is_under_way_and_says_close(void **unused)
{
	char out[4096];
	int busy = dial(), idle = dial(), late = dial(), status;

	(void)unused;
	say(idle, GET("/livez"));
	hear(idle, out, sizeof(out), 1000, 1);
	say(late, GET("/livez"));
	hear(late, out, sizeof(out), 1000, 1);
	say(busy, GET("/v1/tasks?limit=150"));
	usleep(20000);
	kill(api, SIGTERM);
	usleep(20000);
	say(late, GET("/livez"));
	hear(late, out, sizeof(out), 1000, 0);
	assert_int_equal(status_of(out), 200);
	assert_non_null(strcasestr(out, "\r\nConnection: close\r\n"));
	hear(busy, out, sizeof(out), 1000, 0);
	assert_int_equal(status_of(out), 200);
	assert_non_null(strcasestr(out, "\r\nConnection: close\r\n"));
	assert_int_equal(hear(idle, out, sizeof(out), 2000, 0), 0); /* closed, without a word */
	assert_int_equal(waitpid(api, &status, 0), api);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	api = 0;
	close(busy), close(idle), close(late);
}

static int
start(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	char path[300];
	ssize_t len = readlink("/proc/self/exe", bin, sizeof(bin) - 1);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	bin[len > 0 ? len : 0] = '\0';
	*strrchr(bin, '/') = '\0';
	*strrchr(bin, '/') = '\0'; /* .../bin/node/api -> .../bin */
	snprintf(dir, sizeof(dir), "%s", test_dir());
	snprintf(path, sizeof(path), "%s/run", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/run/bus", dir);
	mkdir(path, 0700);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		return -1;
	port = ntohs(a.sin_port); /* free a moment ago */
	close(fd);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if ((meta = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		meta_main();
	}
	rest = start_node("rest", NULL);
	graphql = start_node("graphql", NULL);
	api = start_api(NULL);
	return within(10 * SEC, is_ready) ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	end(&api);
	end(&rest);
	end(&graphql);
	end(&meta);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_that_two_servers_could_read_differently_gets_4xx_or_the_door),
		T(a_thousand_spoilt_requests_crash_nothing),
		T(a_head_or_target_that_is_too_long_is_refused),
		T(a_body_that_is_too_large_is_413_and_the_connection_lives),
		T(a_chunked_body_is_a_body),
		T(pipelined_requests_are_answered_in_their_order),
		T(head_is_get_without_a_body),
		T(another_method_is_405_and_learns_which_there_are),
		T(who_sends_slowly_is_cut_off_at_an_absolute_limit),
		T(a_client_that_goes_away_cancels_the_work_behind_it),
		T(a_client_that_only_stops_sending_still_gets_its_answer),
		T(at_the_limit_of_connections_the_next_waits_for_a_free_slot),
		T(the_death_of_an_agent_fails_no_request),
		T(metrics_are_a_page_of_all_nodes),
		T(http_beyond_loopback_is_refused_at_start),
		T(a_drain_answers_what_is_under_way_and_says_close),
	};

	return cmocka_run_group_tests_name("api", tests, start, stop);
}
