/* archive: see archive.h. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "cli/archive.h"

#define MAGIC     "MFBACKUP"
#define ENCRYPTED 1u
#define NAME_MAX_ 255u
#define END_MAX   160
#define FRAME_MAX (ARCHIVE_DATA_MAX + NAME_MAX_ + 2)
#define TAG_MORE  crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
#define TAG_LAST  crypto_secretstream_xchacha20poly1305_TAG_FINAL
#define MORE      crypto_secretstream_xchacha20poly1305_ABYTES

struct archive {
	FILE *f;
	char *path, *partial; /* writing */
	bool encrypted, ended;
	crypto_secretstream_xchacha20poly1305_state cipher;
	crypto_generichash_state sum;
	uint64_t frames;
	uint8_t *plain, *block;
	char why[200];
};

static struct archive *archive_new(FILE *f);
static bool is_ours(int fd, const char *path);
static bool put_block(struct archive *a, size_t n, unsigned char tag);
static bool read_head(struct archive *a, const uint8_t *key);
static bool read_block(struct archive *a, size_t *n, unsigned char *tag);
static bool read_frame(struct archive *a, size_t n, struct frame *out);
static bool check_end(struct archive *a, unsigned char tag, const struct frame *end);
static void end_text(struct archive *a, char text[END_MAX]);
static bool fail(struct archive *a, const char *what);
static void put32(uint8_t *p, uint32_t v);
static uint32_t get32(const uint8_t *p);

bool
archive_key(const char *path, uint8_t key[ARCHIVE_KEY], char *why, size_t why_size)
{
	uint8_t text[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		snprintf(why, why_size, "%s: %s", path, strerror(errno));
		return false;
	}
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (n < ARCHIVE_KEY) {
		snprintf(why, why_size, "%s: a key has at least 32 bytes", path);
		return false;
	}
	crypto_generichash(key, ARCHIVE_KEY, text, n, NULL, 0);
	sodium_memzero(text, sizeof(text));
	return true;
}

/* --- writing --- */

struct archive *
archive_create(const char *path, const uint8_t *key, char *why, size_t why_size)
{
	uint8_t head[16 + crypto_secretstream_xchacha20poly1305_HEADERBYTES] = MAGIC;
	struct archive *a;
	char *partial;
	size_t n = 16;
	int fd;

	if (asprintf(&partial, "%s.partial", path) < 0)
		abort();
	fd = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !is_ours(fd, partial) || fchmod(fd, 0600) != 0 || ftruncate(fd, 0) != 0) {
		snprintf(why, why_size, "%s: %s", partial,
		    errno == EWOULDBLOCK ? "another backup is writing it" : strerror(errno));
		if (fd >= 0)
			close(fd);
		free(partial);
		return NULL;
	}
	a = archive_new(fdopen(fd, "w"));
	a->partial = partial;
	a->path = strdup(path);
	a->encrypted = key != NULL;
	put32(head + 8, ARCHIVE_VERSION);
	put32(head + 12, key != NULL ? ENCRYPTED : 0);
	if (key != NULL) {
		crypto_secretstream_xchacha20poly1305_init_push(&a->cipher, head + 16, key);
		n = sizeof(head);
	}
	crypto_generichash_update(&a->sum, head, n);
	if (fwrite(head, 1, n, a->f) != n)
		(void)fail(a, strerror(errno)); /* the next block says so too */
	return a;
}

/* Two that write one file would make a third of it. False: errno says why. */
static bool
is_ours(int fd, const char *path)
{
	struct stat mine, there;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &mine) != 0)
		return false;
	if (stat(path, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino)
		return true;
	errno = EWOULDBLOCK; /* it was, until just now */
	return false;
}

bool
archive_put(struct archive *a, char type, const char *name, const void *data, size_t n)
{
	size_t name_n = strlen(name);

	must(n <= ARCHIVE_DATA_MAX && name_n <= NAME_MAX_ && !a->ended);
	a->plain[0] = (uint8_t)type;
	a->plain[1] = (uint8_t)name_n;
	memcpy(a->plain + 2, name, name_n);
	if (n > 0)
		memcpy(a->plain + 2 + name_n, data, n);
	return put_block(a, 2 + name_n + n, type == 'E' ? TAG_LAST : TAG_MORE);
}

