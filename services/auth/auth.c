/* auth: the node's state, its sequence of revocations, and what all methods share.
 *
 * The sequence begins anew, under a random epoch, with every process: whoever kept grants under
 * another epoch drops them. */
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/auth.h"
#include "auth/geo.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/database.pb-c.h"
#include "proto/jwt.pb-c.h"
#include "proto/oauth.pb-c.h"
#include "proto/rbac.pb-c.h"

#define LIMITER_KEYS  32768 /* some 100 bytes each, three for a failure */
#define LIMITER_KNOWN 16384
#define RECALL_MOST   65536 /* accounts, networks, clients and turns; some 130 bytes each */

/* spec/1: of a domain towards each agent 3 failures, 50 ms; the bus stretches the ms for methods
 * whose work is longer. */
#define AGENT_BREAKER                                                                              \
	{                                                                                          \
		.failures = 3, .limit_us = 50 * MS                                                 \
	}

/* ARCHITECTURE: what was confirmed longer ago proves nothing. */
#define FRESH_US (500 * MS)

#define KEY(name, type, field, def, min, max, help)                                                \
	{                                                                                          \
		name, type, offsetof(struct auth_config, field), def, min, max, false, false, help \
	}

const struct config_key auth_keys[] = {
	KEY("claims_max_age", CONFIG_DURATION, claims_max_age_us, "1h", 0, 86400 * SEC,
	    "without rbac, the permissions in a token serve until they are older than this; 0: "
	    "never"),
	KEY("verify_try", CONFIG_DURATION, verify_try_us, "200ms", 5 * MS, 10 * SEC,
	    "one try of a verification; then the stand-in is asked"),
	KEY("check_try", CONFIG_DURATION, check_try_us, "100ms", 5 * MS, 10 * SEC,
	    "one try of a permission check; then the claims decide"),
	KEY("login_failures", CONFIG_INT, login_failures, "10", 1, 1000000,
	    "failed log-ins per account and address in login_window; account alone and address "
	    "alone: ten times that"),
	KEY("login_window", CONFIG_DURATION, login_window_us, "15m", 1 * SEC, 86400 * SEC,
	    "see login_failures: so long it takes until that many are forgotten"),
	KEY("login_delay", CONFIG_DURATION, login_delay_us, "1s", 1 * MS, 3600 * SEC,
	    "beyond login_failures: until the next try; each failure doubles it"),
	KEY("login_most", CONFIG_INT, login_most, "64", 2, 10000,
	    "log-ins under way at once, half of that from one address; beyond: "
	    "RESOURCE_EXHAUSTED"),
	KEY("login_turn", CONFIG_DURATION, login_turn_us, "1m", 1 * SEC, 3600 * SEC,
	    "who is kept out by others' failures alone has his turn after so long; doubled each "
	    "time, up to login_window"),
	KEY("risk_factor", CONFIG_INT, risk_factor, "50", 1, 101,
	    "from this score on a log-in needs a second factor; 101: never"),
	KEY("risk_refuse", CONFIG_INT, risk_refuse, "85", 1, 101,
	    "from this score on it is refused, unless it brings a second factor"),
	KEY("risk_lock", CONFIG_INT, risk_lock, "95", 1, 101,
	    "from this score on account and network together also wait longer with each try"),
	KEY("risk_failover", CONFIG_INT, risk_failover, "70", 0, 100,
	    "above this score a log-in is not tried on jwt's stand-in"),
	KEY("geo_file", CONFIG_PATH, geo_file, "", 0, 0,
	    "CSV file of networks and where they are (network, latitude, longitude); empty: the "
	    "speed of travel is not judged"),
	KEY("audit_checkpoint", CONFIG_INT, audit_checkpoint, "1000", 1, 1000000,
	    "a signed checkpoint of the audit log after so many records"),
	KEY("audit_checkpoint_after", CONFIG_DURATION, audit_checkpoint_after_us, "1m", 10 * MS,
	    3600 * SEC, "and after so long, when there is something new"),
	KEY("audit_keep", CONFIG_DURATION, audit_keep_us, "400d", 0, INT64_C(36500) * 86400 * SEC,
	    "records older than this go, up to a checkpoint; 0: never"),
	{ .name = NULL },
};

