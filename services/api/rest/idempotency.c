/* idempotency: see idempotency.h. The steps of a request with a key, top to bottom:
 *
 *	may he?		ask meta for the principal, and for the permissions of the operation
 *	claim		create the row; there already: another request (422), answered (the answer
 *			again), under way (409), or left behind: take it over by its version
 *	work		as any request, under the row's operation id
 *	record		the answer, if it is final; else the claim is given back
 *
 * A store that can't be reached refuses the request (503): without the row nothing is promised. An
 * answer that can't be recorded is given all the same: the next try makes it again under the same
 * operation id. Runs in whatever agent serves the request. */
#include <stdlib.h>
#include <string.h>

#include "api/rest/idempotency.h"
#include "base/id.h"
#include "base/step.h"
#include "base/time.h"

#define PERMISSIONS_MOST 16

struct keyed { /* in its call's arena */
	const char *key;
	char row[UUID_LEN], fingerprint[FINGERPRINT_LEN];
	uint64_t version; /* of the row while the claim is ours; 0: it is not */
	/* What he must be permitted, asked one after the other: also for an answer that is recorded
	 * already, because it may have been taken away since. */
	const char *permissions[PERMISSIONS_MOST];
	size_t n_permissions, asked;
	Mf__StoreOp op;
	char op_id[UUID_LEN];
	struct rpc *rpc;
};

static void ask(struct handling *);
static void on_checked(const Mf__TaskResponse *, void *);
static void claim(struct handling *);
static void on_claimed(const Mf__StoreResult *, void *);
static void look(struct handling *, const json_t *);
static void take_over(struct handling *);
static void on_taken(const Mf__StoreResult *, void *);
static void work(struct handling *, const char *);
static void replay(struct handling *, const json_t *);
static void on_recorded(const Mf__StoreResult *, void *);
static bool is_final(uint32_t);
static void write_response(struct handling *, struct jw *);
static void write_row(struct handling *, Mf__StoreOp__Kind, struct jw *, Mf__StoreResult_Closure);
static int64_t claimed_until_ms(const struct handling *);

static const struct failure no_key = { .status = ST_INVALID_ARGUMENT,
	.reason = "BAD_REQUEST",
	.message = "Idempotency-Key must be a string of 1 to 255 characters, in quotes" },
			    other_request = { .status = ST_INVALID_ARGUMENT,
				    .reason = "IDEMPOTENCY_KEY_REUSED",
				    .message =
					"another request was made with this Idempotency-Key" },
			    under_way = { .status = ST_ABORTED,
				    .reason = "IDEMPOTENCY_KEY_IN_USE",
				    .message = "a request with this Idempotency-Key is under way" };

/* Tokens are not for keeping, nor what is shown once: signing in and out, and models that tell secrets,
 * have no keys. */
bool
idempotency_read(struct handling *h)
{
	const char *header = handling_header(h, "idempotency-key"), *key;
	enum op_kind k = h->op.route->kind;

	if (header[0] == '\0' || strcmp(h->op.route->method, "GET") == 0 || k == OP_LOGIN ||
	    k == OP_REFRESH || k == OP_LOGOUT ||
	    (h->task != NULL && h->task->database != NULL &&
		ops_tells_secret(h->task->database->model)))
		return true;
	if ((key = key_read(h->a, header)) == NULL) {
		respond_failure(h, 0, &no_key);
		return false;
	}
	h->keyed = ARENA_NEW(h->a, struct keyed);
	h->keyed->key = key;
	key_fingerprint(h->q, h->op.body, handling_header(h, "if-match"), h->keyed->fingerprint);
	return true;
}

void
idempotency_start(struct handling *h)
{
	struct keyed *k = h->keyed;

	if (h->op.route->kind != OP_REQUEST)
		k->permissions[k->n_permissions++] = h->op.route->permission;
	else if (h->task != NULL)
		k->n_permissions = raw_permissions(h->a, h->task, k->permissions, PERMISSIONS_MOST);
	if (k->n_permissions == 0)
		k->permissions[k->n_permissions++] = "";
	ask(h);
}

