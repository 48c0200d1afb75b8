/* secure: who is at the other end of a tcp link, and sealing what goes over it (libsodium).
 *
 * Each node has a static X25519 pair (NAME.key); a trust file says which public key belongs to
 * which name. The hello is Noise KK in our words: i dials r and knows its key, r finds i's key in
 * the trust file.
 *
 *	HELLO    s_i, e_i, proof_i = MAC(K1, T1)	K1 from es = DH(e_i,s_r), ss = DH(s_i,s_r)
 *	WELCOME  s_r, e_r, proof_r = MAC(K2, T2)	K2 from es, ss, ee = DH(e_i,e_r), se = DH(s_i,e_r)
 *	T1: version, name, generation, epoch, keys, instance (if any) of i, s_r; T2: T1 and the same of r
 *	two directional keys = BLAKE2b(es, ss, ee, se, T2); nonce: a counter that starts at 0 and has no gap
 *
 * A recorded HELLO can be sent again, but whoever does so cannot seal one frame: the keys need e_i.
 * Epochs and both ephemeral keys are new for each link, so no recorded frame opens on another link,
 * nor twice on its own. */
#ifndef BUS_SECURE_H
#define BUS_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/bus.pb-c.h"

#define SECURE_KEY        32
#define SECURE_SEAL_EXTRA (8 + 16)  /* counter, tag */
#define SECURE_BELL_EXTRA (24 + 16) /* nonce, tag */

struct secure_id;   /* our pair and whom we trust */
struct secure_dial; /* a HELLO that waits for its WELCOME */
struct secure_link; /* keys and counters of one link */

/* --- key files --- NAME.key (0600), lines "name NAME", "public BASE64URL", "secret BASE64URL". The
 * trust file has lines "NAME PUBLIC". '#' begins a comment line in both. */
/* NULL: err */
struct secure_id *
secure_load(const char *key_file, const char *trust_file, char *err, size_t err_size);
void secure_unload(struct secure_id **id);
const char *secure_name(const struct secure_id *id);

/* `metafed keys init`: makes DIR/NAME.key for each name that has none and enters the public keys in
 * DIR/trust, keeping what is there. *made: how many pairs are new. False: err says why; what was
 * made so far stays and is found by the next try. */
bool keys_generate(const char *dir, const char *const *names, size_t n, size_t *made, char *err,
    size_t err_size) __attribute__((warn_unused_result));

/* --- hello. Both fill keys and proof into h, whose other fields must be set; the bytes belong to
 * the result --- */
struct secure_dial *secure_start(
    const struct secure_id *id, const char *peer, Mf__Hello *h, char *err, size_t err_size);
struct secure_link *
secure_finish(struct secure_dial *d, const Mf__Hello *welcome, char *err, size_t err_size);
void secure_dial_free(struct secure_dial **d);
/* Checks a HELLO and fills the WELCOME. NULL: not trusted, err says why. h's keys live as long as
 * the result. */
struct secure_link *secure_accept(
    const struct secure_id *id, const Mf__Hello *hello, Mf__Hello *h, char *err, size_t err_size);
void secure_close(struct secure_link **s);

/* --- frames. `ad` (2 bytes: the prefix) is authenticated too --- */
/* n + SEAL_EXTRA bytes */
void
secure_seal(struct secure_link *s, const uint8_t *ad, const void *plain, size_t n, uint8_t *out);
/* In place: *plain points into p. False: tampered with, replayed or out of order: drop the link. */
bool secure_open(struct secure_link *s, const uint8_t *ad, uint8_t *p, size_t n,
    const uint8_t **plain, size_t *plain_n) __attribute__((warn_unused_result));

/* --- the bell: one key of the publisher, given to each peer in a sealed frame --- */
void secure_bell_key(uint8_t key[SECURE_KEY]);
/* n + BELL_EXTRA bytes */
void secure_bell_seal(const uint8_t key[SECURE_KEY], const void *plain, size_t n, uint8_t *out);
bool secure_bell_open(const uint8_t key[SECURE_KEY], uint8_t *p, size_t n, const uint8_t **plain,
    size_t *plain_n) __attribute__((warn_unused_result));

#endif
