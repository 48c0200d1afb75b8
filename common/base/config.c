/* config: builds a node's configuration from its key tables.
 *
 * Each value goes through one setter, whatever its source, in the order default, common part of the
 * file, the node's own part, environment, command line: later ones win, and each is checked. Errors
 * say FILE:LINE (or where else it was said) and the key; the value of a secret key is never
 * repeated. */
#include "base/config_inside.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "base/time.h"

#define ENV_NAME 128

static bool
set_path(struct loader *l, const struct slot *s, struct str value, const char *base_dir);
static bool set_number(const struct config_key *k, char *out, struct str value);
static bool parse_bytes(struct str s, int64_t *out);
static bool in_bounds(const struct config_key *k, int64_t v);
static void describe(const struct config_key *k, char *out, size_t size);
static bool next_slot(const struct loader *l, struct slot *s);
static bool load_defaults(struct loader *l);
static bool keeps(const struct slot *s);
static bool load_env(struct loader *l);
static const char *
env_value(const struct loader *l, const char *node, const char *key, char name[ENV_NAME]);
static bool load_sets(struct loader *l);
static void print_value(FILE *f, const struct config_key *k, const char *at);
static const char *value_text(const struct config_key *k, const char *at, char number[40]);
static void print_unit(char *out, size_t size, enum config_type type, int64_t v);

/* In this order: later ones win. */
static bool (*const stages[])(struct loader *) = {
	[CONFIG_DEFAULT] = load_defaults,
	[CONFIG_FILE] = config_read_file,
	[CONFIG_ENVIRONMENT] = load_env,
	[CONFIG_COMMAND_LINE] = load_sets,
};

bool
config_load(struct arena *a, const struct config_key *const *tables, void *const *outs,
    size_t n_tables, const struct config_source *src, char *err, size_t err_size)
{
	struct loader l = { .a = a,
		.tables = tables,
		.outs = outs,
		.n_tables = n_tables,
		.src = src,
		.err = err,
		.err_size = err_size };

	if (err_size > 0)
		err[0] = '\0';
	for (; l.stage <= CONFIG_COMMAND_LINE; l.stage++)
		if (!stages[l.stage](&l))
			return false;
	if (src->from != NULL)
		*src->from = arena_dup(a, l.from, sizeof(l.from));
	return true;
}

void
config_print(FILE *f, const struct config_key *const *tables, void *const *outs, size_t n_tables)
{
	const char *part = "";

	for (size_t t = 0; t < n_tables; t++) {
		for (const struct config_key *k = tables[t]; k->name != NULL; k++) {
			const char *slash = strchr(k->name, '/');
			size_t n = slash == NULL ? 0 : (size_t)(slash - k->name);

			if (n != 0 && (strlen(part) < n || strncmp(part, k->name, n + 1) != 0))
				fprintf(f, "[%.*s]\n", (int)n, k->name);
			part = k->name;
			fprintf(f, "# %s%s\n%s = ", k->help == NULL ? "" : k->help,
			    k->restart ? " (a change needs a restart)" : "",
			    k->name + (n == 0 ? 0 : n + 1));
			print_value(f, k, (const char *)outs[t] + k->offset);
			fputc('\n', f);
		}
	}
}

const char *
config_from_name(enum config_from f)
{
	static const char *const names[] = { [CONFIG_DEFAULT] = "default",
		[CONFIG_FILE] = "file",
		[CONFIG_ENVIRONMENT] = "environment",
		[CONFIG_COMMAND_LINE] = "command line" };

	return names[f];
}

const char *
config_text(struct arena *a, const struct config_key *k, const void *at)
{
	char number[40];

	return arena_strdup(a, value_text(k, at, number));
}

bool
config_differs(const struct config_key *k, const void *a, const void *b)
{
	if (k->type == CONFIG_STR || k->type == CONFIG_PATH)
		return strcmp(*(const char *const *)a, *(const char *const *)b) != 0;
	return memcmp(a, b, config_size(k)) != 0;
}

size_t
config_size(const struct config_key *k)
{
	switch (k->type) {
	case CONFIG_STR:
	case CONFIG_PATH:
		return sizeof(const char *);
	case CONFIG_BOOL:
		return sizeof(bool);
	case CONFIG_NUM:
		return sizeof(double);
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_BYTES:
		break;
	}
	return sizeof(int64_t);
}

/* The key behind that of *s, over all tables; behind a slot of zeros stands the first. */
static bool
next_slot(const struct loader *l, struct slot *s)
{
	if (s->key != NULL) {
		s->key++;
		s->index++;
	} else if (l->n_tables > 0) {
		s->key = l->tables[0];
	} else {
		return false;
	}
	while (s->key->name == NULL) {
		if (++s->table == l->n_tables)
			return false;
		s->key = l->tables[s->table];
	}
	s->out = (char *)l->outs[s->table] + s->key->offset;
	return true;
}

