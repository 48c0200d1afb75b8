/* secure: the hello of a tcp link, and sealed frames. The scheme is in secure.h; key files are in
 * keys.c.
 *
 * All that is secret lives in sodium_malloc memory. Each derived key has its own label, so no two
 * uses share one. Called by lane.c, visitor.c and line.c; takes bytes of anybody, fuzzed by
 * tests/fuzz/secure.c. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "bus/frame.h"
#include "bus/keys.h"
#include "bus/secure.h"

#define PROOF 32
#define HASH  32

_Static_assert(SECURE_KEY == crypto_scalarmult_BYTES &&
		   SECURE_KEY == crypto_aead_chacha20poly1305_ietf_KEYBYTES,
    "32 bytes");
_Static_assert(SECURE_BELL_EXTRA == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
					crypto_aead_xchacha20poly1305_ietf_ABYTES,
    "");

struct dh { /* in this order into every derived key */
	uint8_t es[SECURE_KEY], ss[SECURE_KEY], ee[SECURE_KEY], se[SECURE_KEY];
};

struct ephemeral {
	uint8_t secret[SECURE_KEY], public[SECURE_KEY], proof[PROOF];
};

struct secure_dial {
	const struct secure_id *id;
	const uint8_t *peer; /* its public key, in id */
	struct ephemeral e;
	struct dh dh;
	uint8_t t1[HASH];
};

struct secure_link {
	uint8_t out_key[SECURE_KEY], in_key[SECURE_KEY];
	uint64_t out, in;                         /* next counters */
	uint8_t public[SECURE_KEY], proof[PROOF]; /* what the WELCOME points to */
};

static void *secret_new(size_t n);
static void ephemeral_new(struct ephemeral *e);
static bool exchange(uint8_t out[SECURE_KEY], const uint8_t *secret, const uint8_t *public);
static void derive(uint8_t *out, size_t n, const char *label, const struct dh *dh, size_t dh_bytes,
    const uint8_t *transcript);
static void transcript_add(crypto_generichash_state *s, const Mf__Hello *h);
static void transcript_one(uint8_t out[HASH], const Mf__Hello *hello, const uint8_t *responder);
static void transcript_two(uint8_t out[HASH], const uint8_t t1[HASH], const Mf__Hello *welcome);
static void fill(Mf__Hello *h, const struct secure_id *id, uint8_t *e, uint8_t *proof);
static bool shaped(const Mf__Hello *h);
static struct secure_link *link_new(const struct dh *dh, const uint8_t t2[HASH], bool initiator);
static void nonce_of(uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t counter);

struct secure_dial *
secure_start(const struct secure_id *id, const char *peer, Mf__Hello *h, char *err, size_t err_size)
{
	struct secure_dial *d;
	const uint8_t *key = keys_find(id, peer);
	uint8_t k1[PROOF];

	if (key == NULL) {
		snprintf(err, err_size, "the trust file has no key of %s", peer);
		return NULL;
	}
	d = secret_new(sizeof(*d));
	d->id = id;
	d->peer = key;
	ephemeral_new(&d->e);
	if (!exchange(d->dh.es, d->e.secret, key) || !exchange(d->dh.ss, keys_secret(id), key)) {
		snprintf(err, err_size, "the key of %s in the trust file is none", peer);
		secure_dial_free(&d);
		return NULL;
	}
	fill(h, id, d->e.public, d->e.proof);
	transcript_one(d->t1, h, key);
	derive(k1, sizeof(k1), "metafed proof i", &d->dh, 2 * SECURE_KEY, d->t1);
	memcpy(d->e.proof, k1, PROOF);
	return d;
}

struct secure_link *
secure_finish(struct secure_dial *d, const Mf__Hello *welcome, char *err, size_t err_size)
{
	uint8_t t2[HASH], proof[PROOF];

	snprintf(err, err_size, "its proof is wrong: not the key in our trust file");
	if (!shaped(welcome) || sodium_memcmp(welcome->static_key.data, d->peer, SECURE_KEY) != 0)
		return NULL;
	if (!exchange(d->dh.ee, d->e.secret, welcome->ephemeral_key.data) ||
	    !exchange(d->dh.se, keys_secret(d->id), welcome->ephemeral_key.data))
		return NULL;
	transcript_two(t2, d->t1, welcome);
	derive(proof, sizeof(proof), "metafed proof r", &d->dh, sizeof(d->dh), t2);
	if (sodium_memcmp(proof, welcome->proof.data, PROOF) != 0)
		return NULL;
	err[0] = '\0';
	return link_new(&d->dh, t2, true);
}

