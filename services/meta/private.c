/* private: see private.h. Command lines hold absolute paths, so that `ps` tells whose servers they
 * are. The data directories are made and initialised by scripts/run. */
#include "meta/private.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "meta/fleet.h"
#include "meta/runfile.h"
#include "meta/conf.h"

static void clean_lock(const char *path);
static bool is_postgres(pid_t pid);
static unsigned add(char **argv, unsigned n, const char *word);
static unsigned add_redis(const struct conf *s, const char *name, char **argv);
static bool accepts(const char *path);
static bool postmaster_ready(const char *path, pid_t pid);

void
private_argv(const struct conf *s, int slot, char *argv[PRIVATE_ARGS])
{
	static const char *const docs[] = { "--appendonly", "yes", "--appendfsync", "always",
		"--save", "", "--maxmemory-policy", "noeviction" };
	static const char *const cache[] = { "--appendonly", "no", "--save", "",
		"--maxmemory-policy", "allkeys-lru" };
	char postgres[CONF_PATH + 16];
	unsigned n = 0;

	if (slot == SLOT_POSTGRES) {
		snprintf(postgres, sizeof(postgres), "%s/postgres", s->pg_bin);
		n = add(argv, n, postgres);
		n = add(argv, n, "-D");
		n = add(argv, n, conf_path(s, "pg"));
		n = add(argv, n, "-k");
		n = add(argv, n, conf_path(s, "run/stores"));
		n = add(argv, n, "-p");
		n = add(argv, n, "5432");
		n = add(argv, n, "-c");
		n = add(argv, n, "listen_addresses=");
		n = add(argv, n, "-c");
		n = add(argv, n, "logging_collector=off");
		/* the start after a crash syncs the data directory: file by file that takes longer
		   than the recovery itself */
		n = add(argv, n, "-c");
		n = add(argv, n, "recovery_init_sync_method=syncfs");
		/* statements as short as ours gain nothing by it, and it needs memory that is
		   writable and executable, which a hardened service forbids */
		n = add(argv, n, "-c");
		n = add(argv, n, "jit=off");
	} else if (slot == SLOT_REDIS_DOCS) {
		n = add_redis(s, fleet_table[slot].name, argv);
		for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++)
			n = add(argv, n, docs[i]);
	} else {
		n = add_redis(s, fleet_table[slot].name, argv);
		for (size_t i = 0; i < sizeof(cache) / sizeof(cache[0]); i++)
			n = add(argv, n, cache[i]);
	}
	argv[n] = NULL;
}

bool
private_ready(const struct conf *s, int slot, pid_t pid)
{
	if (fleet_table[slot].ready == READY_POSTMASTER &&
	    !postmaster_ready(conf_path(s, "pg/postmaster.pid"), pid))
		return false;
	return accepts(conf_path(s, "%s", fleet_socket(slot)));
}

void
private_clean(const struct conf *s, int slot)
{
	if (slot != SLOT_POSTGRES)
		return;
	clean_lock(conf_path(s, "pg/postmaster.pid"));
	clean_lock(conf_path(s, "%s.lock", fleet_socket(slot)));
}

/* A lock file names a process that lives but is no postmaster: a zombie (of an adopted server, until
 * process 1 reaps it), or after a reboot anybody who got the same pid. PostgreSQL would take it for
 * one and refuse. If it is dead or a postmaster (somebody's, by hand) the file stays: then
 * PostgreSQL's own check of the shared memory is the right one. */
static void
clean_lock(const char *path)
{
	char text[32] = "";
	pid_t pid;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	pid = read(fd, text, sizeof(text) - 1) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
	close(fd);
	if (pid <= 0 || kill(pid, 0) < 0 || is_postgres(pid))
		return;
	log_warn("stale_lock", L_STR("file", path), L_INT("pid", pid), L_STR("then", "removed"));
	unlink(path);
}

static bool
is_postgres(pid_t pid)
{
	char path[64], name[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (proc_start_ticks(pid, NULL) == 0 || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	(void)!read(fd, name, sizeof(name) - 1);
	close(fd);
	return strncmp(name, "postgres", 8) == 0;
}

static unsigned
add(char **argv, unsigned n, const char *word)
{
	static char words[PRIVATE_ARGS][CONF_PATH + 16]; /* exec copies them */

	must(n + 1 < PRIVATE_ARGS);
	must(snprintf(words[n], sizeof(words[n]), "%s", word) < (int)sizeof(words[n]));
	argv[n] = words[n];
	return n + 1;
}

/* What the operator wrote into VAR/etc/NAME.conf (maxmemory, say) comes first; what follows wins
 * over it. */
static unsigned
add_redis(const struct conf *s, const char *name, char **argv)
{
	const char *conf = conf_path(s, "etc/%s.conf", name);
	unsigned n = add(argv, 0, s->redis_server);

	if (access(conf, R_OK) == 0)
		n = add(argv, n, conf);
	n = add(argv, n, "--port");
	n = add(argv, n, "0");
	n = add(argv, n, "--unixsocket");
	n = add(argv, n, conf_path(s, "run/stores/%s.sock", name));
	n = add(argv, n, "--unixsocketperm");
	n = add(argv, n, "700");
	n = add(argv, n, "--dir");
	n = add(argv, n, conf_path(s, "%s", name));
	n = add(argv, n, "--daemonize");
	n = add(argv, n, "no");
	n = add(argv, n, "--logfile");
	n = add(argv, n, "");
	n = add(argv, n, "--pidfile");
	return add(argv, n, "");
}

static bool
accepts(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	ok = strlen(path) < sizeof(at.sun_path);
	if (ok) {
		memcpy(at.sun_path, path, strlen(path) + 1);
		ok = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	}
	close(fd);
	return ok;
}

/* Line 1 is the postmaster's pid, line 8 its state, padded with blanks. */
static bool
postmaster_ready(const char *path, pid_t pid)
{
	char text[1024], *line = text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (strtol(text, NULL, 10) != pid)
		return false;
	for (int i = 1; i < 8; i++) {
		if ((line = strchr(line, '\n')) == NULL)
			return false;
		line++;
	}
	return strncmp(line, "ready", 5) == 0;
}
