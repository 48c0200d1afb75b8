/* node: the skeleton of every daemon. main() is one declaration, node_main does the rest:
 * descriptors of the contract, signals, configuration (--check, --print-config, --keys, --set,
 * --config, --version), logs, loop, bus, readiness, drain, reload.
 *
 * Order at start: config -> log -> loop -> bus (listens only when ready) -> def->init ->
 * node_ready(). SIGTERM: state DRAINING, def->drain, wait until no call is in flight (at most
 * `drain`), def->fini, _exit(0). SIGHUP: a new config is built and checked completely, then
 * def->reload gets old and new; a bad one is an error in the log and nothing changes. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/config.h"
#include "node/contract.h"
#include "node/loop.h"
#include "node/work.h"

struct node;
struct bus;

enum serve_role { PRIMARY, STANDIN };

struct serve {
	ProtobufCService *service; /* &sql_service.base; NULL ends the list */
	enum serve_role role;
};

struct service_def {
	const char *name; /* "sql": folder = process = name on the bus */
	/* of this node, over config_size bytes; may be NULL */
	const struct config_key *keys;
	size_t config_size;
	const struct serve *serves;
	const char *const *capabilities; /* NULL-ended, announced in NodeInfo; may be NULL */
	/* what a table can't say; may be NULL */
	bool (*check)(const void *config, char *err, size_t err_size);
	/* false: logged already, exit 1. Calls node_ready now or later */
	bool (*init)(struct node *n);
	/* may be NULL */
	void (*reload)(struct node *n, const void *old_config, const void *new_config);
	void (*drain)(struct node *n); /* stop taking work in; may be NULL */
	/* nothing left besides calls of the bus? may be NULL */
	bool (*drained)(struct node *n);
	void (*fini)(struct node *n); /* may be NULL */
	/* a breaker over itself: it says when its own calls fail or are slow, bus/fit.h */
	bool judges_itself;
};

int node_main(int argc, char **argv, const struct service_def *def);

const char *node_name(const struct node *n);
uint64_t node_generation(const struct node *n);
/* the node's own struct; valid until the next reload has returned */
const void *node_config(const struct node *n);
/* absolute directory of run files, sockets and secrets */
const char *node_var(const struct node *n);
struct loop *node_loop(struct node *n);
struct bus *node_bus(struct node *n);
struct work_pool *node_work(struct node *n); /* made on first use: 2 threads, queue of 256 */
void node_ready(struct node *n);             /* once: opens the bus for callers, state READY */
void node_drain(struct node *n);             /* as SIGTERM */
int node_listener(const struct node *n);     /* descriptor 5, or -1 */
enum contract_state node_state(const struct node *n);

/* Level and domain of a name: "sql" -> 2, "database"; unknown name -> -1, "". The thirteen, by
 * level and name. */
struct fleet_name {
	const char *name;
	int level;
	const char *domain;
	/* Over tcp several processes of this name may serve side by side. Who keeps something for
	 * the fleet in its memory is alone; deploy/kubernetes says why, node by node. */
	bool many;
};
extern const struct fleet_name fleet_names[13];
/* NULL: none of the thirteen, nor an orchestrator that stands by */
const struct fleet_name *fleet_name_find(const char *name);
bool fleet_is_meta(const char *name); /* of level 0, whether it leads or stands by */
/* How many orchestrators stand by for `meta` (METAFED_STANDBYS, from the guard or the container), and
 * all of them, NULL-ended: the members of a target mf.Meta. */
unsigned fleet_standbys(void);
const char *const *fleet_meta(void);
int64_t fleet_meta_watch_us(void); /* target_set_watch for it: one that leads may be stopped */
/* Parts of a configuration file: the thirteen and "guard"; NULL behind the last. */
const char *fleet_part(size_t i);

/* Common keys every node reads (node_keys in settings.c): log_level, log_file_bytes, log_budget, var, drain, life_grace, bus_dir,
 * bus_listen, bus_peers, instance, bus_key_file, bus_trust_file, faults, faults_seed, retry_budget,
 * retry_tries, breakers, trace_slow, trace_sample,
 * trace_rate, heartbeat (container mode: beats to meta), watchdog. */
struct node_config {
	const char *var;
	const char *log_level;
	int64_t log_file_bytes, log_budget; /* base/log_file.h; 0: any size */
	int64_t drain_us;
	int64_t life_grace_us;
	const char *bus_dir;    /* ipc sockets; "" -> VAR/run/bus */
	const char *bus_listen; /* "" -> ipc; else "tcp://0.0.0.0:7700" */
	/* "tcp://%s:7700" (%s = node name), or "name=url,name=url,..." */
	const char *bus_peers;
	const char *instance;       /* which of several of this name; "": the only one */
	const char *bus_key_file;   /* tcp: this node's X25519 key */
	const char *bus_trust_file; /* tcp: public keys of all */
	const char *faults;
	int64_t faults_seed;
	double retry_budget;  /* share of first tries that may be retries */
	int64_t retry_tries;  /* of one call on one hop, the first included; 0: RETRY_TRIES */
	const char *breakers; /* "active", "observe"; NULL: active */
	int64_t trace_slow_us;
	double trace_sample, trace_rate; /* bus.h, struct trace_opts */
	bool heartbeat;
	int64_t watchdog_us;
};
extern const struct config_key node_keys[];
const struct node_config *node_common(const struct node *n);

/* What is configured, as it is in force: each key of all tables. */
struct node_setting {
	const struct config_key *key;
	const char
	    *value; /* NULL: a secret, or something that carries one; its default is one, too */
	enum config_from from;
};
int64_t
node_restart_window(const struct node *n); /* us; the supervisor counts its restarts in it */
size_t node_settings(const struct node *n, struct arena *a, struct node_setting **out);

#endif