void
secure_dial_free(struct secure_dial **d)
{
	sodium_free(*d);
	*d = NULL;
}

struct secure_link *
secure_accept(
    const struct secure_id *id, const Mf__Hello *hello, Mf__Hello *h, char *err, size_t err_size)
{
	const uint8_t *key = keys_find(id, hello->node);
	uint8_t t1[HASH], t2[HASH], proof[PROOF];
	struct secure_link *s = NULL;
	struct ephemeral *e;
	struct dh *dh;

	snprintf(err, err_size, "%s: its key is not the one in our trust file", hello->node);
	if (key == NULL || !shaped(hello) ||
	    sodium_memcmp(hello->static_key.data, key, SECURE_KEY) != 0)
		return NULL;
	e = secret_new(sizeof(*e));
	dh = secret_new(sizeof(*dh));
	if (!exchange(dh->es, keys_secret(id), hello->ephemeral_key.data) ||
	    !exchange(dh->ss, keys_secret(id), key))
		goto out;
	transcript_one(t1, hello, keys_public(id));
	derive(proof, sizeof(proof), "metafed proof i", dh, 2 * SECURE_KEY, t1);
	if (sodium_memcmp(proof, hello->proof.data, PROOF) != 0)
		goto out;
	ephemeral_new(e);
	if (!exchange(dh->ee, e->secret, hello->ephemeral_key.data) ||
	    !exchange(dh->se, e->secret, key))
		goto out;
	fill(h, id, e->public, proof);
	transcript_two(t2, t1, h);
	derive(proof, sizeof(proof), "metafed proof r", dh, sizeof(*dh), t2);
	s = link_new(dh, t2, false);
	memcpy(s->public, e->public, SECURE_KEY);
	memcpy(s->proof, proof, PROOF);
	fill(h, id, s->public, s->proof);
out:
	sodium_free(e);
	sodium_free(dh);
	return s;
}

void
secure_close(struct secure_link **s)
{
	sodium_free(*s);
	*s = NULL;
}

void
secure_seal(struct secure_link *s, const uint8_t *ad, const void *plain, size_t n, uint8_t *out)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	nonce_of(nonce, s->out);
	frame_put64(out, s->out++);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    out + 8, NULL, plain, n, ad, FRAME_PREFIX, NULL, nonce, s->out_key);
}

bool
secure_open(struct secure_link *s, const uint8_t *ad, uint8_t *p, size_t n, const uint8_t **plain,
    size_t *plain_n)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (n < SECURE_SEAL_EXTRA || frame_get64(p) != s->in)
		return false;
	nonce_of(nonce, s->in);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		p + 8, NULL, NULL, p + 8, n - 8, ad, FRAME_PREFIX, nonce, s->in_key) != 0)
		return false;
	s->in++;
	*plain = p + 8;
	*plain_n = n - SECURE_SEAL_EXTRA;
	return true;
}

void
secure_bell_key(uint8_t key[SECURE_KEY])
{
	randombytes_buf(key, SECURE_KEY);
}

void
secure_bell_seal(const uint8_t key[SECURE_KEY], const void *plain, size_t n, uint8_t *out)
{
	uint8_t *text = out + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	randombytes_buf(out, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(text, NULL, plain, n, NULL, 0, NULL, out, key);
}

bool
secure_bell_open(
    const uint8_t key[SECURE_KEY], uint8_t *p, size_t n, const uint8_t **plain, size_t *plain_n)
{
	uint8_t *text = p + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	if (n < SECURE_BELL_EXTRA ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, text,
		n - crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, NULL, 0, p, key) != 0)
		return false;
	*plain = text;
	*plain_n = n - SECURE_BELL_EXTRA;
	return true;
}

