/* keys: key files and the trust file. A secret key file that others can read is refused. Called by
 * wire.c at start and by the command `metafed keys init`. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "bus/keys.h"

#define KEYS_FILE_MAX (256u << 10)
#define KEYS_NAME     64
#define KEYS_PATH     512

struct trusted {
	char name[KEYS_NAME];
	uint8_t key[SECURE_KEY];
};

struct secure_id {
	char name[KEYS_NAME];
	uint8_t public[SECURE_KEY];
	uint8_t *secret; /* sodium_malloc */
	struct trusted *trusted;
	size_t n_trusted;
};

typedef bool line_fn(struct secure_id *id, struct str key, struct str value);

static bool read_lines(
    const char *path, bool secret, struct secure_id *id, line_fn *fn, char *err, size_t err_size);
static bool each_line(const char *path, struct str text, struct secure_id *id, line_fn *fn,
    char *err, size_t err_size);
static char *slurp(const char *path, bool secret, size_t *n, char *err, size_t err_size);
static bool key_line(struct secure_id *id, struct str key, struct str value);
static bool trust_line(struct secure_id *id, struct str name, struct str value);
static bool trust_add(struct secure_id *id, struct str name, const uint8_t key[SECURE_KEY]);
static bool key_text(struct str s, uint8_t out[SECURE_KEY]);
static bool name_fits(struct str s);
static struct secure_id *id_new(void);
static bool pair_ok(const struct secure_id *id);
static bool make_one(const char *dir, const char *name, struct secure_id *trust, size_t *made,
    char *err, size_t err_size);
static bool write_key(
    const char *path, const char *name, uint8_t public[SECURE_KEY], char *err, size_t err_size);
static bool write_trust(const char *path, const struct secure_id *id, char *err, size_t err_size);
static bool
write_new(const char *path, mode_t mode, const char *text, size_t n, char *err, size_t err_size);

struct secure_id *
secure_load(const char *key_file, const char *trust_file, char *err, size_t err_size)
{
	struct secure_id *id = id_new();
	const uint8_t *own;

	if (!read_lines(key_file, true, id, key_line, err, err_size) ||
	    !read_lines(trust_file, false, id, trust_line, err, err_size)) {
		secure_unload(&id);
		return NULL;
	}
	own = keys_find(id, id->name);
	if (id->name[0] == '\0' || !pair_ok(id))
		snprintf(err, err_size, "%s: needs name, public and secret of one key", key_file);
	else if (own != NULL && memcmp(own, id->public, SECURE_KEY) != 0)
		snprintf(err, err_size, "%s: %s has another key there than in %s", trust_file,
		    id->name, key_file);
	else
		return id;
	secure_unload(&id);
	return NULL;
}

void
secure_unload(struct secure_id **id)
{
	if (*id == NULL)
		return;
	sodium_free((*id)->secret);
	free((*id)->trusted);
	free(*id);
	*id = NULL;
}

const char *
secure_name(const struct secure_id *id)
{
	return id->name;
}

bool
keys_generate(
    const char *dir, const char *const *names, size_t n, size_t *made, char *err, size_t err_size)
{
	struct secure_id *trust = id_new();
	char path[KEYS_PATH];
	bool good = true;

	*made = 0;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		snprintf(err, err_size, "%s: %s", dir, strerror(errno));
		good = false;
	}
	snprintf(path, sizeof(path), "%s/trust", dir);
	if (good && access(path, F_OK) == 0)
		good = read_lines(path, false, trust, trust_line, err, err_size);
	for (size_t i = 0; good && i < n; i++)
		good = make_one(dir, names[i], trust, made, err, err_size);
	if (good)
		good = write_trust(path, trust, err, err_size);
	secure_unload(&trust);
	return good;
}

const uint8_t *
keys_find(const struct secure_id *id, const char *name)
{
	for (size_t i = 0; i < id->n_trusted; i++)
		if (strcmp(id->trusted[i].name, name) == 0)
			return id->trusted[i].key;
	return NULL;
}

const uint8_t *
keys_public(const struct secure_id *id)
{
	return id->public;
}

const uint8_t *
keys_secret(const struct secure_id *id)
{
	return id->secret;
}

static bool
read_lines(
    const char *path, bool secret, struct secure_id *id, line_fn *fn, char *err, size_t err_size)
{
	size_t n;
	char *text = slurp(path, secret, &n, err, err_size);
	bool good;

	if (text == NULL)
		return false;
	good = each_line(path, (struct str){ text, n }, id, fn, err, err_size);
	sodium_free(text);
	return good;
}

static bool
each_line(const char *path, struct str text, struct secure_id *id, line_fn *fn, char *err,
    size_t err_size)
{
	struct str line, key, value;

	for (unsigned number = 1; text.n > 0; number++) {
		(void)str_cut(text, '\n', &line, &text);
		line = str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (str_cut(line, ' ', &key, &value) && fn(id, key, str_trim(value)))
			continue;
		snprintf(err, err_size, "%s:%u: is not a line of such a file, or there twice", path,
		    number);
		return false;
	}
	return true;
}

