/* blobs: large values over HTTP: whole ones at /v1/blobs, and resumable uploads (tus 1.0.0, https://tus.io)
 * at /v1/blobs/uploads. A body comes in pieces, each a request of its own (proto/rest.proto, BodyPiece), an
 * answer's goes out in pieces: nothing of either is kept here between two of them. */
#ifndef REST_BLOBS_H
#define REST_BLOBS_H

#include "api/rest/handling.h"

#define BLOB_PIECE (256u << 10) /* of an answer */

void blobs_answer(struct handling *h); /* h->op has route and id */
/* What the resource of uploads says of itself. */
void blobs_options(struct handling *h);

/* --- between blob.c, blobs_put.c, blobs_get.c --- */
struct blob {
	struct handling *h;
	uint64_t at; /* of the piece in the request's body, or in the answer's */
	bool last;
	ProtobufCBinaryData body;
	const char *upload; /* its id */
	uint64_t offset;    /* of the piece in the upload */
	uint64_t from, end; /* of what is asked for */
	bool ranged;
	struct rpc *rpc;
	void (*next)(struct blob *b, const Mf__TaskResponse *m);
	Mf__TaskRequest task;
	Mf__AuthRequirement auth;
	Mf__DatabaseRequirement store;
};
typedef void blobs_next_fn(struct blob *b, const Mf__TaskResponse *m);

/* One operation on the model; b->store has its other fields. What fails is answered; else next. */
void blobs_ask(struct blob *b, const char *operation, const char *id, blobs_next_fn *next);
void blobs_refuse(struct blob *b, int http, enum status s, const char *reason, const char *message);
void blobs_go_on(struct blob *b);    /* the next piece may come */
void blobs_put(struct blob *b);      /* POST /blobs, PUT /blobs/ID */
void blobs_get(struct blob *b);      /* GET /blobs/ID */
void blobs_list(struct blob *b);     /* GET /blobs */
void blobs_delete(struct blob *b);   /* DELETE /blobs/ID */
void upload_create(struct blob *b);  /* tus: creation */
void upload_state(struct blob *b);   /* tus: HEAD */
void upload_piece(struct blob *b);   /* tus: PATCH */
void upload_give_up(struct blob *b); /* tus: termination */
/* The result as JSON; NULL: answered. */
const json_t *blobs_result(struct blob *b, const Mf__TaskResponse *m);
void blobs_append(struct blob *b, blobs_next_fn *next);
void blobs_finish(struct blob *b, blobs_next_fn *next);

#endif
