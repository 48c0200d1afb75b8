/* check: see check.h. The nodes are asked as the fleet's user, in the environment that they will
 * have. */
#include "meta/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "meta/begin.h"
#include "meta/conf.h"
#include "meta/fleet.h"
#include "node/node.h"
#include "node/supervise.h"

#define ARENA_CAP (8u << 20)

struct owned { /* a key that one node has */
	const char *node, *key;
	struct owned *next;
};

struct search { /* for the variable that is called `name` */
	struct arena *a;
	const char *name;
	bool known;
	struct config_near near;
};

/* Keys that every node has. */
static const struct config_key *const common_tables[] = { node_keys, supervise_keys };

/* Variables that are no key. */
static const char *const documented[] = {
	/* of nodes: the contract */
	"METAFED_CONFIG",
	"METAFED_NODE",
	"METAFED_GENERATION",
	"METAFED_SUPERVISED",
	"METAFED_LISTENER",
	"METAFED_SWEEP",
	/* of the command line */
	"METAFED_URL",
	"METAFED_TOKEN_FILE",
	/* of scripts, compose file and tests */
	"METAFED_PG",
	"METAFED_REDIS_DOCS",
	"METAFED_REDIS_CACHE",
	"METAFED_PORT",
	"METAFED_LOCAL",
	"METAFED_BIN",
	"METAFED_NO_BUILD",
	"METAFED_TEST_DATA",
	"METAFED_TEST_LIMIT",
	"METAFED_TEST_NODE",
	"METAFED_SEED",
	"METAFED_KEEP",
};

static bool check_common(const struct conf *s, struct arena *a, const struct owned *all);
static const char *owner(void *ctx, struct arena *a, const char *key);
static const char *owners(struct arena *a, const struct owned *all, const char *key);
static struct owned *ask_keys(const struct conf *s, struct arena *a);
static bool is_common(const char *key);
static struct owned *add(struct arena *a, struct owned *all, const char *node, struct str key);
static bool ask(const struct conf *s, int slot, const char *option, struct buf *answer);
static void
become(const struct conf *s, int slot, const char *option, int out) __attribute__((noreturn));
static void look_up(struct search *q, const struct owned *all);
static void offer_table(struct search *q, const char *node, const struct config_key *keys);
static void offer(struct search *q, const char *node, const char *key);
static void offer_name(struct search *q, const char *name);
static void say(const char *name, const char *meant);

bool
check_configuration(const struct conf *s)
{
	struct arena *a = arena_new(ARENA_CAP);
	bool fine = check_common(s, a, ask_keys(s, a));
	struct buf said = { 0 };

	if (fine) {
		for (int i = 0; i < FLEET_SLOTS; i++)
			fine &= fleet_table[i].store || fleet_table[i].standby != 0 ||
			        ask(s, i, "--check", &said);
	}
	if (said.n > 0)
		fwrite(said.p, 1, said.n, stderr);
	buf_free(&said);
	arena_free(&a);
	if (fine)
		check_variables(s, say);
	return fine;
}

void
check_variables(const struct conf *s, check_say_fn *tell)
{
	struct arena *a = arena_new(ARENA_CAP);
	const struct owned *all = NULL;
	bool asked = false;

	for (char *const *e = environ; *e != NULL; e++) {
		struct search q = { .a = a, .name = arena_strndup(a, *e, strcspn(*e, "=")) };

		if (!str_starts(*e, CONFIG_ENV_PREFIX))
			continue;
		look_up(&q, all);
		if (!q.known && !asked) {
			all = ask_keys(s, a);
			asked = true;
			look_up(&q, all);
		}
		if (!q.known)
			tell(q.name, q.near.best);
	}
	arena_free(&a);
}

/* What stands before the first part is for all nodes: whose key is it, if it is not? */
static bool
check_common(const struct conf *s, struct arena *a, const struct owned *all)
{
	struct node_config common;
	struct supervise supervised;
	void *const outs[] = { &common, &supervised };
	const struct config_source src = { .file = s->config[0] == '\0' ? NULL : s->config,
		.env = environ,
		.foreign = owner,
		.ctx = (void *)(uintptr_t)all,
		.part = fleet_part };
	char err[1024];

	if (config_load(a, common_tables, outs, 2, &src, err, sizeof(err)))
		return true;
	fprintf(stderr, "metafed-meta: %s\n", err);
	return false;
}

static const char *
owner(void *ctx, struct arena *a, const char *key)
{
	struct config_near near = { NULL, 0 };
	const char *names = owners(a, ctx, key);

	if (names[0] != '\0')
		return arena_printf(a, "not all nodes have this key; it belongs below%s", names);
	for (const struct owned *o = ctx; o != NULL; o = o->next)
		config_near(&near, key, o->key);
	for (size_t t = 0; t < 2; t++)
		for (const struct config_key *k = common_tables[t]; k->name != NULL; k++)
			config_near(&near, key, k->name);
	if (near.best == NULL)
		return "no such key";
	names = owners(a, ctx, near.best);
	return arena_printf(a, "no such key; is %s meant%s%s?", near.best,
	    names[0] == '\0' ? "" : ", below", names);
}

