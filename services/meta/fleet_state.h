/* fleet_state: what is known of every process, and orders to who supervises them.
 *
 * Where there is a supervisor, its reports are the truth (descriptor 8) and orders go to it
 * (descriptor 7). While it is gone and its guard with it, we see for ourselves who ends. In a container the nodes' heartbeats are: who misses them is isolated, and told
 * to exit when it is heard again; its runtime starts it. Of several processes of one name the first has
 * the row of that name, each other one a row under its instance, for as long as it is there. */
#ifndef META_FLEET_STATE_H
#define META_FLEET_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/id.h"
#include "base/status.h"
#include "meta/reason.h"
#include "meta/wait.h"
#include "node/contract.h"
#include "proto/meta.pb-c.h"

#define FLEET_ROWS_MOST 64

struct call;
struct meta;
struct fleet_state;

struct fleet_row {
	char name[64];     /* its node's, or its instance */
	const char *node;  /* its node's; "" of those apart */
	char instance[64]; /* as it says itself; "": it says none */
	int level;         /* -1: apart (guard, supervisor, private stores) */
	const char *domain;
	int32_t pid;
	enum contract_state state;
	uint64_t generation;
	uint32_t restarts;
	uint16_t load;
	int64_t since_us;        /* of the start; 0: not known */
	int64_t beat_us;         /* container mode: the last one */
	char reason[REASON_MAX]; /* BACKOFF, FAILED: why; else "" */
	bool shall_exit;         /* container mode: to be told with its next beat */
	/* operation id of the last restart: the same again is the same restart */
	char order[UUID_LEN];
	uint64_t order_generation; /* ... of the process that had to go */
	bool restart_due;          /* see fleet_state_restart_later */
	bool reported;             /* there was a report of it */
	uint32_t exits;            /* ... and what it said of these */
	enum contract_due due;
	int pidfd;     /* while nobody reports: its end is seen here; -1: not watched */
	uint8_t *info; /* packed NodeInfo of the last poll; NULL: none */
	size_t info_n;
};

struct fleet_state *fleet_state_new(struct meta *m, int reports_fd, int commands_fd);
void fleet_state_free(struct fleet_state **f);
/* the thirteen first, by level and name */
size_t fleet_state_rows(struct fleet_state *f, struct fleet_row **rows);
/* NULL: not known */
struct fleet_row *fleet_state_find(struct fleet_state *f, const char *name);
/* rpc_opts.node for it, in the call's arena; NULL: there is one of its name */
const char *fleet_row_instance(struct call *c, const struct fleet_row *r);
/* woken at each change of state or generation */
struct waiters *fleet_state_changes(struct fleet_state *f);
int64_t fleet_state_changed_us(const struct fleet_state *f); /* when the last of these was */
/* all run on this machine: /proc shows them */
bool fleet_state_local(const struct fleet_state *f);

/* ST_OK: the order is out; it says nothing about the outcome. Else *why says why not. */
enum status fleet_state_restart(struct fleet_state *f, const char *node, const char **why);
/* Another order than to restart: the supervisor's alone. */
enum status fleet_state_order(
    struct fleet_state *f, const char *process, enum contract_verb verb, const char **why);
/* For a node that carries this very request: it drains, so the answer must get away first. */
void fleet_state_restart_later(struct fleet_state *f, struct fleet_row *r);

bool fleet_state_beat(struct fleet_state *f, const Mf__Beat *b); /* true: it shall exit */
/* one record of descriptor 8 */
void fleet_state_report(struct fleet_state *f, const struct contract_report *r);

#endif
