/* apibed: see apibed.h. */
#include "harness/apibed.h"
#include "harness/unserved.h"

#include <arpa/inet.h>
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
#include "proto/meta.pb-c.h"

struct waiting {
	struct call_dep dep;
	const Mf__TaskRequest *q;
};

static void meta_main(void);
static void
meta_execute(Mf__Meta_Service *, const Mf__TaskRequest *, Mf__TaskResponse_Closure, void *);
static void meta_fleet(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetState_Closure, void *);
static void meta_heartbeat(Mf__Meta_Service *, const Mf__Beat *, Mf__BeatAnswer_Closure, void *);
static void meta_take_traces(Mf__Meta_Service *, const Mf__TraceBatch *, Mf__Empty_Closure, void *);
static void meta_mode(Mf__Meta_Service *, const Mf__Empty *, Mf__FleetMode_Closure, void *);
static void on_cancelled(struct call_dep *);
static void on_time(struct call *, void *);
static void answer(struct call *, const Mf__TaskRequest *);
static bool sign(struct call *, const char *, Mf__TaskResponse *);
static void page(struct call *, const Mf__TaskRequest *, Mf__TaskResponse *);
static bool is_blob(const Mf__TaskRequest *);
static bool is_ready(void);

struct apibed apibed;
static char bin[200];

