/* stores: private servers for tests. Every failure here ends the test at once: it is the
 * environment, not the subject. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/time.h"
#include "harness/stores.h"

#define PG_BIN     "/usr/lib/postgresql/15/bin"
#define REDIS_MOST 2
#define STANDBYS   2

struct stores {
	char dir[64], conninfo[160], data[96];
	uid_t uid; /* of PostgreSQL; 0: ours */
	gid_t gid;
	pid_t postgres;
	struct standby {
		pid_t pid;
		char dir[96], data[112], conninfo[176];
	} standbys[STANDBYS];
	struct {
		const char *name;
		pid_t pid;
		char address[128];
	} redis[REDIS_MOST];
};

static pid_t spawn(const struct stores *s, bool as_postgres, char *const *argv);
static void run(const struct stores *s, bool as_postgres, char *const *argv);
static void wait_end(pid_t *pid);
static pid_t spawn_postgres(const struct stores *s, char *data, char *socket_dir);
static void wait_postgres(pid_t server, const struct stores *s, char *socket_dir);
static void wait_redis(const char *path, pid_t pid);
static int signal_postgres(const struct stores *s, int sig);

struct stores *
stores_new(void)
{
	struct stores *s = calloc(1, sizeof(*s));
	const struct passwd *pw;

	must(s != NULL);
	strcpy(s->dir, "/tmp/mfstores-XXXXXX");
	if (mkdtemp(s->dir) == NULL || chmod(s->dir, 0711) != 0)
		fatal("stores: %s: %s", s->dir, strerror(errno));
	if (geteuid() == 0) {
		if ((pw = getpwnam("postgres")) == NULL)
			fatal("stores: no user postgres: install postgresql-15");
		s->uid = pw->pw_uid;
		s->gid = pw->pw_gid;
	}
	snprintf(s->data, sizeof(s->data), "%s/pg/data", s->dir);
	snprintf(
	    s->conninfo, sizeof(s->conninfo), "host=%s/pg dbname=metafed user=metafed", s->dir);
	for (int i = 0; i < STANDBYS; i++) {
		struct standby *b = &s->standbys[i];

		snprintf(b->dir, sizeof(b->dir), "%s/standby%d", s->dir, i);
		snprintf(b->data, sizeof(b->data), "%s/data", b->dir);
		snprintf(b->conninfo, sizeof(b->conninfo), "host=%s dbname=metafed user=metafed",
		    b->dir);
	}
	s->redis[0].name = "docs";
	s->redis[1].name = "cache";
	for (int i = 0; i < REDIS_MOST; i++)
		snprintf(s->redis[i].address, sizeof(s->redis[i].address), "unix:%s/%s.sock",
		    s->dir, s->redis[i].name);
	return s;
}

void
stores_free(struct stores **s)
{
	if (*s == NULL)
		return;
	for (unsigned i = 0; i < STANDBYS; i++)
		stores_stop_standby(*s, i);
	stores_stop_postgres(*s);
	for (int i = 0; i < REDIS_MOST; i++)
		stores_kill_redis(*s, (*s)->redis[i].name);
	run(*s, false, (char *[]){ "/bin/rm", "-rf", (*s)->dir, NULL });
	free(*s);
	*s = NULL;
}

const char *
stores_dir(const struct stores *s)
{
	return s->dir;
}

const char *
stores_conninfo(const struct stores *s)
{
	return s->conninfo;
}

/* --- PostgreSQL --- */

/* An initialised data directory with user and database, made once per machine user and copied for
 * each test. */
