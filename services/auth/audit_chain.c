/* audit_chain: see audit_chain.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/audit_chain.h"
#include "base/json.h"

#define CHECKPOINT_TYPE "audit-checkpoint+jwt"

static const char *text(const json_t *v, const char *key);
static bool found(struct audit_chain *c, uint64_t number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool check_place(struct audit_chain *c, uint64_t number);
static bool check_hash(struct audit_chain *c, uint64_t number, const json_t *row);
static bool check_columns(struct audit_chain *c, uint64_t number, const json_t *row);
static bool check_signature(struct audit_chain *c, uint64_t number, const json_t *event);
static bool fits(struct audit_chain *c, uint64_t number, const struct jws *jws, const json_t *event,
    uint64_t *begins);
static bool is_trusted(const struct audit_chain *c, const struct jws *jws);

bool
audit_chain_start(struct audit_chain *c, const json_t *jwks)
{
	const json_t *keys = json_object_get(jwks, "keys"), *key;
	char err[200];
	size_t i;

	memset(c, 0, sizeof(*c));
	json_array_foreach(keys, i, key)
	{
		if (c->n_keys < AUDIT_KEYS &&
		    (c->keys[c->n_keys] = jws_key_from_jwk(key, err, sizeof(err))) != NULL)
			c->n_keys++;
	}
	return json_is_array(keys);
}

void
audit_chain_free(struct audit_chain *c)
{
	while (c->n_keys > 0)
		jws_key_free(&c->keys[--c->n_keys]);
}

bool
audit_chain_take(struct audit_chain *c, const json_t *row)
{
	const json_t *event = json_object_get(json_object_get(row, "record"), "event");
	const char *kind = text(event, "kind");
	uint64_t number = 0;

	if (c->bad != 0)
		return false;
	if (!audit_id_number(text(row, "id"), &number) || number == 0)
		return found(c, c->last + 1, "a row without a number of ours is in its place");
	if (!check_place(c, number) || !check_hash(c, number, row) ||
	    !check_columns(c, number, row))
		return false;
	if ((strcmp(kind, "checkpoint") == 0 || strcmp(kind, "begins") == 0) &&
	    !check_signature(c, number, event))
		return false;
	if (strcmp(kind, "rewound") == 0 && c->lost == 0)
		c->lost = number;
	if (c->first == 0)
		c->first = number;
	c->last = number;
	c->records++;
	memcpy(c->hash, text(row, "hash"), AUDIT_HASH_LEN);
	if (number == c->head && strcmp(c->hash, c->head_hash) != 0)
		return found(c, number, "is another record than the one that was written");
	return true;
}

static bool
check_place(struct audit_chain *c, uint64_t number)
{
	if (c->first == 0 || number == c->last + 1)
		return true;
	if (number <= c->last)
		return found(c, number, "is out of its order, or there twice");
	if (number == c->last + 2)
		return found(c, c->last + 1, "is missing");
	return found(c, c->last + 1, "is missing, and all up to %" PRIu64, number - 1);
}

static bool
check_hash(struct audit_chain *c, uint64_t number, const json_t *row)
{
	const json_t *record = json_object_get(row, "record");
	char *canonical = audit_canonical(record), hash[AUDIT_HASH_LEN] = "";
	const char *previous = text(record, "previous");

	if (canonical != NULL)
		audit_record_hash(canonical, strlen(canonical), hash);
	free(canonical);
	if (strcmp(hash, text(row, "hash")) != 0)
		return found(c, number, "was changed: its hash is another one");
	if ((uint64_t)json_integer_value(json_object_get(record, "number")) != number)
		return found(c, number, "has the place of another record");
	if (c->first != 0 && strcmp(previous, c->hash) != 0)
		return found(c, number, "does not follow the record before it");
	if (number == 1 && strspn(previous, "0") != AUDIT_HASH_LEN - 1)
		return found(c, number, "is not the beginning of a log");
	return true;
}

/* What is searched by must be what is hashed. */
static bool
check_columns(struct audit_chain *c, uint64_t number, const json_t *row)
{
	static const char *const columns[] = { "kind", "outcome", "actor", "subject", "address" };
	const json_t *event = json_object_get(json_object_get(row, "record"), "event");

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (strcmp(text(row, columns[i]), text(event, columns[i])) != 0)
			return found(c, number, "was changed: its column %s is not what it says",
			    columns[i]);
	if (json_integer_value(json_object_get(row, "version")) != 1)
		return found(c, number, "was changed: it has another version than the first");
	return true;
}

