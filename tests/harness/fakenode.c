/* fakenode: see fakenode.h. */
#include "harness/fakenode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/time.h"
#include "node/contract.h"

#define REPORTS 32
#define GRACE   (20 * SEC) /* a test that was killed leaves nothing behind for longer */

struct fake {
	const char *name, *var;
	uint64_t generation;
	bool meta, api;
	enum contract_state state;
	int64_t beat_us, ready_us, orphan_us, grace_us;
	bool abandoned;
	struct contract_report table[REPORTS];
};

static volatile sig_atomic_t asked, reloads;

static void on_term(int sig);
static void on_hup(int sig);
static bool told(const struct fake *f, const char *what, char text[16]);
static void check_descriptors(const struct fake *f);
static void check_alone(const struct fake *f);
static void
history(const struct fake *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct fake *f, enum contract_state s);
static void serve(struct fake *f);
static void read_reports(struct fake *f);
static void send_command(const struct fake *f);

int
fakenode_main(void)
{
	struct fake f = { .name = getenv("METAFED_NODE"),
		.var = getenv("METAFED_VAR"),
		.generation = strtoull(getenv("METAFED_GENERATION"), NULL, 10),
		.state = NODE_STARTING };
	struct sigaction term = { .sa_handler = on_term };
	char how[16] = "";

	f.meta = strcmp(f.name, "meta") == 0;
	f.api = strcmp(f.name, "api") == 0;
	sigaction(SIGTERM, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	check_descriptors(&f);
	check_alone(&f);
	history(&f, "start");
	f.grace_us = told(&f, "grace", how) ? atoi(how) * MS : GRACE;
	told(&f, f.name, how);
	if (strncmp(how, "crash", 5) == 0) {
		fprintf(stderr, "the store of %s is on fire\n", f.name);
		return 3;
	}
	if (strncmp(how, "closed", 6) == 0)
		prctl(PR_SET_DUMPABLE, 0);
	f.ready_us = strncmp(how, "deaf", 4) == 0
	                 ? INT64_MAX
	                 : time_now_us() + (strncmp(how, "slow", 4) == 0 ? 300 * MS : 0);
	say(&f, NODE_STARTING);
	while (!asked)
		serve(&f);
	say(&f, NODE_DRAINING);
	history(&f, "drain");
	if (f.abandoned) {
		unsetenv("METAFED_NODE");
		execl(getenv("METAFED_SWEEP"), "metafed-meta", "--var", f.var, "--sweep", NULL);
	}
	return 0;
}

/* What the test has put into VAR/fake/WHAT; "" and false: nothing. */
static bool
told(const struct fake *f, const char *what, char text[16])
{
	char path[256];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/fake/%s", f->var, what);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
		n = read(fd, text, 15);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void
on_term(int sig)
{
	(void)sig;
	asked = 1;
}

static void
on_hup(int sig)
{
	(void)sig;
	reloads = 1;
}

/* Exactly what the contract says, and nothing else of guard or supervisor. */
static void
check_descriptors(const struct fake *f)
{
	for (int fd = 3; fd < 256; fd++) {
		bool want = fd == CONTRACT_STATUS || fd == CONTRACT_LIFE || fd == CONTRACT_RUN ||
		            (f->api && fd == CONTRACT_LISTENER) ||
		            (f->meta && (fd == CONTRACT_COMMANDS || fd == CONTRACT_REPORTS));

		if ((fcntl(fd, F_GETFD) >= 0) != want)
			history(f, "wrong descriptor %d", fd);
		else if (want)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (getsid(0) != getpid())
		history(f, "wrong session");
	if ((getenv("METAFED_LISTENER") != NULL) != f->api)
		history(f, "wrong METAFED_LISTENER");
}

/* A lock of the test's own: whatever the supervisor believes, nobody runs twice. */
static void
check_alone(const struct fake *f)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/fake/%s.alive", f->var, f->name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		history(f, "wrong: runs twice");
}

static void
history(const struct fake *f, const char *fmt, ...)
{
	char path[256], line[256];
	va_list ap;
	int n, fd;

	n = snprintf(line, sizeof(line), "%s %llu %d ", f->name, (unsigned long long)f->generation,
	    (int)getpid());
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	snprintf(path, sizeof(path), "%s/fake/history", f->var);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

static void
say(struct fake *f, enum contract_state s)
{
	struct contract_status r = {
		.generation = (uint32_t)f->generation, .state = (uint8_t)s, .at_us = time_now_us()
	};

	f->state = s;
	f->beat_us = r.at_us + CONTRACT_BEAT_US;
	(void)!write(CONTRACT_STATUS, &r, sizeof(r)); /* full, or nobody there: skip this beat */
}

static void
serve(struct fake *f)
{
	struct pollfd p[] = { { .fd = f->api ? CONTRACT_LISTENER : -1, .events = POLLIN },
		{ .fd = f->meta ? CONTRACT_REPORTS : -1, .events = POLLIN } };
	struct pollfd life = { .fd = CONTRACT_LIFE };
	char text[32];
	int fd;

	poll(p, 2, 10);
	if (poll(&life, 1, 0) != 1)
		f->orphan_us = 0;
	else if (f->orphan_us == 0)
		f->orphan_us = time_now_us();
	else if (time_now_us() - f->orphan_us > f->grace_us)
		asked = f->abandoned = true;
	if (f->state == NODE_STARTING && time_now_us() >= f->ready_us) {
		signal(
		    SIGHUP, on_hup); /* before that it dies of it, as others do while they load */
		history(f, "ready");
		say(f, NODE_READY);
	}
	if (reloads) {
		reloads = 0;
		history(f, "reload");
	}
	if (time_now_us() >= f->beat_us)
		say(f, f->state);
	if (f->api && (fd = accept4(CONTRACT_LISTENER, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		(void)!write(fd, text, (size_t)snprintf(text, sizeof(text), "%d\n", (int)getpid()));
		close(fd);
	}
	if (f->meta) {
		read_reports(f);
		send_command(f);
	}
}

static void
read_reports(struct fake *f)
{
	char path[256], fresh[256 + 8];
	struct contract_report r;
	bool any = false;
	FILE *out;

	while (read(CONTRACT_REPORTS, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
		for (int i = 0; i < REPORTS; i++) {
			if (f->table[i].node[0] == '\0' || strcmp(f->table[i].node, r.node) == 0) {
				f->table[i] = r;
				break;
			}
		}
		any = true;
	}
	snprintf(path, sizeof(path), "%s/fake/table", f->var);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (!any || (out = fopen(fresh, "we")) == NULL)
		return;
	for (int i = 0; i < REPORTS && f->table[i].node[0] != '\0'; i++)
		fprintf(out, "%s %s %d %llu %u\n", f->table[i].node,
		    contract_state_name(f->table[i].state), f->table[i].pid,
		    (unsigned long long)f->table[i].generation, f->table[i].restarts);
	fclose(out);
	rename(fresh, path);
}

static void
send_command(const struct fake *f)
{
	struct contract_command c = { 0 };
	char path[256], taken[256 + 8];
	FILE *in;

	snprintf(path, sizeof(path), "%s/fake/command", f->var);
	snprintf(taken, sizeof(taken), "%s.taken", path);
	if (rename(path, taken) < 0 || (in = fopen(taken, "re")) == NULL)
		return;
	if (fscanf(in, "%u %23s", &c.verb, c.node) == 2)
		(void)!write(CONTRACT_COMMANDS, &c, sizeof(c));
	fclose(in);
}