static void *
secret_new(size_t n)
{
	void *p = sodium_malloc(n);

	must(p != NULL);
	memset(p, 0, n);
	return p;
}

static void
ephemeral_new(struct ephemeral *e)
{
	randombytes_buf(e->secret, sizeof(e->secret));
	must(crypto_scalarmult_base(e->public, e->secret) == 0);
}

static bool
exchange(uint8_t out[SECURE_KEY], const uint8_t *secret, const uint8_t *public)
{
	return crypto_scalarmult(out, secret, public) == 0; /* refuses points of low order */
}

static void
derive(uint8_t *out, size_t n, const char *label, const struct dh *dh, size_t dh_bytes,
    const uint8_t *transcript)
{
	crypto_generichash_state s;

	crypto_generichash_init(&s, NULL, 0, n);
	crypto_generichash_update(&s, (const uint8_t *)label, strlen(label) + 1);
	crypto_generichash_update(&s, (const uint8_t *)dh, dh_bytes);
	crypto_generichash_update(&s, transcript, HASH);
	crypto_generichash_final(&s, out, n);
	sodium_memzero(&s, sizeof(s));
}

/* Each part has a fixed length or is preceded by it. */
static void
transcript_add(crypto_generichash_state *s, const Mf__Hello *h)
{
	uint8_t numbers[4 * 8];
	size_t name = strlen(h->node);

	frame_put64(numbers, h->version);
	frame_put64(numbers + 8, h->generation);
	frame_put64(numbers + 16, h->epoch);
	frame_put64(numbers + 24, name);
	crypto_generichash_update(s, numbers, sizeof(numbers));
	crypto_generichash_update(s, (const uint8_t *)h->node, name);
	crypto_generichash_update(s, h->static_key.data, SECURE_KEY);
	crypto_generichash_update(s, h->ephemeral_key.data, SECURE_KEY);
	if (h->instance[0] == '\0')
		return;
	frame_put64(numbers, strlen(h->instance));
	crypto_generichash_update(s, numbers, 8);
	crypto_generichash_update(s, (const uint8_t *)h->instance, strlen(h->instance));
}

static void
transcript_one(uint8_t out[HASH], const Mf__Hello *hello, const uint8_t *responder)
{
	crypto_generichash_state s;

	crypto_generichash_init(&s, NULL, 0, HASH);
	transcript_add(&s, hello);
	crypto_generichash_update(&s, responder, SECURE_KEY);
	crypto_generichash_final(&s, out, HASH);
}

static void
transcript_two(uint8_t out[HASH], const uint8_t t1[HASH], const Mf__Hello *welcome)
{
	crypto_generichash_state s;

	crypto_generichash_init(&s, NULL, 0, HASH);
	crypto_generichash_update(&s, t1, HASH);
	transcript_add(&s, welcome);
	crypto_generichash_final(&s, out, HASH);
}

static void
fill(Mf__Hello *h, const struct secure_id *id, uint8_t *e, uint8_t *proof)
{
	h->static_key = (ProtobufCBinaryData){ SECURE_KEY, (uint8_t *)keys_public(id) };
	h->ephemeral_key = (ProtobufCBinaryData){ SECURE_KEY, e };
	h->proof = (ProtobufCBinaryData){ PROOF, proof };
}

static bool
shaped(const Mf__Hello *h)
{
	return h->static_key.len == SECURE_KEY && h->ephemeral_key.len == SECURE_KEY &&
	       h->proof.len == PROOF;
}

static struct secure_link *
link_new(const struct dh *dh, const uint8_t t2[HASH], bool initiator)
{
	struct secure_link *s = secret_new(sizeof(*s));

	derive(initiator ? s->out_key : s->in_key, SECURE_KEY, "metafed frames i to r", dh,
	    sizeof(*dh), t2);
	derive(initiator ? s->in_key : s->out_key, SECURE_KEY, "metafed frames r to i", dh,
	    sizeof(*dh), t2);
	return s;
}

static void
nonce_of(uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t counter)
{
	memset(nonce, 0, 4);
	frame_put64(nonce + 4, counter);
}
