/* auth_peers: who may ask auth and jwt what speaks for others, over real sockets: over loop-back everybody
 * has the name of whom he asks. Each member has a bus of its own; that they are one process does not
 * matter to them. */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/time.h"
#include "harness/authbed.h"

static const char *const names[] = { "auth", "jwt", "oauth", "meta", "rbac", "rest", "database" };
#define MEMBERS (sizeof(names) / sizeof(names[0]))

static struct node_config config;
static struct loop *loop;
static struct bus *buses[MEMBERS];
static struct auth auth;
static struct tokens tokens;
static struct serve auth_serves[] = { { &auth.service.base, PRIMARY }, { NULL, PRIMARY } };
static struct serve jwt_serves[] = { { &tokens.service.base, PRIMARY }, { NULL, PRIMARY } };
static struct bus *
bus_of(const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(names[i], name) == 0)
			return buses[i];
	fail_msg("%s: no member", name);
	return NULL;
}

static int
start(void **unused)
{
	static char bus_dir[200];
	struct tokens_opts opts = {
		.var = test_dir(), .peer = "oauth", .config = &authbed_jwt_config
	};
	char err[300];

	(void)unused;
	(void)snprintf(bus_dir, sizeof(bus_dir), "%s/bus", test_dir());
	config = (struct node_config){ .var = test_dir(),
		.log_level = "warn",
		.bus_dir = bus_dir,
		.bus_listen = "",
		.bus_peers = "",
		.bus_key_file = "",
		.bus_trust_file = "",
		.faults = "",
		.retry_budget = 0.3 };
	loop = loop_new();
	auth.service = (Mf__Auth_Service)AUTH_SERVICE;
	tokens.service = (Mf__Jwt_Service)TOKENS_SERVICE;
	for (size_t i = 0; i < MEMBERS; i++) {
		buses[i] = bus_new(loop,
		    &(const struct bus_opts){ .name = names[i],
			.generation = 1,
			.config = &config,
			.serves = i == 0   ? auth_serves
		                  : i == 1 ? jwt_serves
		                           : NULL },
		    err, sizeof(err));
		if (buses[i] == NULL)
			fail_msg("%s", err);
	}
	opts.bus = bus_of("jwt");
	if (!auth_start(&auth, bus_of("auth"), &authbed_auth_config, test_dir()) ||
	    !tokens_start(&tokens, &opts, err, sizeof(err)) ||
	    !bus_listen(bus_of("auth"), err, sizeof(err)) ||
	    !bus_listen(bus_of("jwt"), err, sizeof(err)))
		fail_msg("%s", err);
	return 0;
}

static int
stop(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MEMBERS; i++)
		bus_free(&buses[i]);
	tokens_stop(&tokens);
	auth_stop(&auth);
	loop_free(&loop);
	return 0;
}

struct asked {
	struct call *call;
	struct rpc *rpc;
	bool done;
	enum status status;
	char message[200];
};

static void
on_answer(const ProtobufCMessage *m, void *ctx)
{
	struct asked *q = ctx;
	Mf__Empty e = MF__EMPTY__INIT;

	if (m == NULL)
		call_fail_with(q->call, rpc_failure(q->rpc));
	else
		call_reply(q->call, &e.base);
}

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct asked *q = ctx;

	(void)c;
	q->done = true;
	q->status = end->failure != NULL ? end->failure->status : ST_OK;
	(void)snprintf(q->message, sizeof(q->message), "%s",
	    end->failure != NULL ? end->failure->message : "");
}

static bool
is_done(void *ctx)
{
	return *(bool *)ctx;
}

static struct asked
ask(const char *as, const ProtobufCServiceDescriptor *service, const char *of, const char *method,
    const ProtobufCMessage *m)
{
	const char *const members[] = { of, NULL };
	struct target *t = target_new(
	    bus_of(as), &(const struct target_def){ .service = service, .members = members });
	struct asked q = { 0 };

	q.call = call_root(bus_of(as),
	    &(const struct call_opts){ .limit_us = 3 * SEC, .done = on_end, .ctx = &q });
	q.rpc = rpc_new(q.call, t, NULL);
	for (unsigned i = 0; i < service->n_methods; i++)
		if (strcmp(service->methods[i].name, method) == 0)
			q.rpc->service.invoke(&q.rpc->service, i, m, on_answer, &q);
	loop_run_until(loop, is_done, &q.done, 10 * SEC);
	assert_true(q.done);
	return q;
}

/* Those who may get past the question who they are, whatever becomes of it then. */
static void
only(const ProtobufCServiceDescriptor *service, const char *of, const char *method,
    const ProtobufCMessage *m, const char *who)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		struct asked q = ask(names[i], service, of, method, m);
		bool may = strstr(who, names[i]) != NULL;

		if ((q.status == ST_PERMISSION_DENIED) == may)
			fail_msg("%s asks %s: %s %s", names[i], method, status_name(q.status),
			    q.message);
	}
}

static void
passwords_are_tried_for_the_agents_of_log_in_pages_alone(void **unused)
{
	Mf__Credentials m = MF__CREDENTIALS__INIT;

	(void)unused;
	m.username = (char *)(uintptr_t) "admin";
	m.password = (char *)(uintptr_t) "wrong";
	m.client_address = (char *)(uintptr_t) "192.0.2.1";
	only(&mf__auth__descriptor, "auth", "Authenticate", &m.base, "jwt oauth auth");
}

static void
what_was_seen_is_reported_by_agents_alone(void **unused)
{
	Mf__Sighting m = MF__SIGHTING__INIT;

	(void)unused;
	m.kind = (char *)(uintptr_t) "code_reuse";
	m.user_id = (char *)(uintptr_t) "018f0000-0000-7000-8000-0000000000ad";
	only(&mf__auth__descriptor, "auth", "Report", &m.base, "jwt oauth auth");
}

static void
what_was_permitted_is_counted_for_meta_alone(void **unused)
{
	Mf__Permitted m = MF__PERMITTED__INIT;
	char batch[UUID_LEN];

	(void)unused;
	uuid7(batch);
	m.batch = batch;
	only(&mf__auth__descriptor, "auth", "Count", &m.base, "meta auth");
}

static void
checkpoints_are_signed_for_auth_alone(void **unused)
{
	static uint8_t payload[] = "{\"number\":1}";
	Mf__Checkpoint m = MF__CHECKPOINT__INIT;

	(void)unused;
	m.payload.data = payload;
	m.payload.len = sizeof(payload) - 1;
	only(&mf__jwt__descriptor, "jwt", "Sign", &m.base, "auth");
	assert_int_equal(ask("auth", &mf__jwt__descriptor, "jwt", "Sign", &m.base).status, ST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_tried_for_the_agents_of_log_in_pages_alone),
		cmocka_unit_test(what_was_seen_is_reported_by_agents_alone),
		cmocka_unit_test(what_was_permitted_is_counted_for_meta_alone),
		cmocka_unit_test(checkpoints_are_signed_for_auth_alone),
	};

	return cmocka_run_group_tests_name(test_program_name(), tests, start, stop);
}
