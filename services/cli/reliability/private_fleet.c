/* private_fleet: see private_fleet.h. What scripts/init-var makes for `scripts/run`, made here without
 * the scripts: an installed `metafed` has none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/reliability/private_fleet.h"
#include "meta/runfile.h"
#include "node/contract.h"

#define FLEET_USER   "metafed"
#define NOBODY       "nobody"
#define PATH_ROOM    512
#define VAR_ROOM     128 /* sockets lie below it */
#define SECRET_BYTES 24
#define PG_PROGRAMS  "/usr/lib/postgresql/*/bin"
#define ENV_MOST     256
#define ENV_PREFIX   "METAFED_"
#define ORPHANS_US   (10 * SEC)
#define KEEP         "METAFED_KEEP" /* set: logs and all stay, for who looks for a reason */

struct private_fleet {
	char var[VAR_ROOM], bin[PATH_ROOM], config[VAR_ROOM + 16], pg_bin[PATH_ROOM];
	uid_t uid; /* whom it runs as */
	gid_t gid;
	bool drop; /* we are root and become that */
	pid_t guard;
	char *env[ENV_MOST + 1]; /* ours without what would reach into the fleet */
};

static bool choose_user(struct private_fleet *, char *, size_t);
static bool find_programs(struct private_fleet *, char *, size_t);
static bool reachable(struct private_fleet *);
static void choose_env(struct private_fleet *);
static bool make_directories(struct private_fleet *, char *, size_t);
static bool make_postgres(struct private_fleet *, char *, size_t);
static bool make_redis(struct private_fleet *, const char *, const char *, char *, size_t);
static bool make_secret(struct private_fleet *, const char *, char *, size_t, char *, size_t);
static bool write_config(struct private_fleet *, const char *, char *, size_t);
static bool put_file(struct private_fleet *, const char *, const char *, mode_t, char *, size_t);
static pid_t start(const struct private_fleet *, char *const *, int, const char *);
static bool run(const struct private_fleet *, char *const *, const char *);
static bool copy_programs(struct private_fleet *);
static void await_orphans(void);
static void own_child(const struct private_fleet *);
static const char *
path_of(const struct private_fleet *, const char *, ...) __attribute__((format(printf, 2, 3)));
static bool complain(char *, size_t, const char *, ...) __attribute__((format(printf, 3, 4)));

bool
private_fleet_dir(char *out, size_t size, char *err, size_t err_size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(out, size, "%s/mf-XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(out) == NULL)
		return complain(err, err_size, "%s: %s", out, strerror(errno));
	return true;
}

struct private_fleet *
private_fleet_new(const char *dir, char *err, size_t err_size)
{
	struct private_fleet *f = mem_zalloc(sizeof(*f));

	snprintf(f->var, sizeof(f->var), "%s/v", dir);
	snprintf(f->config, sizeof(f->config), "%s/metafed.conf", f->var);
	choose_env(f);
	if (chmod(dir, 0755) < 0) /* the fleet's user must get in; what is in it is its alone */
		complain(err, err_size, "%s: %s", dir, strerror(errno));
	else if (choose_user(f, err, err_size) && find_programs(f, err, err_size) &&
		 make_directories(f, err, err_size) && make_postgres(f, err, err_size) &&
		 make_redis(f, "redis-docs",
		     "appendonly yes\nappendfsync always\nmaxmemory-policy noeviction\nsave \"\"\n",
		     err, err_size) &&
		 make_redis(f, "redis-cache",
		     "appendonly no\nsave \"\"\nmaxmemory 64mb\nmaxmemory-policy allkeys-lru\n",
		     err, err_size))
		return f;
	free(f);
	return NULL;
}

void
private_fleet_free(struct private_fleet **fp)
{
	if (*fp == NULL)
		return;
	private_fleet_stop(*fp);
	free(*fp);
	*fp = NULL;
}

/* The guard may be gone already: --stop ends whoever is left, whoever they belong to. */
void
private_fleet_remove(const char *dir)
{
	struct private_fleet f = { .guard = 0 };
	char err[PATH_ROOM], config[VAR_ROOM + 16];

	snprintf(f.var, sizeof(f.var), "%s/v", dir);
	snprintf(config, sizeof(config), "%s/metafed.conf", f.var);
	choose_env(&f);
	if (access(config, F_OK) == 0 && choose_user(&f, err, sizeof(err)) &&
	    find_programs(&f, err, sizeof(err))) {
		char *stop[] = { (char *)(uintptr_t)path_of(&f, "/%s/metafed-meta", f.bin),
			(char *)"--stop", (char *)"--var", f.var, NULL };

		(void)run(&f, stop, NULL);
	}
	await_orphans();
	if (getenv(KEEP) != NULL) {
		(void)fprintf(stderr, "kept: %s\n", dir);
		return;
	}
	f.drop = false; /* the directory itself is ours */
	(void)run(
	    &f, (char *[]){ (char *)"/bin/rm", (char *)"-rf", (char *)(uintptr_t)dir, NULL }, NULL);
}

/* Of who made or ran it and was killed: they end too, but write until then. */
static void
await_orphans(void)
{
	int64_t until = time_now_us() + ORPHANS_US;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && time_now_us() < until)
		if (pid == 0)
			usleep(2000);
}

