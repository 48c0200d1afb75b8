/* json: reading with jansson under limits, writing without it.
 *
 * Reader: RFC 8259, UTF-8, duplicate keys refused, depth at most 32, numbers that don't fit
 * refused, no NUL in strings. Writer: appends to an arena; never fails; strings are escaped; a
 * string that is not UTF-8 gets U+FFFD. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/str.h"

struct json_error {
	char what[160]; /* "unexpected '}'" */
	size_t offset;  /* bytes from the start */
	int line, column;
};

/* NULL: *e says why. The value must be released with json_decref, or bound to a call: call_own_json
 * (bus/call.h). */
json_t *
json_read(const void *p, size_t n, struct json_error *e) __attribute__((warn_unused_result));

/* A page of a list, {"items":[...],"next_cursor":...}: each(ctx, item) until one says false. False:
 * that, or it is no page. *next: the cursor of the page after it, in a; NULL: there is none. */
typedef bool json_item_fn(void *ctx, const json_t *item);
bool json_page(struct arena *a, const void *p, size_t n, json_item_fn *each, void *ctx,
    const char **next) __attribute__((warn_unused_result));

struct jw { /* JSON writer; p is NUL-ended at any time after jw_end/jw_text */
	struct arena *a;
	char *p;
	size_t n, cap;
	bool comma;
};

void jw_start(struct jw *w, struct arena *a, size_t size_hint);
void jw_object(struct jw *w, const char *key); /* key NULL inside arrays and at the top */
void jw_array(struct jw *w, const char *key);
void jw_close(struct jw *w, char bracket);                 /* '}' or ']' */
void jw_str(struct jw *w, const char *key, const char *s); /* s NULL: null */
void jw_strn(struct jw *w, const char *key, const char *s, size_t n);
void jw_int(struct jw *w, const char *key, int64_t v);
/* reads back as the same real, whole ones too ("200.0"); not finite: null */
void jw_num(struct jw *w, const char *key, double v);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_null(struct jw *w, const char *key);
/* a JSON text as it is; n 0: null */
void jw_raw(struct jw *w, const char *key, const void *json, size_t n);
/* compact, keys in order of insertion */
void jw_json(struct jw *w, const char *key, const json_t *v);
void jw_time(struct jw *w, const char *key, int64_t wall_us); /* RFC 3339 */
/* what was written; valid as long as the arena */
char *jw_text(struct jw *w, size_t *n);

#endif
