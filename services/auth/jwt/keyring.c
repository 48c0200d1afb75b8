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
#include <unistd.h>
#include "auth/jwt/keyfile.h"
#include "auth/jwt/keyring.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/step.h"
#include "base/time.h"

#define PATH_SIZE       (PATH_MAX + NAME_MAX + 2)
#define SECRET_NAME     "refresh.secret"
#define SECRET_PURPOSE  "refresh secret"
#define SECRET_FILE_MAX 1024
/* So short a time after a change another one may have the same time: then none is known, and the next
 * look at the directory reads it anew. */
#define COARSE_US    (100 * MS)
#define UNKNOWN_NSEC (-1)

struct keyring {
	struct keyring_opts opts;
	char dir[PATH_MAX];
	struct timespec dir_mtime;
	size_t n; /* in the order in which they were made */
	struct jws_key *keys[KEYRING_MOST];
	struct rotation_key at[KEYRING_MOST];
	char names[KEYRING_MOST][NAME_MAX + 1]; /* of their files */
	uint8_t *secret;
};

typedef enum once once_fn(const char *path, const void *p, size_t n, char *err, size_t err_size);
typedef bool each_fn(struct keyring *r, const char *path, char *err, size_t err_size);

static bool
each_file(struct keyring *r, const char *suffix, each_fn *each, char *err, size_t err_size);
static each_fn load_plain, load_sealed;
static bool
take(struct keyring *r, struct keyfile *k, const char *path, char *err, size_t err_size);
static bool make_first(struct keyring *r, char *err, size_t err_size);
static unsigned number_of(const char *name, enum jws_alg alg);
static void drop_retired(struct keyring *r);
static void drop(struct keyring *r, size_t i);
static bool load_secret(struct keyring *r, char *err, size_t err_size);
static enum once
write_secret(struct keyring *r, const char *path, once_fn *write, char *err, size_t err_size);
static bool
open_secret(struct keyring *r, const char *path, char *text, char *err, size_t err_size);
static void judge(struct keyring *r);
static bool libjwt_agrees(const struct jws_key *k);
static bool dir_mtime(const char *dir, struct timespec *out);

static const char *const prefixes[] = {
	[JWS_ALG_NONE] = "",
	[JWS_ES256] = "es256-",
	[JWS_EDDSA] = "eddsa-",
	[JWS_RS256] = "rs256-",
};