int
apibed_start(void **state)
{
	char path[300];
	ssize_t len = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

	(void)state;
	bin[len > 0 ? len : 0] = '\0';
	*strrchr(bin, '/') = '\0';
	*strrchr(bin, '/') = '\0'; /* .../bin/node/api -> .../bin */
	snprintf(apibed.dir, sizeof(apibed.dir), "%s", test_dir());
	snprintf(path, sizeof(path), "%s/run", apibed.dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/run/bus", apibed.dir);
	mkdir(path, 0700);
	raw_port = test_port();
	apibed.seen = mmap(
	    NULL, sizeof(*apibed.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if ((apibed.meta = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		meta_main();
	}
	apibed.rest = apibed_node("rest", NULL, STDERR_FILENO);
	apibed.graphql = apibed_node("graphql", NULL, STDERR_FILENO);
	apibed_restart(NULL);
	return 0;
}

int
apibed_stop(void **state)
{
	(void)state;
	apibed_end(&apibed.api);
	apibed_end(&apibed.rest);
	apibed_end(&apibed.graphql);
	apibed_end(&apibed.meta);
	return 0;
}

void
apibed_restart(const char *const *more)
{
	char listen_on[64];
	const char *sets[24] = { listen_on, "head_time=400ms", "body_time=500ms", "idle_time=2s",
		"send_time=2s", "connections=64", "body_limit=64k", "drain_idle=200ms" };
	size_t n = 8;

	apibed_end(&apibed.api);
	snprintf(listen_on, sizeof(listen_on), "listen=127.0.0.1:%u", raw_port);
	for (; more != NULL && *more != NULL; more++)
		sets[n++] = *more;
	apibed.api = apibed_node("api", sets, STDERR_FILENO);
	if (!apibed_within(10 * SEC, is_ready))
		fail_msg("metafed-api is not ready");
}

pid_t
apibed_node(const char *name, const char *const *sets, int log_fd)
{
	char path[300], var[300];
	const char *args[60] = { path, "--set", var, "--set", "log_level=warn" };
	size_t n = 5;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/metafed-%s", bin, name);
	snprintf(var, sizeof(var), "var=%s", apibed.dir);
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

void
apibed_end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

bool
apibed_within(int64_t limit_us, bool (*fn)(void))
{
	for (int64_t until = time_now_us() + limit_us; time_now_us() < until; usleep(2000))
		if (fn())
			return true;
	return fn();
}

static void
meta_main(void)
{
	static Mf__Meta_Service service = MF__META__INIT(meta_);
	static struct serve serves[] = { { NULL, PRIMARY }, { NULL, 0 } };
	char bus_dir[220], err[200];
	struct node_config config = { .var = apibed.dir,
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

	snprintf(bus_dir, sizeof(bus_dir), "%s/run/bus", apibed.dir);
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

static void
meta_execute(
    Mf__Meta_Service *s, const Mf__TaskRequest *q, Mf__TaskResponse_Closure reply, void *ctx)
{
	struct waiting *w;

	(void)s, (void)reply;
	apibed.seen->calls++;
	if (q->database != NULL && strcmp(q->database->operation, "create") == 0)
		apibed.seen->creates++;
	if (q->database == NULL || q->database->limit == 0 || is_blob(q)) {
		answer(ctx, q);
		return;
	}
	w = ARENA_NEW(call_arena(ctx), struct waiting);
	*w = (struct waiting){ .dep = { .cancel = on_cancelled }, .q = q };
	call_attach(ctx, &w->dep);
	call_after(ctx, q->database->limit * MS, on_time, w);
}

UNSERVED(meta_fleet, Meta, Empty, FleetState)
UNSERVED(meta_take_traces, Meta, TraceBatch, Empty)
UNSERVED(meta_heartbeat, Meta, Beat, BeatAnswer)
UNSERVED(meta_mode, Meta, Empty, FleetMode)

static void
on_cancelled(struct call_dep *d)
{
	(void)d;
	apibed.seen->cancelled++;
}

static void
on_time(struct call *c, void *ctx)
{
	struct waiting *w = ctx;

	call_detach(c, &w->dep);
	answer(c, w->q);
}

static void
answer(struct call *c, const Mf__TaskRequest *q)
{
	Mf__TaskResponse r = MF__TASK_RESPONSE__INIT;

	r.success = true;
	r.version = 1;
	page(c, q, &r);
	if (q->auth != NULL &&
	    !sign(c, q->auth->operation[0] == '\0' ? q->auth->credential : "root.admin", &r))
		r.success = false;
	call_reply(c, &r.base);
}

/* "NAME.ROLE"; false: refused, as auth does. */
static bool
sign(struct call *c, const char *credential, Mf__TaskResponse *r)
{
	struct str name, role;

	if (credential[0] == '\0')
		return true;
	r->problem = ARENA_NEW(call_arena(c), Mf__Problem);
	mf__problem__init(r->problem);
	if (!str_cut(str_of(credential), '.', &name, &role)) {
		r->status = r->problem->code = ST_UNAUTHENTICATED;
		return false;
	}
	r->principal = ARENA_NEW(call_arena(c), Mf__Principal);
	mf__principal__init(r->principal);
	r->principal->name = arena_strndup(call_arena(c), name.p, name.n);
	r->principal->id = arena_printf(call_arena(c), "id-of-%s", r->principal->name);
	r->principal->n_roles = 1;
	r->principal->roles = ARENA_NEW(call_arena(c), char *);
	r->principal->roles[0] = arena_strndup(call_arena(c), role.p, role.n);
	r->principal->expires_at = (uint64_t)(time_wall_us() + 3600 * SEC);
	if (!str_eq(role, "forbidden"))
		return true;
	r->status = r->problem->code = ST_PERMISSION_DENIED;
	return false;
}

static void
page(struct call *c, const Mf__TaskRequest *q, Mf__TaskResponse *r)
{
	size_t pad = 0, n;
	char *body;

	for (size_t i = 0; q->database != NULL && i < q->database->n_filters; i++)
		if (str_starts(q->database->filters[i]->value, "bytes="))
			pad = strtoul(q->database->filters[i]->value + 6, NULL, 10);
	if (q->database != NULL && strcmp(q->database->id, APIBED_LARGE) == 0)
		pad = 5000;
	if (is_blob(q)) {
		body = arena_printf(
		    call_arena(c), "{\"id\":\"%s\",\"size\":%d}", APIBED_BLOB, APIBED_BLOB_SIZE);
		r->result = (ProtobufCBinaryData){ strlen(body), (uint8_t *)body };
		r->raw = (ProtobufCBinaryData){ q->database->limit,
			arena_zalloc(call_arena(c), q->database->limit + 1) };
		return;
	}
	body = arena_alloc(call_arena(c), pad + 64);
	n = (size_t)sprintf(body, "{\"items\":[],\"next_cursor\":null");
	if (pad != 0) {
		n += (size_t)sprintf(body + n, ",\"pad\":\"");
		for (size_t i = 0; i < pad; i++)
			body[n++] = (char)('a' + i * i % 26);
		body[n++] = '"';
	}
	body[n++] = '}';
	r->result = (ProtobufCBinaryData){ n, (uint8_t *)body };
}

static bool
is_blob(const Mf__TaskRequest *q)
{
	return q->database != NULL && strcmp(q->database->model, "blob") == 0;
}

static bool
is_ready(void)
{
	char out[4096];

	return raw_ask(GET("/readyz"), out, sizeof(out)) == 200;
}
