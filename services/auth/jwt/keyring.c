/* keyring: see keyring.h. A key goes in only after libjwt, an implementation that shares nothing
 * with jws.c, has verified a token that was signed with it here: a key or a build that is broken
 * never signs for anybody. */
#include <dirent.h>
#include <errno.h>
#include <jwt.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "auth/jwt/keyring.h"
#include "auth/jwt/once.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

struct keyring {
	char dir[PATH_MAX];
	struct timespec dir_mtime;
	size_t n;
	struct jws_key *keys[KEYRING_MOST];
	const struct jws_key *signer;
	uint8_t *secret;
};

static bool make_key(const char *dir, enum jws_alg alg, char *err, size_t err_size);
static bool load_secret(struct keyring *r, char *err, size_t err_size);
static bool load_keys(struct keyring *r, enum jws_alg alg, char *err, size_t err_size);
static bool load_key(struct keyring *r, const char *name, char *err, size_t err_size);
static bool libjwt_agrees(const struct jws_key *k);
static bool has_pem_of(const char *dir, enum jws_alg alg);
static int is_pem(const struct dirent *e);
static bool dir_mtime(const char *dir, struct timespec *out);

struct keyring *
keyring_open(const char *dir, enum jws_alg alg, char *err, size_t err_size)
{
	struct keyring *r;

	err[0] = '\0';
	if (!once_dir(dir, err, err_size) || !make_key(dir, alg, err, err_size))
		return NULL;
	r = mem_zalloc(sizeof(*r));
	(void)snprintf(r->dir, sizeof(r->dir), "%s", dir);
	/* The time is from before the reading: what comes in between is seen as a change later. */
	if (!load_secret(r, err, err_size) || !dir_mtime(dir, &r->dir_mtime) ||
	    !load_keys(r, alg, err, err_size))
		keyring_close(&r);
	return r;
}

void
keyring_close(struct keyring **rp)
{
	struct keyring *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		jws_key_free(&r->keys[i]);
	sodium_free(r->secret);
	free(r);
}

const struct jws_key *
keyring_find(const struct keyring *r, const char *key_id)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(jws_key_id(r->keys[i]), key_id) == 0)
			return r->keys[i];
	return NULL;
}

const struct jws_key *
keyring_signer(const struct keyring *r)
{
	return r->signer;
}

const uint8_t *
keyring_secret(const struct keyring *r)
{
	return r->secret;
}

size_t
keyring_size(const struct keyring *r)
{
	return r->n;
}

char *
keyring_jwks(const struct keyring *r, struct arena *a, size_t *n)
{
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	jw_array(&w, "keys");
	for (size_t i = 0; i < r->n; i++)
		jws_key_jwk(r->keys[i], &w);
	jw_close(&w, ']');
	jw_close(&w, '}');
	return jw_text(&w, n);
}

bool
keyring_changed(const struct keyring *r)
{
	struct timespec t;

	return dir_mtime(r->dir, &t) &&
	       (t.tv_sec != r->dir_mtime.tv_sec || t.tv_nsec != r->dir_mtime.tv_nsec);
}

/* The first key of an algorithm has a fixed name, so that of two makers one wins. */
static bool
make_key(const char *dir, enum jws_alg alg, char *err, size_t err_size)
{
	char path[PATH_MAX], pem[JWS_PEM_MAX];
	struct jws_key *k;
	enum once made;
	size_t n;

	if (has_pem_of(dir, alg))
		return true;
	k = jws_key_generate(alg);
	n = jws_key_pem(k, pem, sizeof(pem));
	must(n > 0);
	(void)snprintf(
	    path, sizeof(path), "%s/%s-1.pem", dir, alg == JWS_ES256 ? "es256" : "eddsa");
	made = once_write(path, pem, n, err, err_size);
	sodium_memzero(pem, sizeof(pem));
	if (made == ONCE_MADE)
		log_info("signing_key_made", L_STR("kid", jws_key_id(k)),
		    L_STR("alg", jws_alg_name(alg)));
	jws_key_free(&k);
	return made != ONCE_FAILED;
}

