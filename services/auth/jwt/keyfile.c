/* keyfile: see keyfile.h. */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "auth/jwt/keyfile.h"
#include "base/log.h"
#include "base/step.h"
#include "base/time.h"

#define PURPOSE  "signing key"
#define FILE_MAX (2 * JWS_PEM_MAX)
#define MADE     "made_at_us "

static const char *name_of(const char *path);
static bool read_inside(const char *text, size_t n, struct keyfile *out, char *why, size_t size);
static bool same_key(
    const char *path, const struct seal *s, const struct keyfile *k, char *err, size_t err_size);

bool
keyfile_read(
    const char *path, const struct seal *s, struct keyfile *out, char *err, size_t err_size)
{
	char *sealed, *text, why[160] = "";
	size_t n;

	*out = (struct keyfile){ 0 };
	sealed = once_read(path, FILE_MAX, &n, err, err_size);
	if (sealed == NULL)
		return false;
	text = seal_open(s, PURPOSE, name_of(path), sealed, &n);
	sodium_free(sealed);
	if (text == NULL)
		(void)snprintf(err, err_size,
		    "%s: the sealing key doesn't open it: it must be the one that it was made with",
		    path);
	else if (!read_inside(text, n, out, why, sizeof(why)))
		(void)snprintf(err, err_size, "%s: %s", path, why);
	sodium_free(text);
	return out->key != NULL;
}

static bool
read_inside(const char *text, size_t n, struct keyfile *out, char *why, size_t size)
{
	struct str line, pem;

	(void)str_cut((struct str){ text, n }, '\n', &line, &pem);
	if (!str_starts(text, MADE) ||
	    !str_i64((struct str){ line.p + strlen(MADE), line.n - strlen(MADE) }, 0, INT64_MAX / 2,
		&out->made_us)) {
		(void)snprintf(why, size, "is no key file");
		return false;
	}
	out->key = jws_key_from_pem(pem.p, pem.n, why, size);
	return out->key != NULL;
}

enum once
keyfile_write(
    const char *path, const struct seal *s, const struct keyfile *k, char *err, size_t err_size)
{
	struct arena *a = arena_new(8 * JWS_PEM_MAX);
	char *text = sodium_malloc(JWS_PEM_MAX + 64), *sealed;
	enum once made;
	size_t n, at;

	must(text != NULL);
	at = (size_t)snprintf(text, 64, MADE "%lld\n", (long long)k->made_us);
	n = jws_key_pem(k->key, text + at, JWS_PEM_MAX);
	must(n > 0);
	sealed = seal_text(a, s, PURPOSE, name_of(path), text, at + n);
	sodium_free(text);
	made = once_write(path, sealed, strlen(sealed), err, err_size);
	arena_free(&a);
	return made;
}

/* Who takes over and is faster makes the same file: the name, the key and the time are the old
 * file's. */
bool
keyfile_take_over(const char *path, const struct seal *s, struct keyfile *out, bool *sealed,
    char *err, size_t err_size)
{
	char to[PATH_MAX + 4], why[160], *pem;
	struct stat st;
	size_t n;

	*out = (struct keyfile){ 0 };
	*sealed = false;
	pem = once_read(path, JWS_PEM_MAX, &n, err, err_size);
	if (pem == NULL)
		return false;
	if (stat(path, &st) < 0) { /* the other one has removed it */
		if (errno != ENOENT)
			(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		sodium_free(pem);
		return false;
	}
	out->key = jws_key_from_pem(pem, n, why, sizeof(why));
	sodium_free(pem);
	if (out->key == NULL) {
		(void)snprintf(err, err_size, "%s: %s", path, why);
		return false;
	}
	out->made_us = (int64_t)st.st_mtim.tv_sec * SEC;
	if (!jws_key_can_sign(out->key))
		return true;
	(void)snprintf(to, sizeof(to), "%.*s.key", (int)(strlen(path) - strlen(".pem")), path);
	if (keyfile_write(to, s, out, err, err_size) == ONCE_FAILED ||
	    !same_key(to, s, out, err, err_size)) {
		jws_key_free(&out->key);
		return false;
	}
	STEP("jwt.takeover.key_sealed");
	*sealed = true;
	if (unlink(path) < 0 && errno != ENOENT) {
		(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		jws_key_free(&out->key);
		return false;
	}
	STEP("jwt.takeover.plain_removed");
	log_info("signing_key_sealed", L_STR("kid", jws_key_id(out->key)), L_STR("file", to));
	return true;
}

/* Before the only other copy goes: it is there, it opens, and it is that key. */
static bool
same_key(
    const char *path, const struct seal *s, const struct keyfile *k, char *err, size_t err_size)
{
	struct keyfile there;
	bool same;

	if (!keyfile_read(path, s, &there, err, err_size))
		return false;
	same = strcmp(jws_key_id(there.key), jws_key_id(k->key)) == 0;
	jws_key_free(&there.key);
	if (!same)
		(void)snprintf(err, err_size,
		    "%s: is another key than the .pem file of that name: move one of them away",
		    path);
	return same;
}

static const char *
name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}