static bool
check_signature(struct audit_chain *c, uint64_t number, const json_t *event)
{
	const char *token = text(event, "jws");
	struct arena *a = arena_new(1u << 20);
	char err[200];
	struct jws_key *key = jws_key_from_jwk(json_object_get(event, "key"), err, sizeof(err));
	struct jws jws;
	uint64_t begins = 0;
	bool ok = key != NULL && jws_parse(a, str_of(token), &jws) &&
	          strcmp(jws.type, CHECKPOINT_TYPE) == 0 && jws_verify(&jws, key);

	if (!ok)
		(void)found(c, number, "has a signature that is none");
	else if (!fits(c, number, &jws, event, &begins))
		ok = found(c, number,
		    "is a checkpoint of another log: something behind record %" PRIu64
		    " was written anew",
		    c->fitting);
	if (ok) {
		c->checkpoints++;
		c->fitting = number;
		if (is_trusted(c, &jws)) {
			c->signed_upto = number;
			c->begins = begins > c->begins ? begins : c->begins;
		} else {
			c->strange = number;
		}
	}
	jws_key_free(&key);
	arena_free(&a);
	return ok;
}

/* It says which hash the record before it has, and where the log may begin. */
static bool
fits(struct audit_chain *c, uint64_t number, const struct jws *jws, const json_t *event,
    uint64_t *begins)
{
	struct json_error e;
	json_t *v = json_read(jws->payload, jws->n_payload, &e);
	const char *hash = text(v, "hash");
	bool ok;

	*begins = (uint64_t)json_integer_value(json_object_get(v, "begins"));
	ok = (uint64_t)json_integer_value(json_object_get(v, "number")) == number - 1 &&
	     (c->first == 0 || strcmp(hash, c->hash) == 0) && hash[0] != '\0' &&
	     (uint64_t)json_integer_value(json_object_get(event, "begins")) == *begins;

	json_decref(v);
	return ok;
}

static bool
is_trusted(const struct audit_chain *c, const struct jws *jws)
{
	for (size_t i = 0; i < c->n_keys; i++)
		if (jws_verify(jws, c->keys[i]))
			return true;
	return false;
}

bool
audit_chain_end(struct audit_chain *c)
{
	if (c->bad != 0)
		return false;
	if (c->head > c->last)
		return found(c, c->last + 1,
		    "is missing at the end, and all up to %" PRIu64 " that were written", c->head);
	if (c->first == 0)
		return true;
	if (c->strange > c->signed_upto)
		return found(c, c->strange, "is signed with a key that is none of the fleet's");
	if (c->first > 1 && c->begins < c->first)
		return found(c, 1,
		    "is missing, and all up to %" PRIu64 ", which no signed record permits",
		    c->first - 1);
	if (c->signed_upto == 0 && c->must_be_signed && c->records > 1)
		return found(c, c->first, "and all behind it are signed by nobody");
	if (c->lost != 0)
		return found(c, c->lost, "says that the log had lost its end");
	return true;
}

static const char *
text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s != NULL ? s : "";
}

static bool
found(struct audit_chain *c, uint64_t number, const char *fmt, ...)
{
	va_list ap;

	c->bad = number;
	va_start(ap, fmt);
	(void)vsnprintf(c->what, sizeof(c->what), fmt, ap);
	va_end(ap);
	return false;
}
