/* authbed_login: what is asked with a password or a credential: log in, refresh, log out, check. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/time.h"
#include "harness/authbed.h"

static void
on_end(struct call *c, const struct call_end *end, void *ctx)
{
	struct attempt *o = ctx;

	(void)c;
	o->done = true;
	if (end->failure == NULL)
		return;
	o->status = end->failure->status;
	o->retry_ms = end->failure->retry_ms;
	(void)snprintf(o->reason, sizeof(o->reason), "%s", end->failure->reason);
	(void)snprintf(o->message, sizeof(o->message), "%s", end->failure->message);
}

static void
finish(struct attempt *o)
{
	Mf__Empty e = MF__EMPTY__INIT;

	if (rpc_failure(o->rpc) != NULL)
		call_fail_with(o->call, rpc_failure(o->rpc));
	else
		call_reply(o->call, &e.base);
}

static void
on_pair(const Mf__TokenPair *m, void *ctx)
{
	struct attempt *o = ctx;

	if (m != NULL) {
		(void)snprintf(o->access, sizeof(o->access), "%s", m->access_token);
		(void)snprintf(o->refresh, sizeof(o->refresh), "%s", m->refresh_token);
		(void)snprintf(o->name, sizeof(o->name), "%s", m->principal->name);
		/* less what the answer took; took_us is the beginning yet */
		assert_in_range(m->expires_in, 3600 - (time_now_us() - o->took_us) / SEC, 3600);
		assert_string_equal(m->token_type, "Bearer");
	}
	finish(o);
}

static void
on_grant(const Mf__AuthGrant *m, void *ctx)
{
	struct attempt *o = ctx;

	if (m != NULL) {
		(void)snprintf(o->method, sizeof(o->method), "%s", m->method);
		(void)snprintf(o->name, sizeof(o->name), "%s", m->principal->name);
		o->sequence = m->sequence;
		o->epoch = m->sequence_epoch;
	}
	finish(o);
}

static void
on_empty(const Mf__Empty *m, void *ctx)
{
	(void)m;
	finish(ctx);
}

static void
begin(struct attempt *o, const char *operation_id)
{
	memset(o, 0, sizeof(*o));
	o->took_us = time_now_us();
	o->call = call_root(authbed.bus,
	    &(struct call_opts){
		.limit_us = 20 * SEC, .done = on_end, .ctx = o, .operation_id = operation_id });
	o->rpc = rpc_new(o->call, authbed.target, NULL);
}

void
try_await(struct attempt *o)
{
	authbed_await(&o->done);
	o->took_us = time_now_us() - o->took_us;
}

/* With copies: who is given a password wipes it. */
static void
login_start(struct attempt *o, Mf__Credentials *q, const char *operation)
{
	char password[2000], otp[100];

	(void)snprintf(password, sizeof(password), "%s", q->password);
	(void)snprintf(otp, sizeof(otp), "%s", q->otp);
	q->password = password;
	q->otp = otp;
	begin(o, operation);
	mf__auth__login(&o->rpc->service, q, on_pair, o);
}

struct attempt
try_login_as(Mf__Credentials *q)
{
	struct attempt o;

	login_start(&o, q, NULL);
	try_await(&o);
	return o;
}

void
try_login_start(struct attempt *o, const char *username, const char *password, const char *address,
    const char *operation)
{
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	q.username = (char *)(uintptr_t)username;
	q.password = (char *)(uintptr_t)password;
	q.client_address = (char *)(uintptr_t)address;
	login_start(o, &q, operation);
}

struct attempt
try_login(const char *username, const char *password)
{
	return try_login_from("192.0.2.1", username, password);
}

struct attempt
try_login_from(const char *address, const char *username, const char *password)
{
	struct attempt o;

	try_login_start(&o, username, password, address, NULL);
	try_await(&o);
	return o;
}

void
try_login_with_start(struct attempt *o, const char *username, const char *password, const char *otp,
    const char *operation)
{
	Mf__Credentials q = MF__CREDENTIALS__INIT;

	q.username = (char *)(uintptr_t)username;
	q.password = (char *)(uintptr_t)password;
	q.otp = (char *)(uintptr_t)otp;
	q.client_address = (char *)(uintptr_t) "192.0.2.1";
	login_start(o, &q, operation);
}

struct attempt
try_login_with(const char *username, const char *password, const char *otp, const char *operation)
{
	struct attempt o;

	try_login_with_start(&o, username, password, otp, operation);
	try_await(&o);
	return o;
}

struct attempt
try_refresh(const char *token, const char *operation)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct attempt o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, operation);
	mf__auth__refresh(&o.rpc->service, &q, on_pair, &o);
	try_await(&o);
	return o;
}

struct attempt
try_logout(const char *token)
{
	Mf__RefreshToken q = MF__REFRESH_TOKEN__INIT;
	struct attempt o;

	q.refresh_token = (char *)(uintptr_t)token;
	begin(&o, NULL);
	mf__auth__logout(&o.rpc->service, &q, on_empty, &o);
	try_await(&o);
	return o;
}

struct attempt
try_check(const char *token, const char *permission)
{
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	struct attempt o;

	q.credential = (char *)(uintptr_t)token;
	q.permission = (char *)(uintptr_t)permission;
	begin(&o, NULL);
	mf__auth__check(&o.rpc->service, &q, on_grant, &o);
	try_await(&o);
	return o;
}

struct attempt
try_report(const Mf__Sighting *q)
{
	struct attempt o;

	begin(&o, NULL);
	mf__auth__report(&o.rpc->service, q, on_empty, &o);
	try_await(&o);
	return o;
}

static void
on_who(const Mf__AuthGrant *m, void *ctx)
{
	struct attempt *o = ctx;

	if (m != NULL) {
		size_t n = mf__principal__get_packed_size(m->principal);
		uint8_t *p = malloc(n);

		assert_non_null(p);
		mf__principal__pack(m->principal, p);
		o->principal = mf__principal__unpack(NULL, n, p);
		free(p);
	}
	finish(o);
}

Mf__Principal *
principal_of(const char *token)
{
	Mf__AuthCheck q = MF__AUTH_CHECK__INIT;
	struct attempt o;

	q.credential = (char *)(uintptr_t)token;
	begin(&o, NULL);
	mf__auth__check(&o.rpc->service, &q, on_who, &o);
	try_await(&o);
	return o.principal;
}