struct keyring *
keyring_open(const struct keyring_opts *o, char *err, size_t err_size)
{
	struct keyring *r;

	err[0] = '\0';
	if (!once_dir(o->dir, err, err_size))
		return NULL;
	once_clean(o->dir);
	r = mem_zalloc(sizeof(*r));
	r->opts = *o;
	(void)snprintf(r->dir, sizeof(r->dir), "%s", o->dir);
	/* The time is from before the reading: what comes in between is seen as a change later. */
	if (!dir_mtime(o->dir, &r->dir_mtime))
		r->dir_mtime.tv_nsec = UNKNOWN_NSEC;
	if (!load_secret(r, err, err_size) || !each_file(r, ".pem", load_plain, err, err_size) ||
	    !each_file(r, ".key", load_sealed, err, err_size) || !make_first(r, err, err_size)) {
		keyring_close(&r);
		return NULL;
	}
	drop_retired(r);
	if (time_wall_us() - ((int64_t)r->dir_mtime.tv_sec * SEC + r->dir_mtime.tv_nsec / 1000) <
	    COARSE_US)
		r->dir_mtime.tv_nsec = UNKNOWN_NSEC;
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
keyring_signer(struct keyring *r)
{
	const struct jws_key *signer = NULL;

	judge(r);
	for (size_t i = 0; i < r->n; i++)
		if (r->at[i].state == KEY_SIGNING)
			signer = r->keys[i];
	return signer;
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

/* --- the schedule --- */

static void
judge(struct keyring *r)
{
	rotation_judge(&r->opts.rotation, r->at, r->n, r->opts.alg, time_wall_us());
}

int64_t
keyring_due(struct keyring *r)
{
	judge(r);
	return rotation_due(&r->opts.rotation, r->at, r->n, r->opts.alg, time_wall_us());
}

bool
keyring_makes(struct keyring *r)
{
	judge(r);
	return rotation_makes(&r->opts.rotation, r->at, r->n, r->opts.alg, time_wall_us());
}

bool
keyring_has_next(struct keyring *r)
{
	int64_t now = time_wall_us();
	bool next = false;

	judge(r);
	for (size_t i = 0; i < r->n; i++)
		next = next || (r->at[i].state == KEY_NEXT && r->at[i].made_us <= now);
	return next;
}

bool
keyring_fact(struct keyring *r, size_t i, struct keyring_fact *out)
{
	if (i >= r->n)
		return false;
	judge(r);
	*out = (struct keyring_fact){ r->keys[r->n - 1 - i], r->at[r->n - 1 - i] };
	return true;
}

bool
keyring_newest(struct keyring *r, struct keyring_fact *out)
{
	int64_t now = time_wall_us();

	for (size_t i = 0; keyring_fact(r, i, out); i++)
		if (out->at.made_us <= now)
			return true;
	return false;
}

/* One above the highest that we know of: of two that know the same files both want that name, and
 * who has not seen the other's key yet finds its name taken. */
enum once
keyring_add(struct keyring *r, const struct jws_key *k, char *err, size_t err_size)
{
	const struct keyfile file = { (struct jws_key *)(uintptr_t)k, time_wall_us() };
	char path[PATH_SIZE];
	unsigned highest = 0, number;
	enum once made;

	if (r->n >= KEYRING_MOST) {
		(void)snprintf(err, err_size, "%s: has no room for another key", r->dir);
		return ONCE_FAILED;
	}
	for (size_t i = 0; i < r->n; i++)
		if ((number = number_of(r->names[i], jws_key_alg(k))) > highest)
			highest = number;
	(void)snprintf(
	    path, sizeof(path), "%s/%s%u.key", r->dir, prefixes[jws_key_alg(k)], highest + 1);
	made = keyfile_write(path, r->opts.seal, &file, err, err_size);
	if (made == ONCE_MADE)
		log_info("signing_key_made", L_STR("kid", jws_key_id(k)),
		    L_STR("alg", jws_alg_name(jws_key_alg(k))), L_STR("file", path));
	return made;
}

/* "es256-12.key" of ES256: 12; anything else 0 */
static unsigned
number_of(const char *name, enum jws_alg alg)
{
	const char *prefix = prefixes[alg];
	struct str digits, suffix;
	uint64_t number;

	if (!str_starts(name, prefix))
		return 0;
	(void)str_cut(str_of(name + strlen(prefix)), '.', &digits, &suffix);
	if (!str_eq(suffix, "key") || !str_u64(digits, 1000000000, &number))
		return 0;
	return (unsigned)number;
}

/* The first key of an algorithm has a fixed name, so that of two makers one wins. */
static bool
make_first(struct keyring *r, char *err, size_t err_size)
{
	struct keyfile file;
	char path[PATH_SIZE];
	enum once made;

	if (keyring_signer(r) != NULL)
		return true;
	file = (struct keyfile){ jws_key_generate(r->opts.alg), time_wall_us() };
	(void)snprintf(path, sizeof(path), "%s/%s1.key", r->dir, prefixes[r->opts.alg]);
	made = keyfile_write(path, r->opts.seal, &file, err, err_size);
	if (made == ONCE_MADE)
		log_info("signing_key_made", L_STR("kid", jws_key_id(file.key)),
		    L_STR("alg", jws_alg_name(r->opts.alg)), L_STR("file", path));
	jws_key_free(&file.key);
	if (made == ONCE_FAILED || !load_sealed(r, path, err, err_size))
		return false;
	if (keyring_signer(r) != NULL)
		return true;
	(void)snprintf(
	    err, err_size, "%s: holds no key that signs %s", path, jws_alg_name(r->opts.alg));
	return false;
}

/* Nothing that it signed counts any more. Whoever else looks after the directory does the same. */
static void
drop_retired(struct keyring *r)
{
	int64_t now = time_wall_us();

	judge(r);
	for (size_t i = 0; i < r->n;) {
		if (rotation_drops(&r->at[i], now))
			drop(r, i);
		else
			i++;
	}
}

/* Files that are no .key of ours (a public key that somebody put there) never retire. */
static void
drop(struct keyring *r, size_t i)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", r->dir, r->names[i]);
	if (unlink(path) == 0) {
		STEP("jwt.rotate.key_removed");
		log_info("signing_key_retired", L_STR("kid", jws_key_id(r->keys[i])));
	}
	jws_key_free(&r->keys[i]);
	r->n--;
	memmove(&r->keys[i], &r->keys[i + 1], (r->n - i) * sizeof(r->keys[0]));
	memmove(&r->at[i], &r->at[i + 1], (r->n - i) * sizeof(r->at[0]));
	memmove(&r->names[i], &r->names[i + 1], (r->n - i) * sizeof(r->names[0]));
}

/* --- reading --- */

static bool
each_file(struct keyring *r, const char *suffix, each_fn *each, char *err, size_t err_size)
{
	struct dirent **names;
	int n = scandir(r->dir, &names, NULL, versionsort);
	bool ok = n >= 0;

	if (!ok)
		(void)snprintf(err, err_size, "%s: %s", r->dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name, *end = strrchr(name, '.');
		char path[PATH_SIZE];

		(void)snprintf(path, sizeof(path), "%s/%s", r->dir, name);
		if (ok && name[0] != '.' && end != NULL && strcmp(end, suffix) == 0)
			ok = each(r, path, err, err_size);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return ok;
}

static bool
load_plain(struct keyring *r, const char *path, char *err, size_t err_size)
{
	struct keyfile k;
	bool sealed;

	if (!keyfile_take_over(path, r->opts.seal, &k, &sealed, err, err_size))
		return err[0] == '\0'; /* taken over, or away, meanwhile */
	if (!sealed)
		return take(r, &k, path, err, err_size);
	jws_key_free(&k.key); /* it comes with the sealed ones */
	return true;
}

static bool
load_sealed(struct keyring *r, const char *path, char *err, size_t err_size)
{
	struct keyfile k;

	if (!keyfile_read(path, r->opts.seal, &k, err, err_size))
		return err[0] == '\0'; /* gone meanwhile */
	return take(r, &k, path, err, err_size);
}

static bool
take(struct keyring *r, struct keyfile *k, const char *path, char *err, size_t err_size)
{
	const char *why = r->n == KEYRING_MOST     ? "is one key too many"
	                  : !libjwt_agrees(k->key) ? "libjwt does not verify what it signs"
	                                           : NULL;
	size_t i = r->n;

	if (why != NULL || keyring_find(r, jws_key_id(k->key)) != NULL) {
		jws_key_free(&k->key); /* or the same under a second name */
		if (why != NULL)
			(void)snprintf(err, err_size, "%s: %s", path, why);
		return why == NULL;
	}
	for (; i > 0 && r->at[i - 1].made_us > k->made_us; i--) {
		r->keys[i] = r->keys[i - 1];
		r->at[i] = r->at[i - 1];
		memcpy(r->names[i], r->names[i - 1], sizeof(r->names[i]));
	}
	r->n++;
	r->keys[i] = k->key;
	r->at[i] = (struct rotation_key){ .alg = jws_key_alg(k->key),
		.can_sign = jws_key_can_sign(k->key),
		.made_us = k->made_us };
	(void)snprintf(r->names[i], sizeof(r->names[i]), "%s", strrchr(path, '/') + 1);
	return true;
}

/* One of an older version lies there in hex: the same secret takes its place, sealed, in one step. */
static bool
load_secret(struct keyring *r, char *err, size_t err_size)
{
	char path[PATH_SIZE], *text;
	enum once made = ONCE_THERE;
	size_t n;

	must((r->secret = sodium_malloc(KEYRING_SECRET)) != NULL);
	(void)snprintf(path, sizeof(path), "%s/refresh.secret", r->dir);
	text = once_read(path, SECRET_FILE_MAX, &n, err, err_size);
	if (text == NULL && err[0] == '\0') {
		id_random(r->secret, KEYRING_SECRET);
		made = write_secret(r, path, once_write, err, err_size);
		if (made == ONCE_THERE) /* the other one's counts */
			text = once_read(path, SECRET_FILE_MAX, &n, err, err_size);
	}
	if (made == ONCE_MADE)
		return true;
	if (text == NULL)
		return false;
	if (str_unhex((struct str){ text, n }, r->secret, KEYRING_SECRET)) {
		sodium_free(text);
		return write_secret(r, path, once_replace, err, err_size) == ONCE_MADE;
	}
	return open_secret(r, path, text, err, err_size);
}

static enum once
write_secret(struct keyring *r, const char *path, once_fn *write, char *err, size_t err_size)
{
	struct arena *a = arena_new(4096);
	char *sealed =
	    seal_text(a, r->opts.seal, SECRET_PURPOSE, SECRET_NAME, r->secret, KEYRING_SECRET);
	enum once made = write(path, sealed, strlen(sealed), err, err_size);

	arena_free(&a);
	return made;
}

/* Takes text. */
static bool
open_secret(struct keyring *r, const char *path, char *text, char *err, size_t err_size)
{
	size_t n;
	char *secret = seal_open(r->opts.seal, SECRET_PURPOSE, SECRET_NAME, text, &n);
	bool ok = secret != NULL && n == KEYRING_SECRET;

	if (ok)
		memcpy(r->secret, secret, KEYRING_SECRET);
	else
		(void)snprintf(err, err_size,
		    "%s: the sealing key doesn't open it: it must be the one that it was made with",
		    path);
	sodium_free(secret);
	sodium_free(text);
	return ok;
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

	if (jws_key_alg(k) == JWS_EDDSA || !jws_key_can_sign(k))
		return true;
	a = arena_new(65536);
	token = jws_sign(a, k, "JWT", payload, sizeof(payload) - 1);
	n = jws_key_public_pem(k, pem, sizeof(pem) - 1);
	pem[n] = '\0';
	ok = token != NULL && n > 0 &&
	     jwt_decode(&seen, token, (unsigned char *)pem, (int)n) == 0 &&
	     jwt_get_alg(seen) == (jws_key_alg(k) == JWS_RS256 ? JWT_ALG_RS256 : JWT_ALG_ES256);
	jwt_free(seen);
	arena_free(&a);
	return ok;
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