static bool
load_defaults(struct loader *l)
{
	for (struct slot s = { 0 }; next_slot(l, &s);) {
		const char *def = s.key->def == NULL ? "" : s.key->def;

		if (s.index >= CONFIG_KEYS_MAX)
			return config_complain(
			    l, "default", "%s: more than %d keys", s.key->name, CONFIG_KEYS_MAX);
		if (!keeps(&s) && !config_set(l, &s, str_of(def), "default", NULL))
			return false;
	}
	return true;
}

/* Its default is what stands there; a text always is one. */
static bool
keeps(const struct slot *s)
{
	bool text = s->key->type == CONFIG_STR || s->key->type == CONFIG_PATH;

	return s->key->def == NULL && (!text || *(const char *const *)(void *)s->out != NULL);
}

static bool
load_env(struct loader *l)
{
	for (struct slot s = { 0 }; next_slot(l, &s);) {
		char name[ENV_NAME];
		const char *v = env_value(l, l->src->node, s.key->name, name);

		if (v == NULL)
			v = env_value(l, NULL, s.key->name, name);
		if (v != NULL && !config_set(l, &s, str_of(v), name, NULL))
			return false;
	}
	return true;
}

/* NULL: it is not there. */
static const char *
env_value(const struct loader *l, const char *node, const char *key, char name[ENV_NAME])
{
	size_t n;

	config_env_name(name, ENV_NAME, node, key);
	n = strlen(name);
	for (char *const *e = l->src->env; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

static bool
load_sets(struct loader *l)
{
	struct str name, value;
	struct slot s;

	for (char *const *set_arg = l->src->sets; set_arg != NULL && *set_arg != NULL; set_arg++) {
		if (!str_cut(str_of(*set_arg), '=', &name, &value))
			return config_complain(l, "--set", "expected key=value");
		name = str_trim(name);
		if (!config_find(l, name, &s))
			return config_unknown(l, "--set", name);
		if (!config_set(l, &s, str_trim(value), "--set", NULL))
			return false;
	}
	return true;
}

bool
config_find(const struct loader *l, struct str name, struct slot *out)
{
	*out = (struct slot){ 0 };
	while (next_slot(l, out))
		if (str_eq(name, out->key->name))
			return true;
	return false;
}

bool
config_set(struct loader *l, const struct slot *s, struct str value, const char *where,
    const char *base_dir)
{
	const struct config_key *k = s->key;
	char want[160];
	bool fine;

	l->from[s->index] = (uint8_t)l->stage;
	switch (k->type) {
	case CONFIG_STR:
		*(const char **)(void *)s->out = arena_strndup(l->a, value.p, value.n);
		return true;
	case CONFIG_PATH:
		return set_path(l, s, value, base_dir) ||
		       config_complain(l, where, "%s: path too long", k->name);
	case CONFIG_BOOL:
		fine = str_bool(value, (bool *)(void *)s->out);
		break;
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_BYTES:
	case CONFIG_NUM:
		fine = set_number(k, s->out, value);
		break;
	default:
		fine = false;
	}
	if (fine)
		return true;
	describe(k, want, sizeof(want));
	if (k->secret)
		return config_complain(l, where, "%s: must be %s", k->name, want);
	return config_complain(l, where, "%s: \"%.*s\": must be %s", k->name,
	    (int)(value.n < 80 ? value.n : 80), value.p, want);
}

/* Relative to the file that said it; from elsewhere to the working directory. */
static bool
set_path(struct loader *l, const struct slot *s, struct str value, const char *base_dir)
{
	const char **out = (const char **)(void *)s->out;
	char cwd[PATH_MAX];

	if (value.n >= PATH_MAX)
		return false;
	if (value.n == 0 || value.p[0] == '/') {
		*out = arena_strndup(l->a, value.p, value.n);
		return true;
	}
	if (base_dir == NULL)
		base_dir = getcwd(cwd, sizeof(cwd));
	if (base_dir == NULL)
		return false;
	*out = arena_printf(l->a, "%s/%.*s", base_dir, (int)value.n, value.p);
	return true;
}

static bool
set_number(const struct config_key *k, char *out, struct str value)
{
	double num;
	int64_t v;
	bool fine;

	if (k->type == CONFIG_NUM) {
		if (!str_double(value, &num) || ((k->min != 0 || k->max != 0) &&
						    (num < (double)k->min || num > (double)k->max)))
			return false;
		*(double *)(void *)out = num;
		return true;
	}
	if (k->type == CONFIG_INT)
		fine = str_i64(value, INT64_MIN, INT64_MAX, &v);
	else if (k->type == CONFIG_DURATION)
		fine = time_parse_duration(value, &v);
	else
		fine = parse_bytes(value, &v);
	if (!fine || !in_bounds(k, v))
		return false;
	*(int64_t *)(void *)out = v;
	return true;
}

/* "64k", "1m", "2g" (powers of 1024), or plain bytes. */
static bool
parse_bytes(struct str s, int64_t *out)
{
	static const char units[] = "kmg";
	const char *unit;
	unsigned shift = 0;
	uint64_t v;

	if (s.n > 0 && s.p[s.n - 1] != '\0' &&
	    (unit = strchr(units, s.p[s.n - 1] | 0x20)) != NULL) {
		shift = 10 * (unsigned)(unit - units + 1);
		s.n--;
	}
	if (!str_u64(s, (uint64_t)INT64_MAX >> shift, &v))
		return false;
	*out = (int64_t)(v << shift);
	return true;
}

static bool
in_bounds(const struct config_key *k, int64_t v)
{
	return (k->min == 0 && k->max == 0) || (v >= k->min && v <= k->max);
}

/* What the table would take, in words: "a duration from 1ms to 5m". */
static void
describe(const struct config_key *k, char *out, size_t size)
{
	static const char *const words[] = {
		[CONFIG_STR] = "text",
		[CONFIG_PATH] = "a path",
		[CONFIG_INT] = "a whole number",
		[CONFIG_DURATION] = "a duration like 250ms, 5s, 2m",
		[CONFIG_BYTES] = "a size like 64k, 1m",
		[CONFIG_BOOL] = "true or false",
		[CONFIG_NUM] = "a number",
	};
	char low[32], high[32];

	if (k->type == CONFIG_BOOL || (k->min == 0 && k->max == 0)) {
		snprintf(out, size, "%s", words[k->type]);
		return;
	}
	print_unit(low, sizeof(low), k->type, k->min);
	print_unit(high, sizeof(high), k->type, k->max);
	snprintf(out, size, "%s, from %s to %s", words[k->type], low, high);
}

bool
config_complain(struct loader *l, const char *where, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(l->err, l->err_size, "%s: %s", where, what);
	return false;
}

bool
config_unknown(struct loader *l, const char *where, struct str name)
{
	const char *key = arena_strndup(l->a, name.p, name.n);
	struct config_near near = { NULL, 0 };

	for (struct slot s = { 0 }; next_slot(l, &s);)
		config_near(&near, key, s.key->name);
	return config_complain(l, where, "%s: no such key%s%s%s", key,
	    near.best == NULL ? "" : "; is ", near.best == NULL ? "" : near.best,
	    near.best == NULL ? "" : " meant?");
}

static void
print_value(FILE *f, const struct config_key *k, const char *at)
{
	char number[40];

	fputs(k->secret ? "***" : value_text(k, at, number), f);
}

static const char *
value_text(const struct config_key *k, const char *at, char number[40])
{
	switch (k->type) {
	case CONFIG_STR:
	case CONFIG_PATH:
		return *(const char *const *)(const void *)at;
	case CONFIG_BOOL:
		return *(const bool *)(const void *)at ? "true" : "false";
	case CONFIG_NUM:
		snprintf(number, 40, "%.9g", *(const double *)(const void *)at);
		break;
	case CONFIG_INT:
	case CONFIG_DURATION:
	case CONFIG_BYTES:
		print_unit(number, 40, k->type, *(const int64_t *)(const void *)at);
		break;
	}
	return number;
}

/* In the largest unit that says it exactly. */
static void
print_unit(char *out, size_t size, enum config_type type, int64_t v)
{
	static const struct {
		enum config_type type;
		int64_t size;
		const char *name;
	} units[] = {
		{ CONFIG_DURATION, 86400 * SEC, "d" },
		{ CONFIG_DURATION, 3600 * SEC, "h" },
		{ CONFIG_DURATION, 60 * SEC, "m" },
		{ CONFIG_DURATION, SEC, "s" },
		{ CONFIG_DURATION, MS, "ms" },
		{ CONFIG_DURATION, 1, "us" },
		{ CONFIG_BYTES, 1 << 30, "g" },
		{ CONFIG_BYTES, 1 << 20, "m" },
		{ CONFIG_BYTES, 1 << 10, "k" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].type == type && v != 0 && v % units[i].size == 0) {
			snprintf(out, size, "%" PRId64 "%s", v / units[i].size, units[i].name);
			return;
		}
	}
	snprintf(out, size, "%" PRId64, v);
}
