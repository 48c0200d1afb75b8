/* exec: one execution, as execute.c, batch.c and result.c know it. */
#ifndef GQL_EXEC_H
#define GQL_EXEC_H

#include "api/graphql/engine/plan.h"
#include "base/log.h"

/* An object or a list of the answer. Its slots hold leaves as they are; GQL_OBJECT and GQL_LIST point
 * to the frame below (.object). */
struct frame {
	struct frame *up; /* NULL: the root */
	uint32_t place;   /* in the slots of up */
	uint32_t n;
	bool required; /* where it stands nothing may be null: then that falls on what is around */
	bool dead;     /* has become null: whatever still comes for it is dropped */
	struct plan *plan;        /* of an object; NULL: a list */
	struct plan_field *field; /* whose value it is, or is within; NULL: the root */
	const void *object;
	struct gql_value *slots;
};

struct gql_later {
	struct gql_exec *exec;
	struct frame *frame;
	uint32_t place;
};

struct place { /* what gql_at.place points to */
	struct frame *frame;
	uint32_t place;
};

struct shelf;

struct gql_exec {
	struct gql_run run;
	struct planner planner;
	struct gql_errors errors;
	struct frame *root;
	uint32_t next;    /* of a mutation: the root field whose turn it is */
	uint32_t pending; /* gql_settle to come */
	bool running;     /* somebody further up the stack will go on */
	bool turn_asked, done;
	struct shelf *shelves; /* batch.c */
};

void exec_settle(struct gql_later *l, struct gql_value v); /* without going on */
void exec_go_on(struct gql_exec *e);
bool batch_waits(const struct gql_exec *e);
void batch_flush(struct gql_exec *e);

#endif