static bool
put_block(struct archive *a, size_t n, unsigned char tag)
{
	uint8_t length[4];
	const uint8_t *out = a->plain;

	put32(length, (uint32_t)(n + (a->encrypted ? MORE : 0)));
	if (tag == TAG_MORE) {
		crypto_generichash_update(&a->sum, length, sizeof(length));
		crypto_generichash_update(&a->sum, a->plain, n);
	}
	a->frames++;
	if (a->encrypted) {
		crypto_secretstream_xchacha20poly1305_push(
		    &a->cipher, a->block, NULL, a->plain, n, length, sizeof(length), tag);
		out = a->block;
		n += MORE;
	}
	if (fwrite(length, 1, sizeof(length), a->f) != sizeof(length) ||
	    fwrite(out, 1, n, a->f) != n)
		return fail(a, strerror(errno));
	return true;
}

bool
archive_commit(struct archive *a)
{
	char text[END_MAX];
	char *dir, *slash;
	int fd;

	end_text(a, text);
	if (!archive_put(a, 'E', "", text, strlen(text)))
		return false;
	a->ended = true;
	if (fflush(a->f) != 0 || fsync(fileno(a->f)) != 0 || rename(a->partial, a->path) != 0)
		return fail(a, strerror(errno));
	free(a->partial);
	a->partial = NULL;
	dir = strdup(a->path);
	must(dir != NULL);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir] = '\0';
	fd = open(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return fail(a, strerror(errno));
	if (fsync(fd) != 0 && errno != EINVAL) { /* a file system may not know how */
		close(fd);
		return fail(a, strerror(errno));
	}
	close(fd);
	return true;
}

/* --- reading --- */

struct archive *
archive_open(const char *path, const uint8_t *key, char *why, size_t why_size)
{
	FILE *f = fopen(path, "re");

	if (f != NULL)
		return archive_read(f, key, why, why_size);
	snprintf(why, why_size, "%s", strerror(errno));
	return NULL;
}

struct archive *
archive_read(FILE *f, const uint8_t *key, char *why, size_t why_size)
{
	struct archive *a = archive_new(f);

	if (read_head(a, key))
		return a;
	snprintf(why, why_size, "%s", a->why);
	archive_close(&a);
	return NULL;
}

static bool
read_head(struct archive *a, const uint8_t *key)
{
	uint8_t head[16 + crypto_secretstream_xchacha20poly1305_HEADERBYTES];
	size_t n = 16;

	if (fread(head, 1, n, a->f) != n || memcmp(head, MAGIC, 8) != 0)
		return fail(a, "is no backup of metafed");
	if (get32(head + 8) != ARCHIVE_VERSION) {
		snprintf(a->why, sizeof(a->why),
		    "has version %u of the format; this program knows %u", get32(head + 8),
		    ARCHIVE_VERSION);
		return false;
	}
	if (get32(head + 12) > ENCRYPTED)
		return fail(a, "has flags that this program does not know");
	a->encrypted = get32(head + 12) == ENCRYPTED;
	if (!a->encrypted && key != NULL)
		return fail(a, "is not encrypted, and a key was given");
	if (a->encrypted && key == NULL)
		return fail(a, "is encrypted: --key-file says with what");
	if (a->encrypted) {
		if (fread(head + 16, 1, sizeof(head) - 16, a->f) != sizeof(head) - 16 ||
		    crypto_secretstream_xchacha20poly1305_init_pull(&a->cipher, head + 16, key) !=
			0)
			return fail(a, "ends in its header");
		n = sizeof(head);
	}
	crypto_generichash_update(&a->sum, head, n);
	return true;
}

