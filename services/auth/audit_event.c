/* audit_event: see audit_event.h. The table below is what a record may say, in the order of the
 * names. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "auth/audit_event.h"
#include "base/json.h"
#include "base/time.h"

enum how { TEXT, NUMBER, RAW, TIME, ID };

static const struct member {
	const char *name;
	enum how how;
	size_t offset, most; /* most: bytes of a text */
} members[] = {
#define AT(f) offsetof(struct audit_event, f)
	{ "actor", TEXT, AT(actor), 64 },
	{ "address", TEXT, AT(address), 64 },
	{ "agent", TEXT, AT(agent), 32 },
	{ "at", TIME, 0, 0 },
	{ "begins", NUMBER, AT(begins), 0 },
	{ "cause", TEXT, AT(cause), 64 },
	{ "client_id", TEXT, AT(client_id), 200 },
	{ "count", NUMBER, AT(count), 0 },
	{ "counts", RAW, AT(counts), 0 },
	{ "detail", TEXT, AT(detail), 500 },
	{ "id", ID, 0, 0 },
	{ "jws", TEXT, AT(jws), 4096 },
	{ "key", RAW, AT(key), 0 },
	{ "kind", TEXT, AT(kind), 64 },
	{ "method", TEXT, AT(method), 32 },
	{ "model", TEXT, AT(model), 100 },
	{ "name", TEXT, AT(name), 64 },
	{ "object", TEXT, AT(object), 200 },
	{ "operation", TEXT, AT(operation), 32 },
	{ "operation_id", TEXT, AT(operation_id), 64 },
	{ "outcome", TEXT, AT(outcome), 32 },
	{ "permission", TEXT, AT(permission), 200 },
	{ "policy", TEXT, AT(policy), 64 },
	{ "reasons", TEXT, AT(reasons), 300 },
	{ "resource", TEXT, AT(resource), 300 },
	{ "risk", NUMBER, AT(risk), 0 },
	{ "session", TEXT, AT(session), 64 },
	{ "subject", TEXT, AT(subject), 64 },
	{ "user_agent", TEXT, AT(user_agent), 300 },
#undef AT
};

static const char *clean(struct arena *a, const char *s, size_t most);
static void put_number(struct jw *w, const struct member *m, uint64_t v);

char *
audit_event_text(
    struct arena *a, const struct audit_event *e, const char id[UUID_LEN], int64_t at_us)
{
	char at[TIME_RFC3339_LEN];
	struct jw w;

	time_rfc3339(at_us, at);
	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct member *m = &members[i];
		const void *p = (const char *)e + m->offset;
		const char *s;

		if (m->how == TIME || m->how == ID) {
			jw_str(&w, m->name, m->how == TIME ? at : id);
			continue;
		}
		if (m->how == NUMBER) {
			put_number(&w, m, *(const uint64_t *)p);
			continue;
		}
		s = *(const char *const *)p;
		if (s == NULL || s[0] == '\0')
			continue;
		if (m->how == RAW)
			jw_raw(&w, m->name, s, strlen(s));
		else
			jw_str(&w, m->name, clean(a, s, m->most));
	}
	jw_close(&w, '}');
	return jw_text(&w, NULL);
}

static void
put_number(struct jw *w, const struct member *m, uint64_t v)
{
	if (v != 0)
		jw_int(w, m->name, (int64_t)v - (strcmp(m->name, "risk") == 0));
}

/* Texts come from clients: what is no character becomes a '?', what is none to be seen a blank, so
 * that every JSON writer writes them alike. */
static const char *
clean(struct arena *a, const char *s, size_t most)
{
	size_t n = strlen(s), step;
	char *out = arena_alloc(a, most + 1), *p = out;

	for (size_t i = 0; i < n; i += step) {
		step = str_utf8_char(s + i, n - i);
		if ((size_t)(p - out) + (step == 0 ? 1 : step) > most)
			break;
		if (step == 0) {
			*p++ = '?';
			step = 1;
		} else if (step == 1) {
			*p++ = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
		} else {
			memcpy(p, s + i, step);
			p += step;
		}
	}
	*p = '\0';
	return out;
}

char *
audit_record_text(struct arena *a, const char *event, uint64_t number, const char *previous)
{
	return arena_printf(a, "{\"event\":%s,\"number\":%" PRIu64 ",\"previous\":\"%s\"}", event,
	    number, previous);
}

void
audit_record_hash(const char *text, size_t n, char out[AUDIT_HASH_LEN])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(hash, (const uint8_t *)text, n);
	(void)str_hex(hash, sizeof(hash), out);
}

char *
audit_canonical(const json_t *v)
{
	return json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

void
audit_number_id(uint64_t number, char out[AUDIT_NUMBER_LEN])
{
	(void)snprintf(out, AUDIT_NUMBER_LEN, "%016" PRIu64, number % UINT64_C(10000000000000000));
}

bool
audit_id_number(const char *id, uint64_t *out)
{
	return strlen(id) == AUDIT_NUMBER_LEN - 1 && str_u64(str_of(id), INT64_MAX, out);
}
