/* value: what arguments are and what resolvers give, and what goes wrong. See gql.h. */
#ifndef GQL_VALUE_H
#define GQL_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "base/str.h"

/* --- values (value.c) --- */
enum gql_kind {
	GQL_ABSENT, /* an argument that was not given */
	GQL_NULL,
	GQL_BOOL,
	GQL_INT,
	GQL_FLOAT,
	GQL_STRING, /* also of ID, and of custom scalars as they like */
	GQL_ENUM,
	GQL_LIST,
	GQL_MAP,  /* an input object */
	GQL_JSON, /* of a custom scalar: a JSON value */
	GQL_RAW,  /* of a custom scalar: a JSON text */
	/* from resolvers only */
	GQL_OBJECT,  /* whatever the host's resolvers understand */
	GQL_FAILED,  /* the field, or this item of a list, failed */
	GQL_PENDING, /* gql_settle will come */
};

struct gql_map;
struct gql_value {
	enum gql_kind kind;
	uint32_t n; /* bytes of a text, items of a list */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *text; /* NUL-ended as well */
		const struct gql_value *list;
		const struct gql_map *map;
		const json_t *json;
		const void *object;
		const struct failure *failure;
	};
};
struct gql_map { /* its members stand as the type declares them */
	const struct gql_type *type;
	const struct gql_value *members;
};

struct gql_value gql_null(void);
struct gql_value gql_bool(bool v);
struct gql_value gql_int(int64_t v);
struct gql_value gql_float(double v);
struct gql_value gql_string(const char *s); /* NULL: null */
struct gql_value gql_stringn(const char *s, size_t n);
struct gql_value gql_list(const struct gql_value *items, size_t n);
struct gql_value gql_object(const void *object); /* NULL: null */
struct gql_value gql_json(const json_t *v);      /* NULL: null */
struct gql_value gql_failed(const struct failure *f);
/* Of an input object: absent when it was not given. */
struct gql_value gql_member(const struct gql_value *map, const char *name);
static inline bool
gql_given(struct gql_value v) /* and not null */
{
	return v.kind > GQL_NULL;
}
void gql_value_write(struct jw *w, const char *key, const struct gql_value *v);
/* The same with other names for the fields of input objects. */
typedef const char *gql_name_fn(struct arena *a, const char *name);
void
gql_value_write_as(struct jw *w, const char *key, const struct gql_value *v, gql_name_fn *rename);

/* --- errors (error.c) --- */
#define GQL_ERRORS_MOST 100

struct gql_step { /* of a path, seen from its end: a response name, or a place in a list */
	const struct gql_step *up;
	const char *name; /* NULL: a place */
	uint32_t place;
};
struct gql_error {
	const char *message;
	uint32_t at[2]; /* offsets into the document */
	unsigned n_at;
	const struct gql_step *path; /* NULL: not of a field */
	const struct failure *why;   /* code, reason and so on */
	struct gql_error *next;
};
struct gql_errors {
	struct arena *a;
	struct str text; /* the document: for lines and columns */
	struct gql_error *first, **end;
	size_t n; /* beyond GQL_ERRORS_MOST they are counted only */
	struct gql_error spare;
};

extern const struct failure gql_parse_failed, gql_validation_failed, gql_too_complex,
    gql_bad_variables, gql_no_operation;

void gql_errors_init(struct gql_errors *e, struct arena *a);
/* why lives as long as e. The last one: at[0], at[1] and n_at may be set by the caller. */
struct gql_error *gql_error_add(struct gql_errors *e, const struct failure *why, uint32_t at,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* "errors":[...], with code, reason and trace_id ("": none) as extensions. */
void gql_errors_write(struct jw *w, const struct gql_errors *e, const char *trace_id);
void gql_locate(struct str text, uint32_t at, uint32_t *line, uint32_t *column);

#endif