struct geo_work { /* geo_file, on a thread: it may have millions of lines */
	struct work work;
	struct auth *a;
	char path[4096], err[300];
	struct geo *geo;
};

static void geo_begin(struct auth *a);
static void geo_run(struct work *w);
static void geo_done(struct work *w, bool was_dropped);
static void on_event(void *ctx, const char *node, const Mf__Event *e);
static void on_lost(void *ctx, const char *node);

bool
auth_start(struct auth *a, struct bus *b, const struct auth_config *config, const char *var)
{
	static const char *const jwt[] = { "jwt", "oauth", NULL };
	static const char *const rbac[] = { "rbac", NULL };
	static const char *const oauth[] = { "oauth", "jwt", NULL };
	static const char *const database[] = { "database", NULL };
	static const char *const kind[] = { "kind", NULL };
	static const char *const decided[] = { "outcome", "method", NULL };
	static const char *const outcome[] = { "outcome", NULL };

	if (sodium_init() < 0) {
		log_error("not_started", L_STR("why", "libsodium can't be initialised"));
		return false;
	}
	a->bus = b;
	a->loop = bus_loop(b);
	a->config = config;
	a->jwt = target_new(
	    b, &(const struct target_def){
		   .service = &mf__jwt__descriptor, .members = jwt, .breaker = AGENT_BREAKER });
	a->rbac = target_new(
	    b, &(const struct target_def){
		   .service = &mf__rbac__descriptor, .members = rbac, .breaker = AGENT_BREAKER });
	a->oauth = target_new(
	    b, &(const struct target_def){
		   .service = &mf__oauth__descriptor, .members = oauth, .breaker = AGENT_BREAKER });
	a->database =
	    target_new(b, &(const struct target_def){
			      .service = &mf__database__descriptor, .members = database });
	a->limiter = limiter_new(LIMITER_KEYS, LIMITER_KNOWN);
	a->recall = recall_new(RECALL_MOST);
	id_random(a->limiter_key, sizeof(a->limiter_key));
	a->decisions = metric_family(METRIC_COUNTER, "metafed_auth_decisions_total",
	    "Checks by outcome and by what decided.", decided);
	a->logins = metric_family(
	    METRIC_COUNTER, "metafed_auth_logins_total", "Log-ins by outcome.", outcome);
	a->sightings = metric_family(METRIC_COUNTER, "metafed_auth_sightings_total",
	    "What agents saw that counts as risk, by kind.", kind);
	a->audit = audit_open(&(const struct audit_opts){
	    .bus = b, .database = a->database, .jwt = a->jwt, .var = var, .config = &a->config });
	a->counts = audit_count_open(a->loop, a->audit);
	geo_begin(a);
	a->epoch = id_random_u64() | 1;
	a->sequence = 0;
	a->policy_us = time_wall_us(); /* what was changed before we were there nobody tells us */
	auth_bump(a, "start");
	bus_subscribe(b, "rbac", "auth.policy", on_event, on_lost, a);
	bus_subscribe(b, "jwt", "auth.revoked", on_event, on_lost, a);
	bus_subscribe(b, "oauth", "auth.revoked", on_event, on_lost, a);
	return true;
}

void
auth_stop(struct auth *a)
{
	audit_count_close(&a->counts);
	audit_close(&a->audit);
	work_pool_free(&a->work);
	geo_free(&a->geo);
	recall_free(&a->recall);
	limiter_free(&a->limiter);
	sodium_memzero(a->limiter_key, sizeof(a->limiter_key));
}

void
auth_bump(struct auth *a, const char *why)
{
	a->sequence++;
	a->bumped_us = time_now_us();
	bus_set_hint(a->bus, a->epoch, a->sequence);
	log_debug("sequence", L_INT("sequence", a->sequence), L_STR("why", why));
}

void
auth_heard(struct auth *a)
{
	static const char *const agents[] = { "jwt", "oauth" };
	uint64_t epoch, count;
	int64_t at;

	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
		if (!bus_peer_hint(a->bus, agents[i], &epoch, &count, &at) ||
		    (epoch == a->heard[i].epoch && count == a->heard[i].count))
			continue;
		a->heard[i].epoch = epoch;
		a->heard[i].count = count;
		auth_bump(a, agents[i]);
	}
}