static void
ask(struct handling *h)
{
	struct keyed *k = h->keyed;

	k->rpc = ops_ask(h->c, &h->op, k->permissions[k->asked++], h->task, on_checked, h);
}

/* A refusal is answered as that of the request itself would be: it has the same words. */
static void
on_checked(const Mf__TaskResponse *m, void *ctx)
{
	struct handling *h = ctx;
	struct failure f;

	if (m == NULL) {
		respond_failure(h, 0, rpc_failure(h->keyed->rpc));
	} else if (!m->success) {
		failure_of(h, m, &f);
		respond_failure(h, 0, &f);
	} else if (m->principal == NULL || m->principal->id[0] == '\0') {
		respond_failure(h, 0,
		    &(const struct failure){ .status = ST_UNAUTHENTICATED,
			.message = "an Idempotency-Key is somebody's: a credential is needed",
			.reason = "" });
	} else {
		if (h->keyed->asked < h->keyed->n_permissions) {
			ask(h);
			return;
		}
		respond_principal(h, m);
		key_row(m->principal->id, h->keyed->key, h->keyed->row);
		claim(h);
	}
}

static void
claim(struct handling *h)
{
	struct jw w;

	jw_start(&w, h->a, 256);
	jw_object(&w, NULL);
	jw_str(&w, "fingerprint", h->keyed->fingerprint);
	jw_str(&w, "operation_id", h->op.operation_id);
	jw_int(&w, "claimed_until", claimed_until_ms(h));
	write_row(h, MF__STORE_OP__KIND__CREATE, &w, on_claimed);
}

static void
on_claimed(const Mf__StoreResult *m, void *ctx)
{
	struct handling *h = ctx;
	json_t *row;

	if (m == NULL) {
		respond_failure(h, 0, rpc_failure(h->keyed->rpc));
	} else if (!m->repeated) {
		h->keyed->version = m->version;
		work(h, h->op.operation_id);
	} else if ((row = read_object(h, &m->data)) == NULL) {
		respond_failure(h, 0,
		    &(const struct failure){ .status = ST_INTERNAL,
			.message = "the record of an Idempotency-Key is no JSON object",
			.reason = "" });
	} else {
		h->keyed->version = m->version;
		look(h, row);
	}
}

/* There is a row already. One of our own operation id is ours: an agent died, and we have its
 * request. */
static void
look(struct handling *h, const json_t *row)
{
	const char *fingerprint = json_string_value(json_object_get(row, "fingerprint")),
		   *operation = json_string_value(json_object_get(row, "operation_id"));
	const json_t *response = json_object_get(row, "response");
	uint64_t version = h->keyed->version;

	h->keyed->version = 0;
	if (fingerprint == NULL || operation == NULL ||
	    strcmp(fingerprint, h->keyed->fingerprint) != 0) {
		respond_failure(h, 0, &other_request);
	} else if (json_is_object(response)) {
		replay(h, response);
	} else if (strcmp(operation, h->op.operation_id) == 0) {
		h->keyed->version = version;
		work(h, operation);
	} else if (json_integer_value(json_object_get(row, "claimed_until")) >
		   time_wall_us() / MS) {
		respond_header(h, "Retry-After", "1");
		respond_failure(h, 0, &under_way);
	} else {
		h->keyed->version = version;
		h->op.operation_id = arena_strdup(h->a, operation);
		take_over(h);
	}
}

static void
take_over(struct handling *h)
{
	struct jw w;

	call_set_repeated(h->c);
	jw_start(&w, h->a, 64);
	jw_object(&w, NULL);
	jw_int(&w, "claimed_until", claimed_until_ms(h));
	write_row(h, MF__STORE_OP__KIND__UPDATE, &w, on_taken);
}