/* Into sodium_malloc memory: it may hold a secret. */
static char *
slurp(const char *path, bool secret, size_t *n, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *why = NULL;
	char *text = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) != 0) {
		why = strerror(errno);
	} else if (!S_ISREG(st.st_mode) || st.st_size > KEYS_FILE_MAX) {
		why = "is not a key file";
	} else if (secret && (st.st_mode & 077) != 0) {
		why = "others may read it: chmod 600";
	} else {
		text = sodium_malloc((size_t)st.st_size + 1);
		must(text != NULL);
		got = read(fd, text, (size_t)st.st_size);
		*n = got < 0 ? 0 : (size_t)got;
		if (got < 0)
			why = strerror(errno);
	}
	if (why != NULL) {
		snprintf(err, err_size, "%s: %s", path, why);
		sodium_free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static bool
key_line(struct secure_id *id, struct str key, struct str value)
{
	if (str_eq(key, "name") && id->name[0] == '\0' && name_fits(value)) {
		memcpy(id->name, value.p, value.n);
		return true;
	}
	if (str_eq(key, "public") && sodium_is_zero(id->public, SECURE_KEY))
		return key_text(value, id->public);
	if (str_eq(key, "secret") && sodium_is_zero(id->secret, SECURE_KEY))
		return key_text(value, id->secret);
	return false;
}

static bool
trust_line(struct secure_id *id, struct str name, struct str value)
{
	uint8_t key[SECURE_KEY];

	return key_text(value, key) && trust_add(id, name, key);
}

/* A name twice, or a key under two names, would make "who is this?" ambiguous. */
static bool
trust_add(struct secure_id *id, struct str name, const uint8_t key[SECURE_KEY])
{
	struct trusted *t;

	if (!name_fits(name))
		return false;
	for (size_t i = 0; i < id->n_trusted; i++)
		if (str_eq(name, id->trusted[i].name) ||
		    memcmp(id->trusted[i].key, key, SECURE_KEY) == 0)
			return false;
	id->trusted = realloc(id->trusted, (id->n_trusted + 1) * sizeof(*t));
	must(id->trusted != NULL);
	t = &id->trusted[id->n_trusted++];
	memset(t, 0, sizeof(*t));
	memcpy(t->name, name.p, name.n);
	memcpy(t->key, key, SECURE_KEY);
	return true;
}

static bool
key_text(struct str s, uint8_t out[SECURE_KEY])
{
	size_t n;

	return str_unb64url(s, out, SECURE_KEY, &n) && n == SECURE_KEY;
}

static bool
name_fits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s.p[i]) == NULL ||
		    s.p[i] == '\0')
			return false;
	return s.n > 0 && s.n < KEYS_NAME;
}

static struct secure_id *
id_new(void)
{
	struct secure_id *id = calloc(1, sizeof(*id));

	must(id != NULL && sodium_init() >= 0);
	id->secret = sodium_malloc(SECURE_KEY);
	must(id->secret != NULL);
	memset(id->secret, 0, SECURE_KEY);
	return id;
}

static bool
pair_ok(const struct secure_id *id)
{
	uint8_t public[SECURE_KEY];

	return !sodium_is_zero(id->secret, SECURE_KEY) &&
	       crypto_scalarmult_base(public, id->secret) == 0 &&
	       memcmp(public, id->public, SECURE_KEY) == 0;
}

/* A key that is there is kept; it only enters the trust list again if it is missing there. */
static bool
make_one(const char *dir, const char *name, struct secure_id *trust, size_t *made, char *err,
    size_t err_size)
{
	struct secure_id *own = id_new();
	char path[KEYS_PATH];
	bool good = name_fits(str_of(name));

	if (!good)
		snprintf(err, err_size, "%s: a name is 1 to 63 of a-z, 0-9 and '-'", name);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	if (good && access(path, F_OK) == 0) {
		good = read_lines(path, true, own, key_line, err, err_size);
	} else if (good) {
		good = write_key(path, name, own->public, err, err_size);
		*made += good;
	}
	if (good && keys_find(trust, name) == NULL)
		good = trust_add(trust, str_of(name), own->public);
	else if (good && memcmp(keys_find(trust, name), own->public, SECURE_KEY) != 0) {
		snprintf(err, err_size, "%s: the trust file has another key for %s", path, name);
		good = false;
	}
	secure_unload(&own);
	return good;
}

static bool
write_key(
    const char *path, const char *name, uint8_t public[SECURE_KEY], char *err, size_t err_size)
{
	struct {
		uint8_t secret[SECURE_KEY];
		char text[512];
	} *s = sodium_malloc(sizeof(*s));
	char public_text[64], secret_text[64];
	bool good;
	int n;

	must(s != NULL);
	randombytes_buf(s->secret, SECURE_KEY);
	must(crypto_scalarmult_base(public, s->secret) == 0);
	str_b64url(public, SECURE_KEY, public_text);
	str_b64url(s->secret, SECURE_KEY, secret_text);
	n = snprintf(s->text, sizeof(s->text),
	    "# metafed: the key of one node. Keep it secret.\nname %s\npublic %s\nsecret %s\n",
	    name, public_text, secret_text);
	good = write_new(path, 0600, s->text, (size_t)n, err, err_size);
	sodium_memzero(secret_text, sizeof(secret_text));
	sodium_free(s);
	return good;
}

static bool
write_trust(const char *path, const struct secure_id *id, char *err, size_t err_size)
{
	struct buf b = { 0 };
	char temp[KEYS_PATH + 8], text[64];
	bool good;

	buf_puts(&b, "# metafed: public keys of all who may speak on the bus\n");
	for (size_t i = 0; i < id->n_trusted; i++) {
		str_b64url(id->trusted[i].key, SECURE_KEY, text);
		buf_printf(&b, "%s %s\n", id->trusted[i].name, text);
	}
	snprintf(temp, sizeof(temp), "%s.new", path);
	(void)unlink(temp);
	good = write_new(temp, 0644, b.p, b.n, err, err_size);
	if (good && rename(temp, path) != 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		good = false;
	}
	buf_free(&b);
	return good;
}

static bool
write_new(const char *path, mode_t mode, const char *text, size_t n, char *err, size_t err_size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	bool good = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;

	if (!good)
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}