uint32_t
auth_max_age_us(const struct auth *a)
{
	int64_t since = time_now_us() - a->bumped_us;

	return since > FRESH_US ? (uint32_t)FRESH_US : since < 1 ? 1 : (uint32_t)since;
}

void
auth_sequence(Mf__Auth_Service *s, const Mf__Empty *q, Mf__AuthSequence_Closure reply, void *ctx)
{
	struct auth *a = container_of(s, struct auth, service);
	Mf__AuthSequence m = MF__AUTH_SEQUENCE__INIT;

	(void)q, (void)reply;
	auth_heard(a);
	m.epoch = a->epoch;
	m.sequence = a->sequence;
	call_reply(ctx, &m.base);
}

void
auth_pass_on(struct call *c, const struct failure *f)
{
	if (!status_is_fault(f->status) || f->status == ST_UNAVAILABLE)
		call_fail_with(c, f);
	else
		call_fail_because(c, ST_UNAVAILABLE, "AUTH_UNAVAILABLE", 500,
		    "no agent could decide: %s", status_name(f->status));
}

static void
on_event(void *ctx, const char *node, const Mf__Event *e)
{
	struct auth *a = ctx;

	(void)node;
	if (strcmp(e->topic, "auth.policy") == 0)
		a->policy_us = time_wall_us();
	auth_bump(a, e->topic);
}

/* An agent came back or we missed something: what it may have said counts as said. */
static void
on_lost(void *ctx, const char *node)
{
	auth_bump(ctx, node);
}

bool
auth_peer_is_agent(struct call *c)
{
	const char *peer = call_peer(c);

	return strcmp(peer, "oauth") == 0 || strcmp(peer, "jwt") == 0 ||
	       (peer[0] != '\0' && strcmp(peer, bus_name(call_bus(c))) == 0);
}

bool
auth_drained(struct auth *a)
{
	audit_count_flush(a->counts);
	return audit_is_idle(a->audit);
}

/* --- configuration --- */

bool
auth_config_check(const void *config, char *err, size_t err_size)
{
	const struct auth_config *c = config;

	if (c->risk_factor <= c->risk_refuse && c->risk_refuse <= c->risk_lock)
		return true;
	(void)snprintf(
	    err, err_size, "risk_factor, risk_refuse and risk_lock must not descend in this order");
	return false;
}

void
auth_reload(struct auth *a, const struct auth_config *config)
{
	a->config = config;
	audit_reload(a->audit);
	geo_begin(a);
}

static void
geo_begin(struct auth *a)
{
	struct geo_work *w;

	if (a->config->geo_file == NULL || a->config->geo_file[0] == '\0') {
		geo_free(&a->geo);
		log_info("geo_off", L_STR("why", "no geo_file: the speed of travel is not judged"));
		return;
	}
	if (a->work == NULL)
		a->work = work_pool_new(a->loop, 1, 4);
	w = mem_zalloc(sizeof(*w));
	w->a = a;
	w->work.run = geo_run;
	w->work.done = geo_done;
	(void)snprintf(w->path, sizeof(w->path), "%s", a->config->geo_file);
	if (!work_start(a->work, &w->work))
		free(w);
}

static void
geo_run(struct work *work)
{
	struct geo_work *w = container_of(work, struct geo_work, work);

	w->geo = geo_load(w->path, w->err, sizeof(w->err));
}

/* A file that is wrong leaves what is known as it was. */
static void
geo_done(struct work *work, bool was_dropped)
{
	struct geo_work *w = container_of(work, struct geo_work, work);

	if (was_dropped || w->geo == NULL) {
		geo_free(&w->geo);
		if (!was_dropped)
			log_warn("geo_file_wrong", L_STR("why", w->err));
	} else {
		geo_free(&w->a->geo);
		w->a->geo = w->geo;
		log_info("geo_file_read", L_INT("networks", geo_count(w->geo)));
	}
	free(w);
}
