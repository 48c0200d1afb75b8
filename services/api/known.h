/* known: who is behind a credential, as far as an agent has told us. A table of fixed size; the
 * clock is an argument.
 *
 * Nothing here lets anybody in: each request is verified behind us, whatever stands here. What is
 * read here is only whose bucket a request takes from, so that it may be filled only from answers to
 * requests with that very credential which the auth domain has verified, and an answer that refuses
 * it (401) drops it. A credential is known by a keyed hash; itself it is never kept. */
#ifndef API_KNOWN_H
#define API_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct named_limit;

#define KNOWN_NAME 48 /* longer names are cut */
struct known {
	uint8_t credential[16];
	uint64_t bucket;                 /* key of the principal's bucket */
	const struct named_limit *limit; /* of its roles */
	int64_t verified_us;             /* when we were told; 0: an empty slot */
	int64_t expires_us;              /* end of the credential, on the same clock */
	char name[KNOWN_NAME];
};

struct knowns;
struct knowns *knowns_new(size_t slots);
void knowns_free(struct knowns **k);

/* NULL: nobody that we know. `stale`: ask again who it is, and say it by knowns_learn. */
const struct known *
knowns_find(const struct knowns *k, const uint8_t credential[16], int64_t now_us, bool *stale);
void knowns_learn(struct knowns *k, const struct known *one); /* copied */
void knowns_forget(struct knowns *k, const uint8_t credential[16]);
void knowns_forget_all(struct knowns *k);

#endif