static const char *
template_dir(const struct stores *s)
{
	static char path[64];
	char made[96], data[112], cmd[1024];

	snprintf(path, sizeof(path), "/tmp/mfstores-template-%u-v1", (unsigned)geteuid());
	if (access(path, F_OK) == 0)
		return path;
	snprintf(made, sizeof(made), "%s.%d", path, (int)getpid());
	snprintf(data, sizeof(data), "%s/data", made);
	if (mkdir(made, 0755) != 0 || (s->uid != 0 && chown(made, s->uid, s->gid) != 0))
		fatal("stores: %s: %s", made, strerror(errno));
	run(s, true,
	    (char *[]){ PG_BIN "/initdb", "-D", data, "-U", "metafed", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync", NULL });
	snprintf(cmd, sizeof(cmd),
	    "echo \"create database metafed\" | " PG_BIN "/postgres --single -D %s postgres", data);
	run(s, true, (char *[]){ "/bin/sh", "-c", cmd, NULL });
	if (rename(made, path) != 0) /* another test was first: use what is there */
		run(s, true, (char *[]){ "/bin/rm", "-rf", made, NULL });
	return path;
}

void
stores_start_postgres(struct stores *s)
{
	char pg[80], src[112];

	snprintf(pg, sizeof(pg), "%s/pg", s->dir);
	if (access(s->data, F_OK) != 0) {
		if (mkdir(pg, 0755) != 0 || (s->uid != 0 && chown(pg, s->uid, s->gid) != 0))
			fatal("stores: %s: %s", pg, strerror(errno));
		snprintf(src, sizeof(src), "%s/data", template_dir(s));
		run(s, true, (char *[]){ "/bin/cp", "-a", src, s->data, NULL });
	}
	s->postgres = spawn_postgres(s, s->data, pg);
	wait_postgres(s->postgres, s, pg);
}

static pid_t
spawn_postgres(const struct stores *s, char *data, char *socket_dir)
{
	return spawn(s, true,
	    (char *[]){ PG_BIN "/postgres", "-D", data, "-k", socket_dir, "-h", "", "-c",
		"max_connections=50", "-c", "shared_buffers=64MB", "-c", "logging_collector=off",
		"-c", "log_min_messages=fatal", "-c", "shared_memory_type=mmap", NULL });
}

static void
wait_postgres(pid_t server, const struct stores *s, char *socket_dir)
{
	int64_t end = time_now_us() + 20 * SEC;
	int status;

	do {
		pid_t pid = spawn(s, false,
		    (char *[]){
			PG_BIN "/pg_isready", "-q", "-h", socket_dir, "-U", "metafed", NULL });

		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return;
		if (waitpid(server, &status, WNOHANG) != 0)
			fatal("stores: PostgreSQL ended at start");
		usleep(10000);
	} while (time_now_us() < end);
	fatal("stores: PostgreSQL does not come up");
}

void
stores_stop_postgres(struct stores *s)
{
	if (s->postgres == 0)
		return;
	signal_postgres(s, SIGCONT);
	kill(s->postgres, SIGINT);
	wait_end(&s->postgres);
}

void
stores_kill_postgres(struct stores *s)
{
	if (s->postgres == 0)
		return;
	kill(s->postgres, SIGKILL);
	wait_end(&s->postgres);
	while (signal_postgres(s, 0) > 0)
		usleep(1000);
}

void
stores_crash_postgres(struct stores *s)
{
	if (s->postgres == 0)
		return;
	signal_postgres(s, SIGKILL);
	wait_end(&s->postgres);
	while (signal_postgres(s, SIGKILL) > 0)
		usleep(1000);
}

/* The postmaster first: it makes no more of them. */
void
stores_pause_postgres(struct stores *s, bool stopped)
{
	if (stopped && s->postgres != 0) /* 0 would be ourselves */
		kill(s->postgres, SIGSTOP);
	signal_postgres(s, stopped ? SIGSTOP : SIGCONT);
}

/* --- stand-bys --- */

void
stores_start_standby(struct stores *s, unsigned i)
{
	struct standby *b = &s->standbys[i];

	if (access(b->data, F_OK) != 0) {
		if (mkdir(b->dir, 0755) != 0 || (s->uid != 0 && chown(b->dir, s->uid, s->gid) != 0))
			fatal("stores: %s: %s", b->dir, strerror(errno));
		run(s, true,
		    (char *[]){ PG_BIN "/pg_basebackup", "-D", b->data, "-R", "-c", "fast",
			"--no-sync", "-d", s->conninfo, NULL });
	}
	b->pid = spawn_postgres(s, b->data, b->dir);
	wait_postgres(b->pid, s, b->dir);
}

void
stores_stop_standby(struct stores *s, unsigned i)
{
	if (s->standbys[i].pid == 0)
		return;
	kill(s->standbys[i].pid, SIGINT);
	wait_end(&s->standbys[i].pid);
}

void
stores_promote_standby(struct stores *s, unsigned i)
{
	run(s, true,
	    (char *[]){ PG_BIN "/pg_ctl", "promote", "-s", "-w", "-D", s->standbys[i].data, NULL });
}

const char *
stores_standby(const struct stores *s, unsigned i)
{
	return s->standbys[i].conninfo;
}

/* All processes that work in the data directory; how many there are. */
static int
signal_postgres(const struct stores *s, int sig)
{
	char path[300], cwd[128];
	struct dirent *e;
	int n = 0;
	DIR *d;

	if ((d = opendir("/proc")) == NULL)
		fatal("stores: /proc: %s", strerror(errno));
	while ((e = readdir(d)) != NULL) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%s/cwd", e->d_name);
		if (e->d_name[0] < '0' || e->d_name[0] > '9' ||
		    (len = readlink(path, cwd, sizeof(cwd) - 1)) < 0)
			continue;
		cwd[len] = '\0';
		if (strcmp(cwd, s->data) != 0)
			continue;
		n++;
		kill((pid_t)atoi(e->d_name), sig);
	}
	closedir(d);
	return n;
}

/* --- Redis --- */

static int
redis_index(const char *name)
{
	return strcmp(name, "docs") == 0 ? 0 : 1;
}

void
stores_start_redis(struct stores *s, const char *name)
{
	int i = redis_index(name);
	char *sock = s->redis[i].address + strlen("unix:"), dir[96];
	bool docs = i == 0;

	snprintf(dir, sizeof(dir), "%s/%s", s->dir, name);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		fatal("stores: %s: %s", dir, strerror(errno));
	unlink(sock);
	s->redis[i].pid = spawn(s, false,
	    (char *[]){ "/usr/bin/redis-server", "--port", "0", "--unixsocket", sock, "--dir", dir,
		"--save", "", "--appendonly", docs ? "yes" : "no", "--appendfsync", "always",
		"--maxmemory-policy", docs ? "noeviction" : "allkeys-lru", "--maxmemory",
		docs ? "0" : "64mb", "--loglevel", "warning", "--logfile", "/dev/null", NULL });
	wait_redis(sock, s->redis[i].pid);
}

void
stores_kill_redis(struct stores *s, const char *name)
{
	pid_t *pid = &s->redis[redis_index(name)].pid;

	if (*pid == 0)
		return;
	kill(*pid, SIGKILL);
	wait_end(pid);
}

void
stores_pause_redis(struct stores *s, const char *name, bool stopped)
{
	pid_t pid = s->redis[redis_index(name)].pid;

	if (pid != 0) /* 0 would be ourselves */
		kill(pid, stopped ? SIGSTOP : SIGCONT);
}

const char *
stores_redis(const struct stores *s, const char *name)
{
	return s->redis[redis_index(name)].address;
}

static void
wait_redis(const char *path, pid_t pid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t end = time_now_us() + 10 * SEC;
	char answer[8];

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	do {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool up = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		          write(fd, "PING\r\n", 6) == 6 && read(fd, answer, sizeof(answer)) > 0 &&
		          answer[0] == '+';

		close(fd);
		if (up)
			return;
		if (waitpid(pid, NULL, WNOHANG) != 0)
			fatal("stores: redis-server ended at start");
		usleep(5000);
	} while (time_now_us() < end);
	fatal("stores: redis-server does not come up");
}

/* --- processes --- */

static pid_t
spawn(const struct stores *s, bool as_postgres, char *const *argv)
{
	pid_t parent = getpid(), pid = fork();
	int null;

	if (pid != 0) {
		if (pid < 0)
			fatal("stores: fork: %s", strerror(errno));
		return pid;
	}
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (as_postgres && s->uid != 0 && (setgid(s->gid) != 0 || setuid(s->uid) != 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after setuid, which clears it */
	if (getppid() != parent || chdir("/") != 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static void
run(const struct stores *s, bool as_postgres, char *const *argv)
{
	pid_t pid = spawn(s, as_postgres, argv);
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fatal("stores: %s failed (status %d)", argv[0], status);
}

static void
wait_end(pid_t *pid)
{
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}
