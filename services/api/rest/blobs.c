/* blobs: see blobs.h. Which resource is meant, and one operation of level 0 after the other. */
#include "api/rest/blobs.h"

#include <string.h>

#include "api/rest/contract.h"
#include "base/id.h"
#include "base/str.h"

static const struct {
	enum op_kind kind;
	void (*answer)(struct blob *b);
} answers[] = {
	{ OP_BLOB_PUT, blobs_put },
	{ OP_BLOB_GET, blobs_get },
	{ OP_BLOB_LIST, blobs_list },
	{ OP_BLOB_DELETE, blobs_delete },
	{ OP_UPLOAD_CREATE, upload_create },
	{ OP_UPLOAD_STATE, upload_state },
	{ OP_UPLOAD_PIECE, upload_piece },
	{ OP_UPLOAD_DELETE, upload_give_up },
};

static const struct {
	const char *reason;
	int http;
} statuses[] = {
	/* beyond what a failure says by itself */
	{ "TOO_LARGE", 413 },
	{ "BLOB_STORE_FULL", 507 },
};

static bool query_ok(struct blob *b);
static void on_executed(const Mf__TaskResponse *m, void *ctx);
static void fail(struct blob *b, const struct failure *f);

void
blobs_answer(struct handling *h)
{
	struct blob *b = ARENA_NEW(h->a, struct blob);
	const Mf__BodyPiece *piece = h->q->piece;

	*b = (struct blob){ .h = h, .last = true, .body = h->q->body };
	mf__database_requirement__init(&b->store);
	if (piece != NULL) {
		b->at = piece->offset;
		b->last = piece->last;
	}
	h->op.operation_id = h->q->operation_id;
	h->op.client_address = call_client_address(h->c, h->q->client_address);
	h->op.credential = ops_credential(h->a, h->q, &h->op.proof);
	if (h->op.operation_id[0] == '\0') { /* a caller that is no edge */
		char *id = arena_alloc(h->a, UUID_LEN);

		uuid7(id);
		h->op.operation_id = id;
	}
	if (h->op.credential == NULL)
		respond_failure(h, 0, &ops_bad_credential);
	else if (!query_ok(b))
		return;
	else if (!contract_id(h->a, h->op.route, h->op.id))
		blobs_refuse(b, 404, ST_NOT_FOUND, "", "there is nothing of this name");
	else
		for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
			if (answers[i].kind == h->op.route->kind)
				answers[i].answer(b);
}

/* False: answered. */
static bool
query_ok(struct blob *b)
{
	struct handling *h = b->h;
	struct failure f = { .status = ST_OK, .message = "", .reason = "" };
	struct param *params;

	if (!query_parse(h->a, h->q->query, &params, &h->op.n_params, &f)) {
		respond_failure(h, 0, &f);
		return false;
	}
	h->op.params = params;
	if (contract_query(h->a, h->op.route, params, h->op.n_params, &f))
		return true;
	h->refusal = arena_dup(h->a, &f, sizeof(f));
	handling_refuse(h);
	return false;
}

void
blobs_options(struct handling *h)
{
	if (!str_starts(h->q->path, "/v1/blobs/uploads"))
		return;
	respond_header(h, "Tus-Resumable", "1.0.0");
	respond_header(h, "Tus-Version", "1.0.0");
	respond_header(
	    h, "Tus-Extension", "creation,creation-with-upload,termination,expiration,checksum");
	respond_header(h, "Tus-Checksum-Algorithm", "sha1,sha256");
}

void
blobs_ask(struct blob *b, const char *operation, const char *id, blobs_next_fn *next)
{
	struct handling *h = b->h;

	mf__task_request__init(&b->task);
	mf__auth_requirement__init(&b->auth);
	b->auth.credential = (char *)(uintptr_t)h->op.credential;
	b->auth.client_address = (char *)(uintptr_t)h->op.client_address;
	ops_prove(&b->auth, h->op.proof);
	b->auth.require_permission = (char *)(uintptr_t)h->op.route->permission;
	b->store.operation = (char *)(uintptr_t)operation;
	b->store.model = (char *)(uintptr_t) "blob";
	b->store.id = (char *)(uintptr_t)id;
	b->task.task_id = (char *)(uintptr_t)h->op.operation_id;
	b->task.auth = &b->auth;
	b->task.database = &b->store;
	b->next = next;
	b->rpc = ops_execute(h->c, &b->task, on_executed, b);
}

static void
on_executed(const Mf__TaskResponse *m, void *ctx)
{
	struct blob *b = ctx;
	struct failure f;

	mf__database_requirement__init(&b->store);
	if (m == NULL) {
		fail(b, rpc_failure(b->rpc));
		return;
	}
	respond_principal(b->h, m);
	if (m->success) {
		b->next(b, m);
		return;
	}
	failure_of(b->h, m, &f);
	fail(b, &f);
}

static void
fail(struct blob *b, const struct failure *f)
{
	int http = 0;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(statuses[i].reason, f->reason) == 0)
			http = statuses[i].http;
	respond_failure(b->h, http, f);
}

void
blobs_refuse(struct blob *b, int http, enum status s, const char *reason, const char *message)
{
	respond_failure(b->h, http,
	    &(const struct failure){ .status = s, .reason = reason, .message = message });
}

void
blobs_go_on(struct blob *b)
{
	b->h->out.go_on = true;
	respond(b->h, 204, NULL, 0);
}

const json_t *
blobs_result(struct blob *b, const Mf__TaskResponse *m)
{
	const json_t *v = read_object(b->h, &m->result);

	if (v == NULL)
		blobs_refuse(b, 0, ST_INTERNAL, "", "what is stored is no JSON object");
	return v;
}

void
blobs_append(struct blob *b, blobs_next_fn *next)
{
	b->store.raw = b->body;
	b->store.offset = b->offset;
	blobs_ask(b, "append", b->upload, next);
}

void
blobs_finish(struct blob *b, blobs_next_fn *next)
{
	static char text[] = "{\"finish\":true}";

	b->store.data = (ProtobufCBinaryData){ sizeof(text) - 1, (uint8_t *)text };
	blobs_ask(b, "update", b->upload, next);
}
