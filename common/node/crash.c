/* crash: see crash.h.
 *
 * The handler runs on a stack of its own (the crash may be that the other one is full), tells the
 * certain before the doubtful, and ends by the same signal with its default action, so that whoever
 * waits for the process sees how it really ended. A crash inside it ends the process at once: what was
 * told by then stays. */
#include "node/crash.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#define STACK         (64 << 10)
#define MODULES       64
#define SHARED_MEMORY "/dev/shm"
#define MISSED        16 /* frames of the handler itself, at most */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HANDLED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HANDLED false
#endif
#endif
#ifndef HANDLED
#define HANDLED true
#endif

struct module { /* a loaded file */
	uint64_t base, low, high;
	const char *path; /* as the loader has it; the program's own is "" */
};

struct line { /* text, without stdio */
	char *p;
	size_t n, size;
};

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT, SIGTRAP };

static struct crash_file unkept; /* where there is no file */
static struct crash_file *kept = &unkept;
static char path[CRASH_PATH];
static struct module modules[MODULES];
static size_t n_modules;
static atomic_int teller; /* the thread that crashed first; 0: none */

static void limit_cores(bool wanted);
static struct crash_file *map_file(const char *var, const char *node, uint64_t generation);
static int on_module(struct dl_phdr_info *info, size_t size, void *unused);
static void install(void);
static void on_crash(int sig, siginfo_t *si, void *context);
static void tell_signal(int sig, const siginfo_t *si);
static void tell_frames(const void *context);
static uint64_t where(const void *context);
static void tell_frame(struct crash_frame *f, bool is_call);
static void say(void);
static void put(struct line *l, const char *s);
static void put_number(struct line *l, uint64_t v, unsigned base);

void
crash_start(const struct crash_opts *o)
{
	struct timespec wall;
	void *warm[4];

	limit_cores(o->cores);
	if (o->var != NULL && (kept = map_file(o->var, o->node, o->generation)) == NULL) {
		log_warn("no_crash_file", L_STR("path", path), L_STR("error", strerror(errno)));
		kept = &unkept;
	}
	if (kept != &unkept) /* methods may be known already */
		memcpy(kept, &unkept, sizeof(unkept));
	clock_gettime(CLOCK_REALTIME, &wall);
	memcpy(kept->magic, CRASH_MAGIC, sizeof(kept->magic));
	snprintf(kept->node, sizeof(kept->node), "%s", o->node);
	kept->generation = o->generation;
	kept->pid = getpid();
	kept->born_at_us = wall.tv_sec * SEC + wall.tv_nsec / 1000;
	(void)backtrace(warm, 4); /* loads what it needs now, not in the handler */
	n_modules = 0;
	dl_iterate_phdr(on_module, NULL);
	if (HANDLED)
		install();
}

/* Others may write in the directory of shared memory, too: names are those of this user and this VAR, and
 * whoever reads one looks whose it is. */
void
crash_place(const char *var, char dir[CRASH_PATH], char prefix[32])
{
	uint32_t h = 2166136261u ^ geteuid(); /* FNV-1a */

	if (access(SHARED_MEMORY, W_OK | X_OK) < 0) {
		snprintf(dir, CRASH_PATH, "%s/crash", var);
		prefix[0] = '\0';
		return;
	}
	for (const char *p = var; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	snprintf(dir, CRASH_PATH, "%s", SHARED_MEMORY);
	snprintf(prefix, 32, "metafed-%08x-", h);
}

void
crash_path(const char *var, const char *node, uint64_t generation, char out[CRASH_PATH])
{
	char prefix[32];
	size_t n;

	crash_place(var, out, prefix);
	n = strlen(out);
	snprintf(out + n, CRASH_PATH - n, "/%s%s-%" PRIu64 ".raw", prefix, node, generation);
}

void
crash_end(void)
{
	if (kept != &unkept)
		unlink(path);
}

uint16_t
crash_method(const char *service, const char *method)
{
	uint32_t i = kept->n_methods;

	if (str_starts(service, "mf."))
		service += 3;
	if (i == CRASH_METHODS)
		return CRASH_METHODS - 1;
	snprintf(kept->methods[i], sizeof(kept->methods[i]), "%s.%s", service, method);
	kept->n_methods = i + 1;
	return (uint16_t)i;
}

uint32_t
crash_call(uint16_t method, uint64_t id, const char *peer, int64_t now_us)
{
	uint32_t number = kept->n_calls;
	struct crash_call *c = &kept->calls[number % CRASH_CALLS];

	*c = (struct crash_call){ .at_us = now_us,
		.took_us = CRASH_RUNNING,
		.id = id,
		.number = number,
		.method = method };
	for (size_t i = 0; i < sizeof(c->peer) - 1 && peer[i] != '\0'; i++)
		c->peer[i] = peer[i];
	kept->n_calls = number + 1;
	return number;
}

void
crash_call_over(uint32_t number, int64_t took_us)
{
	struct crash_call *c = &kept->calls[number % CRASH_CALLS];

	if (c->number == number && c->took_us == CRASH_RUNNING)
		c->took_us = took_us;
}

/* One byte, not none: the kernel does not write a file then, nor feed the program that core_pattern
 * may name, for which 0 would mean "without limit". */
static void
limit_cores(bool wanted)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_CORE, &r) < 0)
		return;
	r.rlim_cur = wanted || r.rlim_max == 0 ? r.rlim_max : 1;
	setrlimit(RLIMIT_CORE, &r);
}

