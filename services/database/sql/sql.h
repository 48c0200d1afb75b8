/* sql: PostgreSQL as a service of the bus. This is what the node `sql` is made of and what `nosql`
 * links to stand in for it. Everything runs on the loop thread; there is one store per process. */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/config.h"
#include "node/node.h"
#include "proto/sql.pb-c.h"

struct sql_config {
	const char *pg; /* conninfo; "": the private server under VAR */
	const char *pg_password_file, *pg_replicas;
	int64_t pg_short_conns, pg_long_conns;
	int64_t pg_statement_timeout_us;
	int64_t pg_group_most, pg_group_delay_us;
	int64_t pg_slow_us;
	int64_t pg_lock_timeout_us, pg_lifetime_us;
	bool pg_pooler;
	int64_t blob_max, blob_store_max; /* bytes */
	int64_t blob_uploads;             /* open ones of a principal */
	int64_t blob_upload_time_us, blob_keep_us;
	int64_t trace_keep_us;
	int64_t trace_store_max; /* bytes; 0: no bound, which no key can say */
};

/* clang-format off */
/* Entries of a key table; S is the node's config struct, `at` the way to its struct sql_config:
 * SQL_KEYS(struct x, sql.) */
#define SQL_KEYS(S, at)										\
	{ "pg", CONFIG_STR, offsetof(S, at pg), "", 0, 0, false, true,				\
	  "PostgreSQL conninfo without password; empty: the private server of scripts/run" },	\
	{ "pg_password_file", CONFIG_PATH, offsetof(S, at pg_password_file), "", 0, 0, false, true,\
	  "file with the password in its first line" },						\
	{ "pg_replicas", CONFIG_STR, offsetof(S, at pg_replicas), "", 0, 0, false, true,	\
	  "conninfos of stand-bys for reads that may be older, with ; between; same password" },	\
	{ "pg_short_conns", CONFIG_INT, offsetof(S, at pg_short_conns), "3", 1, 64, false, true,\
	  "connections of the short lane; one of them is left to reads" },			\
	{ "pg_long_conns", CONFIG_INT, offsetof(S, at pg_long_conns), "2", 1, 64, false, true,	\
	  "connections of the long lane, opened when needed" },					\
	{ "pg_statement_timeout", CONFIG_DURATION, offsetof(S, at pg_statement_timeout_us), "5s",\
	  100000, 600000000, false, true, "of the short lane" },				\
	{ "pg_group_most", CONFIG_INT, offsetof(S, at pg_group_most), "64", 1, 1000, false, true,\
	  "writes in one commit" },								\
	{ "pg_group_delay", CONFIG_DURATION, offsetof(S, at pg_group_delay_us), "1ms", 0, 100000, false, true,\
	  "a group waits so long for company while another is under way" },			\
	{ "pg_slow", CONFIG_DURATION, offsetof(S, at pg_slow_us), "1s", 0, 0, false, true,	\
	  "slower statements are logged; 0: none" },						\
	{ "pg_lock_timeout", CONFIG_DURATION, offsetof(S, at pg_lock_timeout_us), "1500ms",	\
	  10000, 600000000, false, true,							\
	  "a write waits so long for a row that others hold, then later again" },		\
	{ "pg_lifetime", CONFIG_DURATION, offsetof(S, at pg_lifetime_us), "1h", 0, 0, false, true,\
	  "a connection is made anew after this time, less up to a tenth; 0: never" },		\
	{ "pg_pooler", CONFIG_BOOL, offsetof(S, at pg_pooler), "false", 0, 0, false, true,	\
	  "pg names a connection pooler, in session mode" },					\
	{ "blob_max", CONFIG_BYTES, offsetof(S, at blob_max), "1g", 1, INT64_C(1) << 40, false, true,\
	  "largest blob" },									\
	{ "blob_store_max", CONFIG_BYTES, offsetof(S, at blob_store_max), "0", 0, 0, false, true,\
	  "of all blobs together; from half on there is a warning; 0: no limit" },		\
	{ "blob_uploads", CONFIG_INT, offsetof(S, at blob_uploads), "64", 1, 100000, false, true,\
	  "uploads of one principal that may be open" },					\
	{ "blob_upload_time", CONFIG_DURATION, offsetof(S, at blob_upload_time_us), "1d", 1000000,\
	  INT64_C(31536000000000), false, true, "an upload that gets no piece for so long is thrown away" },		\
	{ "blob_keep", CONFIG_DURATION, offsetof(S, at blob_keep_us), "30d", 0, 0, false, true,	\
	  "a blob that no task refers to and nobody reads is thrown away after this time; 0: never" },	\
	{ "trace_keep", CONFIG_DURATION, offsetof(S, at trace_keep_us), "3d", 3600000000,		\
	  INT64_C(31536000000000), false, true, "traces of requests are thrown away after this time" },	\
	{ "trace_store_max", CONFIG_BYTES, offsetof(S, at trace_store_max), "2g", INT64_C(64) << 20,	\
	  INT64_C(1) << 50, false, true,								\
	  "of all traces on disk: beyond it the oldest days are dropped, then only failed requests "	\
	  "stored, beyond 1.25 times of it none" }
/* clang-format on */

extern const struct config_key sql_keys[];
extern Mf__Sql_Service sql_service;
extern Mf__Leader_Service sql_leader_service; /* lead.h */

/* Node `sql`: migrates, then node_ready; when PostgreSQL is down, ready all the same and migrates
 * when it appears. A schema that is not ours: fatal. */
bool sql_init(struct node *n);
/* Any other node: serves sql_service, answers FAILED_PRECONDITION where sql would not start. Never
 * calls node_ready. */
bool sql_standin_init(struct node *n, const struct sql_config *config);
void sql_fini(struct node *n);

/* Without a node, for tests and benchmarks. var may be NULL when config->pg is given. */
bool
sql_open(struct loop *l, struct work_pool *work, const struct sql_config *config, const char *var);
void sql_close(void);

enum sql_state { SQL_WAITING, SQL_USABLE, SQL_REFUSED }; /* of the schema */
enum sql_state sql_state(void);
const char *sql_refusal(void); /* SQL_REFUSED: what is wrong and what to do */
bool sql_store_down(void);

#endif