static bool
load_secret(struct keyring *r, char *err, size_t err_size)
{
	char path[PATH_MAX + 20], hex[2 * KEYRING_SECRET + 1], *text;
	uint8_t fresh[KEYRING_SECRET];
	enum once made;
	size_t n;
	bool ok;

	must((r->secret = sodium_malloc(KEYRING_SECRET)) != NULL);
	(void)snprintf(path, sizeof(path), "%s/refresh.secret", r->dir);
	text = once_read(path, 2 * KEYRING_SECRET, &n, err, err_size);
	if (text == NULL && err[0] == '\0') {
		id_random(fresh, sizeof(fresh));
		(void)str_hex(fresh, sizeof(fresh), hex);
		made = once_write(path, hex, sizeof(hex) - 1, err, err_size);
		sodium_memzero(fresh, sizeof(fresh));
		sodium_memzero(hex, sizeof(hex));
		if (made != ONCE_FAILED)
			text = once_read(path, 2 * KEYRING_SECRET, &n, err, err_size);
	}
	if (text == NULL)
		return false;
	ok = str_unhex((struct str){ text, n }, r->secret, KEYRING_SECRET);
	sodium_free(text);
	if (!ok)
		(void)snprintf(
		    err, err_size, "%s: must be %d hex digits", path, 2 * KEYRING_SECRET);
	return ok;
}

static bool
load_keys(struct keyring *r, enum jws_alg alg, char *err, size_t err_size)
{
	struct dirent **names;
	int n = scandir(r->dir, &names, is_pem, versionsort);
	bool ok = n >= 0;

	if (!ok)
		(void)snprintf(err, err_size, "%s: %s", r->dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		ok = ok && load_key(r, names[i]->d_name, err, err_size);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	for (size_t i = 0; ok && i < r->n; i++)
		if (jws_key_alg(r->keys[i]) == alg && jws_key_can_sign(r->keys[i]))
			r->signer = r->keys[i];
	if (ok && r->signer == NULL) {
		(void)snprintf(
		    err, err_size, "%s: holds no key that signs %s", r->dir, jws_alg_name(alg));
		return false;
	}
	return ok;
}

static bool
load_key(struct keyring *r, const char *name, char *err, size_t err_size)
{
	char path[PATH_MAX + NAME_MAX + 2], why[160], *pem;
	struct jws_key *k;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	if (r->n == KEYRING_MOST) {
		(void)snprintf(err, err_size, "%s: more than %d keys", r->dir, KEYRING_MOST);
		return false;
	}
	pem = once_read(path, JWS_PEM_MAX, &n, err, err_size);
	if (pem == NULL)
		return err[0] == '\0'; /* taken away meanwhile */
	k = jws_key_from_pem(pem, n, why, sizeof(why));
	sodium_free(pem);
	if (k != NULL && !libjwt_agrees(k)) {
		(void)snprintf(why, sizeof(why), "libjwt does not verify what it signs");
		jws_key_free(&k);
	}
	if (k == NULL) {
		(void)snprintf(err, err_size, "%s: %s", path, why);
		return false;
	}
	if (keyring_find(r, jws_key_id(k)) != NULL)
		jws_key_free(&k); /* the same key under a second name */
	else
		r->keys[r->n++] = k;
	return true;
}

/* libjwt 1.10 knows no EdDSA (there the tests' vectors have to do) and takes no type but JWT. */
static bool
libjwt_agrees(const struct jws_key *k)
{
	static const char payload[] = "{\"sub\":\"self-test\"}";
	char pem[JWS_PEM_MAX], *token;
	struct arena *a;
	jwt_t *seen = NULL;
	size_t n;
	bool ok;

	if (jws_key_alg(k) != JWS_ES256 || !jws_key_can_sign(k))
		return true;
	a = arena_new(65536);
	token = jws_sign(a, k, "JWT", payload, sizeof(payload) - 1);
	n = jws_key_public_pem(k, pem, sizeof(pem) - 1);
	pem[n] = '\0';
	ok = token != NULL && n > 0 &&
	     jwt_decode(&seen, token, (unsigned char *)pem, (int)n) == 0 &&
	     jwt_get_alg(seen) == JWT_ALG_ES256;
	jwt_free(seen);
	arena_free(&a);
	return ok;
}

static bool
has_pem_of(const char *dir, enum jws_alg alg)
{
	const char *prefix = alg == JWS_ES256 ? "es256-" : "eddsa-";
	struct dirent **names;
	int n = scandir(dir, &names, is_pem, NULL);
	bool found = false;

	for (int i = 0; i < n; i++) {
		found = found || str_starts(names[i]->d_name, prefix);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return found;
}

static int
is_pem(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".pem") == 0;
}

static bool
dir_mtime(const char *dir, struct timespec *out)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return false;
	*out = st.st_mtim;
	return true;
}