/* Its pages are taken now: there may be none when they are needed. */
static struct crash_file *
map_file(const char *var, const char *node, uint64_t generation)
{
	void *p = MAP_FAILED;
	int fd, rc;

	crash_path(var, node, generation, path);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return NULL;
	if ((rc = posix_fallocate(fd, 0, sizeof(struct crash_file))) == 0)
		p = mmap(
		    NULL, sizeof(struct crash_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	else
		errno = rc;
	if (p == MAP_FAILED) {
		rc = errno;
		unlink(path);
		errno = rc;
	}
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int
on_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	struct module m = { .base = info->dlpi_addr, .low = UINT64_MAX, .path = info->dlpi_name };

	(void)size, (void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uint64_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		m.low = at < m.low ? at : m.low;
		at += info->dlpi_phdr[i].p_memsz;
		m.high = at > m.high ? at : m.high;
	}
	if (n_modules < MODULES)
		modules[n_modules++] = m;
	return 0;
}

static void
install(void)
{
	static char stack[STACK] __attribute__((aligned(64)));
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alternate, NULL); /* of this thread, which is the loop's */
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

static void
on_crash(int sig, siginfo_t *si, void *context)
{
	int me = (int)syscall(SYS_gettid), first = 0, saved = errno;

	if (!atomic_compare_exchange_strong(&teller, &first, me) && first != me) {
		for (;;)
			pause(); /* another thread is telling, and ends us all */
	}
	if (first == 0) {
		tell_signal(sig, si);
		tell_frames(context);
		kept->stage = CRASH_TOLD;
		if (kept == &unkept)
			say();
	}
	signal(sig, SIG_DFL);
	/* Sent, by abort() as well, or what goes on behind it: what faulted does so again by itself. */
	if (si->si_code <= 0 || sig == SIGTRAP || sig == SIGSYS)
		syscall(SYS_tgkill, getpid(), me, sig);
	errno = saved;
}

static void
tell_signal(int sig, const siginfo_t *si)
{
	struct timespec t;

	kept->signal = sig;
	kept->code = si->si_code;
	if (si->si_code > 0 && sig != SIGSYS)
		kept->address = (uint64_t)(uintptr_t)si->si_addr;
	else if (si->si_code == SI_USER || si->si_code == SI_QUEUE)
		kept->sender = si->si_pid;
	clock_gettime(CLOCK_REALTIME, &t);
	kept->ended_at_us = t.tv_sec * SEC + t.tv_nsec / 1000;
	clock_gettime(CLOCK_MONOTONIC, &t);
	kept->ended_us = t.tv_sec * SEC + t.tv_nsec / 1000;
	prctl(PR_GET_NAME, kept->thread);
	kept->stage = CRASH_BEGUN;
}

/* From where it happened: above that are our own. */
static void
tell_frames(const void *context)
{
	void *at[MISSED + CRASH_FRAMES];
	int n = backtrace(at, MISSED + CRASH_FRAMES), from = 0;
	uint64_t pc = where(context);
	uint32_t k = 0;

	while (from < n && (uint64_t)(uintptr_t)at[from] != pc)
		from++;
	if (from == n) { /* nowhere: a jump to no code */
		kept->frames[k++].address = pc;
		from = 0;
	}
	for (; from < n && k < CRASH_FRAMES; from++)
		kept->frames[k++].address = (uint64_t)(uintptr_t)at[from];
	kept->n_frames = k;
	for (uint32_t i = 0; i < k; i++)
		tell_frame(&kept->frames[i], i > 0);
}

static uint64_t
where(const void *context)
{
	const ucontext_t *u = context;

#if defined(__x86_64__)
	return (uint64_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return u->uc_mcontext.pc;
#else
	(void)u;
	return 0;
#endif
}

/* is_call: the address is where it would have come back to, one behind the call. */
static void
tell_frame(struct crash_frame *f, bool is_call)
{
	struct line l = { f->text, 0, sizeof(f->text) };
	const struct module *m = modules;
	const char *slash, *file;
	uint64_t offset;
	char name[64];

	while (m < modules + n_modules && (f->address < m->low || f->address >= m->high))
		m++;
	if (m == modules + n_modules) {
		put(&l, "?");
	} else {
		file = m->path[0] == '\0' ? "/proc/self/exe" : m->path;
		slash = strrchr(m->path, '/');
		put(&l, m->path[0] == '\0' ? program_invocation_short_name
			: slash == NULL    ? m->path
					   : slash + 1);
		if (crash_symbol(
			file, f->address - m->base - is_call, name, sizeof(name), &offset)) {
			put(&l, "(");
			put(&l, name);
			put(&l, "+0x");
			put_number(&l, offset + is_call, 16);
			put(&l, ")");
		}
	}
	put(&l, " [0x");
	put_number(&l, m == modules + n_modules ? f->address : f->address - m->base, 16);
	put(&l, "]");
}

static void
say(void)
{
	char text[160];
	struct line l = { text, 0, sizeof(text) };

	put(&l, kept->node);
	put(&l, ": crashed by signal ");
	put_number(&l, (uint64_t)kept->signal, 10);
	put(&l, ", thread ");
	put(&l, kept->thread);
	put(&l, "\n");
	(void)!write(STDERR_FILENO, text, l.n);
	for (uint32_t i = 0; i < kept->n_frames; i++) {
		l.n = 0;
		put(&l, "  ");
		put(&l, kept->frames[i].text);
		put(&l, "\n");
		(void)!write(STDERR_FILENO, text, l.n);
	}
}

static void
put(struct line *l, const char *s)
{
	while (*s != '\0' && l->n + 1 < l->size)
		l->p[l->n++] = *s++;
	l->p[l->n] = '\0';
}

static void
put_number(struct line *l, uint64_t v, unsigned base)
{
	char digits[24], *d = digits + sizeof(digits);

	*--d = '\0';
	do
		*--d = "0123456789abcdef"[v % base];
	while ((v /= base) > 0);
	put(l, d);
}
