/* fuzz: hellos, sealed frames, bells and key files of anybody, against an end that has real keys.
 * Nothing may be accepted: the fuzzer knows no secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "bus/frame.h"
#include "bus/secure.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct secure_id *api, *sql;
static struct secure_link *api_link;
static struct secure_dial *dial;
static char dir[] = "/tmp/metafed-fuzz-XXXXXX";

static void
finish(void)
{
	char t[64];

	snprintf(t, sizeof(t), "%s/trust", dir);
	(void)unlink(t);
	(void)rmdir(dir);
}

static void
start(void)
{
	const char *names[] = { "api", "sql" };
	Mf__Hello hello = MF__HELLO__INIT, welcome = MF__HELLO__INIT;
	char a[64], b[64], t[64], err[256];
	size_t made;

	/* a key file that others may read is refused before it is read */
	(void)umask(077);
	must(atexit(finish) == 0);
	must(mkdtemp(dir) != NULL && keys_generate(dir, names, 2, &made, err, sizeof(err)));
	snprintf(a, sizeof(a), "%s/api.key", dir);
	snprintf(b, sizeof(b), "%s/sql.key", dir);
	snprintf(t, sizeof(t), "%s/trust", dir);
	api = secure_load(a, t, err, sizeof(err));
	sql = secure_load(b, t, err, sizeof(err));
	must(api != NULL && sql != NULL && unlink(a) == 0 && unlink(b) == 0);
	hello.node = (char *)"api";
	welcome.node = (char *)"sql";
	dial = secure_start(api, "sql", &hello, err, sizeof(err));
	must(dial != NULL);
	api_link = secure_accept(sql, &hello, &welcome, err, sizeof(err));
	must(api_link != NULL);
}

static void
try_hello(const uint8_t *p, size_t n)
{
	Mf__Hello answer = MF__HELLO__INIT, *h;
	char err[256];
	uint64_t to;

	h = frame_read_hello(p, n, &to);
	if (h == NULL)
		return;
	answer.node = (char *)"sql";
	must(secure_accept(sql, h, &answer, err, sizeof(err)) == NULL);
	must(secure_finish(dial, h, err, sizeof(err)) == NULL);
	mf__hello__free_unpacked(h, NULL);
}

static void
try_files(const uint8_t *p, size_t n)
{
	char path[64], err[256];
	struct secure_id *id;
	FILE *f;

	snprintf(path, sizeof(path), "%s/any", dir);
	f = fopen(path, "we");
	must(f != NULL && fwrite(p, 1, n, f) == n && fclose(f) == 0);
	id = secure_load(path, path, err, sizeof(err));
	secure_unload(&id);
	must(unlink(path) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t ad[FRAME_PREFIX] = { 0, FRAME_SEALED };
	uint8_t key[SECURE_KEY] = { 1 }, *copy = malloc(n + 1);
	const uint8_t *plain;
	size_t plain_n;

	if (api == NULL)
		start();
	memcpy(copy, p, n);
	must(!secure_open(api_link, ad, copy, n, &plain, &plain_n));
	memcpy(copy, p, n);
	must(!secure_bell_open(key, copy, n, &plain, &plain_n));
	free(copy);
	try_hello(p, n);
	if (n > 0 && n < 4096 && p[0] != 0)
		try_files(p, n);
	return 0;
}