bool
private_fleet_start(struct private_fleet *f, const char *settings, char *err, size_t err_size)
{
	char *argv[] = { NULL, (char *)"--config", f->config, NULL };
	char program[PATH_ROOM + 32];

	if (!write_config(f, settings, err, err_size))
		return false;
	snprintf(program, sizeof(program), "%s/metafed-meta", f->bin);
	argv[0] = program;
	f->guard = start(f, argv, SIGTERM, path_of(f, "log/start.log"));
	return f->guard > 0 || complain(err, err_size, "%s: %s", program, strerror(errno));
}

void
private_fleet_stop(struct private_fleet *f)
{
	int status;

	if (f->guard <= 0)
		return;
	kill(f->guard, SIGTERM);
	while (waitpid(f->guard, &status, 0) < 0 && errno == EINTR)
		;
	f->guard = 0;
}

bool
private_fleet_runs(struct private_fleet *f)
{
	int status;

	if (f->guard > 0 && waitpid(f->guard, &status, WNOHANG) == f->guard)
		f->guard = 0;
	return f->guard > 0;
}

const char *
private_fleet_var(const struct private_fleet *f)
{
	return f->var;
}

const char *
private_fleet_config(const struct private_fleet *f)
{
	return f->config;
}

pid_t
private_fleet_pid(const struct private_fleet *f, const char *name)
{
	struct contract_run r;
	int fd = open(path_of(f, "run/%s.run", name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, &r, sizeof(r));

	if (fd >= 0)
		close(fd);
	/* else his pid may be a stranger's by now */
	return n == (ssize_t)sizeof(r) && r.pid > 0 && r.start_ticks != 0 &&
	               proc_start_ticks(r.pid, NULL) == r.start_ticks
	           ? r.pid
	           : 0;
}

pid_t
private_fleet_spawn(const struct private_fleet *f, char *const *args)
{
	char program[PATH_ROOM + 32];
	char *argv[16] = { program };
	size_t n = 1;

	snprintf(program, sizeof(program), "%s/metafed", f->bin);
	for (; *args != NULL; args++) {
		must(n + 1 < sizeof(argv) / sizeof(argv[0]));
		argv[n++] = *args;
	}
	return start(f, argv, SIGKILL, path_of(f, "log/baseline.log"));
}

const char *
private_fleet_last_words(const struct private_fleet *f, const char *name)
{
	static char text[400];
	FILE *log = fopen(path_of(f, "log/%s.log", name), "re");
	size_t n = 0;
	char *line;

	if (log != NULL) {
		if (fseek(log, -(long)sizeof(text) + 1, SEEK_END) < 0)
			rewind(log);
		n = fread(text, 1, sizeof(text) - 1, log);
		(void)fclose(log);
	}
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	return line != NULL ? line + 1 : text;
}

/* PostgreSQL's back ends work in its data directory too. */
unsigned
private_fleet_signal_store(const struct private_fleet *f, const char *store, int sig)
{
	char want[PATH_ROOM], link[PATH_ROOM], cwd[PATH_MAX];
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned found = 0;
	uint64_t pid;

	snprintf(want, sizeof(want), "%s/%s", f->var, store);
	while (d != NULL && (e = readdir(d)) != NULL) {
		ssize_t n;

		if (!str_u64(str_of(e->d_name), INT_MAX, &pid))
			continue;
		snprintf(link, sizeof(link), "/proc/%s/cwd", e->d_name);
		n = readlink(link, cwd, sizeof(cwd) - 1);
		if (n <= 0)
			continue;
		cwd[n] = '\0';
		if (strcmp(cwd, want) == 0 && kill((pid_t)pid, sig) == 0)
			found++;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

/* --- how it is made --- */

static bool
choose_user(struct private_fleet *f, char *err, size_t err_size)
{
	const struct passwd *pw;

	f->uid = geteuid();
	f->gid = getegid();
	if (f->uid != 0)
		return true;
	if ((pw = getpwnam(FLEET_USER)) == NULL && (pw = getpwnam(NOBODY)) == NULL)
		return complain(err, err_size,
		    "PostgreSQL does not run as root, and there is neither a user %s nor %s",
		    FLEET_USER, NOBODY);
	f->uid = pw->pw_uid;
	f->gid = pw->pw_gid;
	f->drop = true;
	return true;
}

/* The nodes lie beside us; where the fleet's user can't get at them, copies of them do. */
static bool
find_programs(struct private_fleet *f, char *err, size_t err_size)
{
	char self[PATH_ROOM], copies[PATH_ROOM + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	glob_t g;

	self[n > 0 ? n : 0] = '\0';
	snprintf(f->bin, sizeof(f->bin), "%s", dirname(self));
	if (glob(PG_PROGRAMS, 0, NULL, &g) != 0)
		return complain(
		    err, err_size, "%s: PostgreSQL's programs are not installed", PG_PROGRAMS);
	snprintf(f->pg_bin, sizeof(f->pg_bin), "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	snprintf(copies, sizeof(copies), "%s/bin", f->var);
	if (access(copies, F_OK) == 0)
		snprintf(f->bin, sizeof(f->bin), "%.*s", PATH_ROOM - 1, copies);
	return true;
}

static bool
reachable(struct private_fleet *f)
{
	char program[PATH_ROOM + 32];

	snprintf(program, sizeof(program), "%s/metafed-meta", f->bin);
	return run(f, (char *[]){ program, (char *)"--version", NULL }, NULL);
}

static void
choose_env(struct private_fleet *f)
{
	size_t n = 0;

	for (char **e = environ; *e != NULL && n < ENV_MOST; e++)
		if (strncmp(*e, ENV_PREFIX, strlen(ENV_PREFIX)) != 0)
			f->env[n++] = *e;
}

static bool
make_directories(struct private_fleet *f, char *err, size_t err_size)
{
	static const char *const names[] = { "", "/etc", "/log", "/run", "/run/bus", "/run/stores",
		"/secrets", "/secrets/signing", "/redis-docs", "/redis-cache" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[PATH_ROOM + 32];

		snprintf(path, sizeof(path), "%s%s", f->var, names[i]);
		if (mkdir(path, 0700) < 0 || (f->drop && chown(path, f->uid, f->gid) < 0))
			return complain(err, err_size, "%s: %s", path, strerror(errno));
	}
	if (!reachable(f) && !copy_programs(f))
		return complain(err, err_size,
		    "%s: the fleet's user can't run what is there, and it could not be copied",
		    f->bin);
	return true;
}

static bool
copy_programs(struct private_fleet *f)
{
	char copies[PATH_ROOM + 8];
	bool drop = f->drop, ok;

	snprintf(copies, sizeof(copies), "%s/bin", f->var);
	f->drop = false;
	ok = run(f,
	    (char *[]){ (char *)"/bin/sh", (char *)"-c",
		(char *)"mkdir -m 755 \"$2\" && cp \"$1\"/metafed* \"$2\"/ && chmod 755 \"$2\"/*",
		(char *)"sh", f->bin, copies, NULL },
	    NULL);
	f->drop = drop;
	snprintf(f->bin, sizeof(f->bin), "%.*s", PATH_ROOM - 1, copies);
	return ok && (!drop || chown(copies, f->uid, f->gid) == 0);
}

static bool
make_postgres(struct private_fleet *f, char *err, size_t err_size)
{
	char initdb[PATH_ROOM + 16], postgres[PATH_ROOM + 16], data[PATH_ROOM + 8],
	    pwfile[PATH_ROOM + 64], secret[64], text[1024];

	snprintf(initdb, sizeof(initdb), "%s/initdb", f->pg_bin);
	snprintf(postgres, sizeof(postgres), "%s/postgres", f->pg_bin);
	snprintf(data, sizeof(data), "%s/pg", f->var);
	snprintf(pwfile, sizeof(pwfile), "--pwfile=%s/secrets/pg-admin-password", f->var);
	if (!make_secret(f, "pg-admin-password", secret, sizeof(secret), err, err_size) ||
	    !make_secret(f, "pg-password", secret, sizeof(secret), err, err_size))
		return false;
	if (!run(f,
		(char *[]){ initdb, (char *)"-N", (char *)"-D", data, (char *)"-U",
		    (char *)"postgres", (char *)"-E", (char *)"UTF8", (char *)"--locale=C.UTF-8",
		    (char *)"-A", (char *)"scram-sha-256", pwfile, NULL },
		NULL))
		return complain(err, err_size, "%s: failed", initdb);
	snprintf(text, sizeof(text),
	    "listen_addresses = ''\nunix_socket_directories = '%s/run/stores'\n"
	    "unix_socket_permissions = 0700\nmax_connections = 60\nshared_buffers = 128MB\n"
	    "synchronous_commit = on\nmax_wal_size = 1GB\n",
	    f->var);
	if (!put_file(f, "pg/postgresql.auto.conf", text, 0600, err, err_size))
		return false;
	/* Single-user mode: no server, no socket, the password only on its standard input. */
	snprintf(text, sizeof(text),
	    "CREATE ROLE metafed LOGIN PASSWORD '%s'\nCREATE DATABASE metafed OWNER metafed\n",
	    secret);
	if (!run(f,
		(char *[]){
		    postgres, (char *)"--single", (char *)"-D", data, (char *)"postgres", NULL },
		text)) {
		explicit_bzero(text, sizeof(text));
		return complain(err, err_size, "%s --single: failed", postgres);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(secret, sizeof(secret));
	return true;
}

static bool
make_redis(struct private_fleet *f, const char *name, const char *more, char *err, size_t err_size)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "dir %s/%s\nunixsocket %s/run/stores/%s.sock\nunixsocketperm 700\nport 0\n"
	    "daemonize no\nprotected-mode yes\n"
	    "proc-title-template \"{title} %s/etc/%s.conf {server-mode}\"\n%s",
	    f->var, name, f->var, name, f->var, name, more);
	return put_file(
	    f, path_of(f, "etc/%s.conf", name) + strlen(f->var) + 1, text, 0600, err, err_size);
}

static bool
make_secret(
    struct private_fleet *f, const char *name, char *out, size_t size, char *err, size_t err_size)
{
	uint8_t bytes[SECRET_BYTES];
	char file[64];

	must(size > str_b64url_len(sizeof(bytes)));
	id_random(bytes, sizeof(bytes));
	str_b64url(bytes, sizeof(bytes), out);
	explicit_bzero(bytes, sizeof(bytes));
	snprintf(file, sizeof(file), "secrets/%s", name);
	return put_file(f, file, out, 0600, err, err_size);
}

static bool
write_config(struct private_fleet *f, const char *settings, char *err, size_t err_size)
{
	struct buf b = { 0 };
	bool ok;

	buf_printf(&b, "var = %s\n%s\n[guard]\nlisten = 127.0.0.1:0\nexe_dir = %s\n", f->var,
	    settings, f->bin);
	buf_printf(&b, "stores = postgres,redis-docs,redis-cache\npg_bin = %s\n", f->pg_bin);
	for (int i = 0; i < 2; i++)
		buf_printf(&b,
		    "[%s]\npg = host=%s/run/stores dbname=metafed user=metafed\n"
		    "pg_password_file = secrets/pg-password\n",
		    i == 0 ? "sql" : "nosql", f->var);
	for (int i = 0; i < 2; i++)
		buf_printf(&b, "[%s]\nsigning_dir = secrets/signing\nadmin_file = admin.json\n",
		    i == 0 ? "jwt" : "oauth");
	ok = put_file(f, "metafed.conf", b.p, 0644, err, err_size);
	buf_free(&b);
	return ok;
}

static bool
put_file(struct private_fleet *f, const char *name, const char *text, mode_t mode, char *err,
    size_t err_size)
{
	char path[PATH_ROOM + 64];
	size_t n = strlen(text);
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", f->var, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	ok = fd >= 0 && write(fd, text, n) == (ssize_t)n &&
	     (!f->drop || fchown(fd, f->uid, f->gid) == 0);
	if (!ok)
		complain(err, err_size, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* --- processes --- */

/* A child that gets `sig` when we are gone; what it says goes to `log`. */
static pid_t
start(const struct private_fleet *f, char *const *argv, int sig, const char *log)
{
	pid_t us = getpid(), pid = fork();
	sigset_t none;
	int fd;

	if (pid != 0)
		return pid;
	own_child(f);
	prctl(PR_SET_PDEATHSIG, sig); /* after the change of user, which would clear it */
	if (getppid() != us)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* Ctrl-C is for us; we end them */
	fd = open("/dev/null", O_RDWR);
	dup2(fd, STDIN_FILENO);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execve(argv[0], argv, f->env);
	_exit(127);
}

/* Runs to its end, quietly; its end is ours at the latest. */
static bool
run(const struct private_fleet *f, char *const *argv, const char *input)
{
	int in[2], status = -1, null;
	pid_t us = getpid(), pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		own_child(f);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != us)
			_exit(127);
		setsid(); /* a second Ctrl-C does not end what cleans up for the first */
		null = open("/dev/null", O_RDWR);
		dup2(in[0], STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close_range(STDERR_FILENO + 1, ~0U, 0);
		execve(argv[0], argv, f->env);
		_exit(127);
	}
	close(in[0]);
	if (pid > 0 && input != NULL && write(in[1], input, strlen(input)) < 0)
		status = -1;
	close(in[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* In the child. */
static void
own_child(const struct private_fleet *f)
{
	if (f->drop)
		if (setgroups(0, NULL) < 0 || setresgid(f->gid, f->gid, f->gid) < 0 ||
		    setresuid(f->uid, f->uid, f->uid) < 0)
			_exit(126);
	if (chdir("/") < 0)
		_exit(126);
}

static const char *
path_of(const struct private_fleet *f, const char *fmt, ...)
{
	static char ring[4][PATH_ROOM * 2];
	static unsigned next;
	char *at = ring[next++ % 4];
	va_list ap;
	int n = fmt[0] == '/' ? 0 : snprintf(at, sizeof(ring[0]), "%s/", f->var);

	va_start(ap, fmt);
	vsnprintf(at + n, sizeof(ring[0]) - (size_t)n, fmt[0] == '/' ? fmt + 1 : fmt, ap);
	va_end(ap);
	return at;
}

static bool
complain(char *err, size_t err_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return false;
}
