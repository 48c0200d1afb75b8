/* plan: which store answers an operation, where a read may be taken from, and what a write makes old.
 * Pure: tables and a few sentences, which README.md explains and explain.c shows. */
#ifndef DATABASE_PLAN_H
#define DATABASE_PLAN_H

#include <stdbool.h>
#include "proto/database.pb-c.h"

enum plan_store {
	PLAN_SQL,
	PLAN_NOSQL,
	PLAN_BOTH /* members of a TRANSACTION or BULK */
};
/* Of what its store has a plan of its own, which goes into an explain. */
enum plan_says { SAYS_ALL, SAYS_READS, SAYS_NOTHING };
enum plan_level { PLAN_STRONG, PLAN_BOUNDED, PLAN_EVENTUAL };

enum {                  /* what of the cache a write makes old */
	OLD_ENTRY = 1,  /* the entry of its id */
	OLD_LISTS = 2,  /* the lists of its namespace */
	OLD_ABSENT = 4, /* that there is no such object */
	OLD_MANY = 8,   /* ... of ids that are in its data */
};

struct plan_model {        /* a rule; lives are upper bounds, the setting cache_ttl is one too */
	const char *model; /* a name; ending in '.': all that begin so; "": the rest */
	enum plan_store store;
	enum plan_says says;
	const char *tag;                   /* family of the tags; NULL: never in the cache */
	int64_t ttl_us, soft_us;           /* of an object: life, and from when it is refreshed */
	int64_t list_ttl_us, list_soft_us; /* of a list */
	int64_t absent_us;                 /* of "there is no such object" */
};

struct plan_kind { /* by Mf__StoreOp__Kind */
	const char *name;
	bool write, members;
	bool said;          /* a store that has plans has one of this kind */
	unsigned makes_old; /* of a cached model */
};

struct plan_consistency {
	const char *name, *means;
	bool replica, cache; /* may answer beside the primary */
};

struct plan {
	enum plan_store store;
	enum plan_level level;
	const struct plan_model *rule; /* NULL: members have their own */
	bool from_cache;               /* a read: an entry young enough may answer, and is filled */
	bool list;                     /* ... of a list */
	const char *why_not;           /* from_cache: why not */
	uint64_t max_age_us;           /* from_cache: oldest acceptable */
	bool drop; /* a write: the cache may have to forget before it is acknowledged */
};

struct plan_lives {
	int64_t ttl_us, soft_us, absent_us;
};

/* NULL: planned. Otherwise what is wrong, naming the field. */
const char *plan_operation(const Mf__StoreOp *op, bool write, struct plan *p);

/* What this write makes old, members left out: 0 where its model is never cached. */
unsigned plan_makes_old(const Mf__StoreOp *op);
/* Of what a cached read fills; most_us bounds all, and a quarter of a life is the most that is soft. */
struct plan_lives plan_lives(const struct plan *p, int64_t most_us);
const struct plan_model *plan_model(const char *name);
const struct plan_kind *plan_kind(Mf__StoreOp__Kind k);
const struct plan_consistency *plan_consistency(enum plan_level l);
const char *plan_store_name(enum plan_store s);

#endif
