/* audit_chain: is this the log as it was written? Fed with its rows in order, as the store or an export
 * has them. Pure.
 *
 * Whoever can write the rows can write hashes, too. What he can't make is a checkpoint: a record with
 * the hash of the one before, signed by a key of the fleet. Each signature speaks for all before it,
 * so the last one of a key that is trusted makes the whole log up to it whole; older ones may be of
 * keys that were retired since, and must only fit. */
#ifndef AUTH_AUDIT_CHAIN_H
#define AUTH_AUDIT_CHAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "auth/audit_event.h"
#include "auth/jwt/jws.h"

#define AUDIT_KEYS 64

struct audit_chain {
	struct jws_key *keys[AUDIT_KEYS]; /* trusted */
	size_t n_keys;
	uint64_t first, last; /* numbers seen; 0: none */
	char hash[AUDIT_HASH_LEN];
	uint64_t records, checkpoints;
	uint64_t signed_upto; /* by a trusted key; 0: nothing */
	uint64_t strange;     /* the last checkpoint of another key; 0: none */
	uint64_t fitting;     /* the last checkpoint that fits, of whatever key */
	uint64_t begins;      /* the log may begin there, as a key that is trusted signed */
	bool must_be_signed;  /* a log without any such signature is a finding */
	uint64_t lost;        /* a record of the writer says that its end was cut; 0: none */
	/* what must be there, known from elsewhere; 0: nothing */
	uint64_t head;
	char head_hash[AUDIT_HASH_LEN];
	/* the finding */
	uint64_t bad; /* its number; 0: none */
	char what[200];
};

/* jwks: RFC 7517; keys that we don't know how to read are passed over. False: it is none. */
bool audit_chain_start(struct audit_chain *c, const json_t *jwks);
void audit_chain_free(struct audit_chain *c);
/* False: there is a finding, and no more rows are taken. */
bool audit_chain_take(struct audit_chain *c, const json_t *row);
bool audit_chain_end(struct audit_chain *c);

#endif