bool
archive_next(struct archive *a, struct frame *out)
{
	unsigned char tag = TAG_MORE;
	size_t n;

	if (a->ended || a->why[0] != '\0')
		return fail(a, "has ended");
	if (!read_block(a, &n, &tag) || !read_frame(a, n, out))
		return false;
	if (out->type == 'E')
		return check_end(a, tag, out);
	if (tag != TAG_MORE)
		return fail(a, "is damaged: it ends too early");
	put32(a->block, (uint32_t)(n + (a->encrypted ? MORE : 0)));
	crypto_generichash_update(&a->sum, a->block, 4);
	crypto_generichash_update(&a->sum, a->plain, n);
	a->frames++;
	return true;
}

static bool
read_block(struct archive *a, size_t *n, unsigned char *tag)
{
	size_t more = a->encrypted ? MORE : 0;
	unsigned long long plain_n;
	uint8_t length[4];
	uint32_t block;

	if (fread(length, 1, 4, a->f) != 4)
		return fail(a, "was cut off");
	block = get32(length);
	if (block < 2 + more || block > FRAME_MAX + more)
		return fail(a, "is damaged: a block has an impossible length");
	if (fread(a->encrypted ? a->block : a->plain, 1, block, a->f) != block)
		return fail(a, "was cut off");
	*n = block - more;
	if (!a->encrypted)
		return true;
	if (crypto_secretstream_xchacha20poly1305_pull(
		&a->cipher, a->plain, &plain_n, tag, a->block, block, length, 4) != 0)
		return fail(a,
		    a->frames == 0 ? "can't be opened with this key, or is damaged" : "is damaged");
	return true;
}

static bool
read_frame(struct archive *a, size_t n, struct frame *out)
{
	size_t name_n = a->plain[1];

	if (n < 2 + name_n || strchr("HDSE", a->plain[0]) == NULL || a->plain[0] == '\0' ||
	    (a->frames == 0) != (a->plain[0] == 'H') || memchr(a->plain + 2, '\0', name_n) != NULL)
		return fail(a, "is damaged: a frame is none");
	out->type = (char)a->plain[0];
	memcpy(out->name, a->plain + 2, name_n);
	out->name[name_n] = '\0';
	out->data = (const char *)a->plain + 2 + name_n;
	out->n = n - 2 - name_n;
	return true;
}

static bool
check_end(struct archive *a, unsigned char tag, const struct frame *end)
{
	char want[END_MAX];

	end_text(a, want);
	a->ended = true;
	if (a->encrypted && tag != TAG_LAST)
		return fail(a, "is damaged: its end is none");
	if (end->n != strlen(want) || end->name[0] != '\0' || memcmp(end->data, want, end->n) != 0)
		return fail(a, "is damaged: it is not what was written");
	if (fgetc(a->f) != EOF)
		return fail(a, "is damaged: something follows its end");
	return true;
}

/* --- common --- */

static struct archive *
archive_new(FILE *f)
{
	struct archive *a = calloc(1, sizeof(*a));

	must(a != NULL && f != NULL && sodium_init() >= 0);
	a->f = f;
	a->plain = malloc(FRAME_MAX);
	a->block = malloc(FRAME_MAX + MORE);
	must(a->plain != NULL && a->block != NULL);
	crypto_generichash_init(&a->sum, NULL, 0, 32);
	return a;
}

void
archive_close(struct archive **ap)
{
	struct archive *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	fclose(a->f);
	if (a->partial != NULL)
		unlink(a->partial);
	free(a->partial);
	free(a->path);
	free(a->plain);
	free(a->block);
	sodium_memzero(&a->cipher, sizeof(a->cipher));
	free(a);
}

const char *
archive_why(const struct archive *a)
{
	return a->why;
}

/* Of all before it. */
static void
end_text(struct archive *a, char text[END_MAX])
{
	uint8_t digest[32];
	char hex[65];

	crypto_generichash_final(&a->sum, digest, sizeof(digest));
	str_hex(digest, sizeof(digest), hex);
	snprintf(text, END_MAX, "{\"blake2b\":\"%s\",\"frames\":%llu}", hex,
	    (unsigned long long)a->frames);
}

/* The first word counts. */
static bool
fail(struct archive *a, const char *what)
{
	if (a->why[0] == '\0')
		snprintf(a->why, sizeof(a->why), "%s", what);
	return false;
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t
get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