static void
on_taken(const Mf__StoreResult *m, void *ctx)
{
	struct handling *h = ctx;
	const struct failure *f = rpc_failure(h->keyed->rpc);

	h->keyed->version = m != NULL ? m->version : 0;
	if (m != NULL)
		work(h, h->op.operation_id);
	else
		respond_failure(h, 0, f->status == ST_ABORTED ? &under_way : f);
}

/* The effect is known by the row's operation id: that of this request, or of the one that claimed
 * first. */
static void
work(struct handling *h, const char *operation)
{
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };

	if (h->refusal == NULL && strcmp(operation, h->task->task_id) != 0 &&
	    (h->task = ops_build(h->a, &h->op, &f)) == NULL) {
		respond_failure(h, 0, &f);
		return;
	}
	call_set_operation_id(h->c, operation);
	STEP("rest.key.claimed");
	handling_execute(h);
}

static void
replay(struct handling *h, const json_t *response)
{
	const json_t *body = json_object_get(response, "body"), *value;
	const char *name;
	size_t n = json_string_length(body);

	json_object_foreach(
	    json_object_get(response, "headers"), name, value) if (h->out.n_headers < 6)
	{
		if (strcmp(name, "Content-Type") == 0)
			h->content_type = json_string_value(value);
		else
			respond_header(h, name, json_string_value(value));
	}
	respond_header(h, "Idempotency-Replayed", "true");
	respond(h, (int)json_integer_value(json_object_get(response, "status")),
	    json_string_value(body), n);
}

void
idempotency_end(struct handling *h)
{
	struct jw w;

	if (h->keyed == NULL || h->keyed->version == 0) {
		handling_end(h);
		return;
	}
	jw_start(&w, h->a, h->out.body.len + 256);
	jw_object(&w, NULL);
	if (is_final(h->out.status) && h->out.body.len <= RECORD_BYTES)
		write_response(h, &w);
	else
		jw_int(&w, "claimed_until", 0);
	STEP("rest.key.worked");
	write_row(h, MF__STORE_OP__KIND__UPDATE, &w, on_recorded);
	h->keyed->version = 0;
}

/* Recorded or not: see above. */
static void
on_recorded(const Mf__StoreResult *m, void *ctx)
{
	struct handling *h = ctx;

	(void)m;
	STEP("rest.key.recorded");
	handling_end(h);
}

/* What the same request would be answered later, too; not that somebody may not, or can't just now. */
static bool
is_final(uint32_t status)
{
	return status < 500 && status != 401 && status != 403 && status != 408 && status != 429;
}

static void
write_response(struct handling *h, struct jw *w)
{
	jw_object(w, "response");
	jw_int(w, "status", h->out.status);
	jw_object(w, "headers");
	for (size_t i = 0; i < h->out.n_headers; i++)
		jw_str(w, h->out.headers[i]->key, h->out.headers[i]->value);
	jw_close(w, '}');
	jw_strn(w, "body", (const char *)h->out.body.data, h->out.body.len);
	jw_close(w, '}');
}

/* The row's changes are operations of their own: the request's operation id is its effect's. */
static void
write_row(struct handling *h, Mf__StoreOp__Kind kind, struct jw *w, Mf__StoreResult_Closure then)
{
	struct keyed *k = h->keyed;

	jw_close(w, '}');
	mf__store_op__init(&k->op);
	uuid7(k->op_id);
	k->op.kind = kind;
	k->op.model = (char *)(uintptr_t) "idempotency";
	k->op.id = k->row;
	k->op.operation_id = k->op_id;
	k->op.if_version = k->version;
	k->op.data.data = (uint8_t *)jw_text(w, &k->op.data.len);
	k->rpc = ops_store(h->c, &k->op, then, h);
}

/* As long as this request can last, and a little. */
static int64_t
claimed_until_ms(const struct handling *h)
{
	return (time_wall_us() + call_left(h->c)) / MS + 500;
}
