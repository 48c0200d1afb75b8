/* tokens_keys: the keyring of the node: opened, read anew when somebody else changed the directory,
 * shown as JWKS. The sealing key lies beside the signing keys and not among them: who copies that
 * directory has not got them. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "auth/jwt/jwt.h"
#include "auth/jwt/once.h"
#include "base/log.h"
#include "base/time.h"

/* An unknown key id, a token to be signed and a question for the JWKS make us look at the directory (a
 * stat) at most this often. */
#define LOOK_EVERY (1 * SEC)

static bool
open_ring(struct tokens *t, const struct jwt_config *config, char *err, size_t err_size);
static void dir_of(const struct tokens *t, const struct jwt_config *config, char out[PATH_MAX]);
static bool open_seal(struct tokens *t, char *err, size_t err_size);
static void look(struct tokens *t);

bool
tokens_keys_open(struct tokens *t, char *err, size_t err_size)
{
	return open_seal(t, err, err_size) && open_ring(t, t->config, err, err_size);
}

void
tokens_keys_reload(struct tokens *t, const struct jwt_config *config)
{
	char err[PATH_MAX + 200];

	if (!open_ring(t, config, err, sizeof(err)))
		log_error("signing_keys_not_read", L_STR("why", err));
}

bool
tokens_keys_read(struct tokens *t)
{
	char err[PATH_MAX + 200];

	if (open_ring(t, t->config, err, sizeof(err)))
		return true;
	log_error("signing_keys_not_read", L_STR("why", err));
	return false;
}

/* The peer may have made a key since. */
const struct jws_key *
tokens_key(struct tokens *t, const char *key_id)
{
	const struct jws_key *k = keyring_find(t->keys, key_id);

	if (k != NULL || key_id[0] == '\0')
		return k;
	look(t);
	return keyring_find(t->keys, key_id);
}

/* A node that slept through a rotation must not sign with a key that is about to go. */
const struct jws_key *
tokens_signer(struct tokens *t)
{
	look(t);
	return keyring_signer(t->keys);
}

void
tokens_keys(Mf__Jwt_Service *s, const Mf__Empty *q, Mf__JwkSet_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	Mf__JwkSet m = MF__JWK_SET__INIT;
	struct call *c = ctx;

	(void)q, (void)reply;
	look(t);
	m.data.data = (uint8_t *)keyring_jwks(t->keys, call_arena(c), &m.data.len);
	call_reply(c, &m.base);
}

static void
look(struct tokens *t)
{
	int64_t now = loop_now(t->loop);

	if (t->keys_looked_us != 0 && now - t->keys_looked_us < LOOK_EVERY)
		return;
	t->keys_looked_us = now;
	if (keyring_changed(t->keys) && tokens_keys_read(t))
		rotate_again(t);
}

static bool
open_ring(struct tokens *t, const struct jwt_config *config, char *err, size_t err_size)
{
	char dir[PATH_MAX];
	const struct keyring_opts opts = {
		.dir = dir,
		.seal = t->seal,
		.alg = jws_alg_from_name(str_of(config->signing_alg)),
		.rotation = { config->key_rotation_us, config->key_publish_ahead_us },
	};
	struct keyring *fresh;

	dir_of(t, config, dir);
	fresh = keyring_open(&opts, err, err_size);
	if (fresh == NULL)
		return false;
	keyring_close(&t->keys);
	t->keys = fresh;
	log_info("signing_keys_read", L_INT("keys", keyring_size(fresh)),
	    L_STR("signer", jws_key_id(keyring_signer(fresh))));
	return true;
}

static void
dir_of(const struct tokens *t, const struct jwt_config *config, char out[PATH_MAX])
{
	if (config->signing_dir[0] != '\0')
		(void)snprintf(out, PATH_MAX, "%s", config->signing_dir);
	else
		(void)snprintf(out, PATH_MAX, "%s/secrets/signing", t->var);
}

static bool
open_seal(struct tokens *t, char *err, size_t err_size)
{
	char path[PATH_MAX + 20], dir[PATH_MAX];
	size_t n;

	dir_of(t, t->config, dir);
	if (!once_dir(dir, err, err_size))
		return false;
	for (n = strlen(dir); n > 1 && dir[n - 1] == '/';)
		n--;
	while (n > 0 && dir[n - 1] != '/')
		n--;
	if (t->config->seal_key[0] != '\0')
		(void)snprintf(path, sizeof(path), "%s", t->config->seal_key);
	else
		(void)snprintf(path, sizeof(path), "%.*sseal.key", (int)n, dir);
	t->seal = seal_load(path, err, err_size);
	return t->seal != NULL;
}