/* " [sql] [nosql]" */
static const char *
owners(struct arena *a, const struct owned *all, const char *key)
{
	const char *names = "";

	for (; all != NULL; all = all->next)
		if (strcmp(all->key, key) == 0)
			names = arena_printf(a, " [%s]%s", all->node, names);
	return names;
}

/* What the guard or one node has and not all have; newest first. */
static struct owned *
ask_keys(const struct conf *s, struct arena *a)
{
	struct owned *all = NULL;

	for (const struct config_key *k = conf_keys; k->name != NULL; k++)
		if (!is_common(k->name))
			all = add(a, all, "guard", str_of(k->name));
	for (int i = 0; i < FLEET_SLOTS; i++) {
		struct buf answer = { 0 };
		struct str rest, line;

		if (!fleet_table[i].store && fleet_table[i].standby == 0 &&
		    ask(s, i, "--keys", &answer)) {
			for (rest = (struct str){ answer.p, answer.n }; rest.n > 0;) {
				str_cut(rest, '\n', &line, &rest);
				all = add(a, all, fleet_table[i].name, line);
			}
		}
		buf_free(&answer);
	}
	return all;
}

static bool
is_common(const char *key)
{
	for (size_t t = 0; t < 2; t++)
		for (const struct config_key *k = common_tables[t]; k->name != NULL; k++)
			if (strcmp(k->name, key) == 0)
				return true;
	return false;
}

static struct owned *
add(struct arena *a, struct owned *all, const char *node, struct str key)
{
	struct owned *o = ARENA_NEW(a, struct owned);

	*o = (struct owned){ node, arena_strndup(a, key.p, key.n), all };
	return o;
}

/* What it prints goes to the end of the answer; true: it ended well. */
static bool
ask(const struct conf *s, int slot, const char *option, struct buf *answer)
{
	char text[4096];
	int out[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		fatal("pipe: %s", strerror(errno));
	if ((pid = fork()) < 0)
		fatal("fork: %s", strerror(errno));
	if (pid == 0)
		become(s, slot, option, out[1]);
	close(out[1]);
	while ((n = read(out[0], text, sizeof(text))) > 0 || (n < 0 && errno == EINTR))
		buf_add(answer, text, n > 0 ? (size_t)n : 0);
	close(out[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
become(const struct conf *s, int slot, const char *option, int out)
{
	char exe[CONF_PATH + 32], role[] = "--role=orchestrator";
	char *argv[] = { exe, (char *)(uintptr_t)option, NULL, NULL };

	if (s->drop && geteuid() == 0)
		guard_drop_privileges(s);
	snprintf(exe, sizeof(exe), "%s/metafed-%s", s->exe, fleet_table[slot].name);
	if (fleet_table[slot].orders) {
		argv[1] = role;
		argv[2] = (char *)(uintptr_t)option;
	}
	setenv("METAFED_VAR", s->var, 1);
	setenv("METAFED_CONFIG", s->config, 1);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(exe, argv);
	dprintf(STDERR_FILENO, "metafed-meta: %s: %s\n", exe, strerror(errno));
	_exit(127);
}

static void
look_up(struct search *q, const struct owned *all)
{
	const char *part;

	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		offer_name(q, documented[i]);
	for (size_t i = 0; (part = fleet_part(i)) != NULL; i++)
		for (size_t t = 0; t < 2; t++)
			offer_table(q, part, common_tables[t]);
	offer_table(q, "client", node_keys); /* common/client */
	for (size_t t = 0; t < 2; t++)
		offer_table(q, NULL, common_tables[t]);
	offer_table(q, NULL, conf_keys);
	offer_table(q, "guard", conf_keys);
	for (; all != NULL; all = all->next) {
		offer(q, NULL, all->key);
		offer(q, all->node, all->key);
	}
}

static void
offer_table(struct search *q, const char *node, const struct config_key *keys)
{
	for (; keys->name != NULL; keys++)
		offer(q, node, keys->name);
}

static void
offer(struct search *q, const char *node, const char *key)
{
	char name[128];

	config_env_name(name, sizeof(name), node, key);
	offer_name(q, name);
}

static void
offer_name(struct search *q, const char *name)
{
	const char *before = q->near.best;

	q->known |= strcmp(q->name, name) == 0;
	config_near(&q->near, q->name, name);
	if (q->near.best != before)
		q->near.best = arena_strdup(q->a, name); /* it may be the caller's buffer */
}

static void
say(const char *name, const char *meant)
{
	fprintf(stderr, "metafed-meta: %s sets nothing%s%s%s\n", name, meant == NULL ? "" : "; is ",
	    meant == NULL ? "" : meant, meant == NULL ? "" : " meant?");
}
