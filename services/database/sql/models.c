/* models: the table. It is the reference for every caller of Database.Read and Write; README.md
 * says it in prose. `namespace` and `created_by` are set from the operation. */
#include <string.h>
#include "database/sql/models.h"

/* clang-format off */
#define G	FIELD_GIVEN
#define P	FIELD_PATCHED
#define R	FIELD_REQUIRED
#define F	FIELD_FILTER
#define U	FIELD_UNIQUE
#define S	FIELD_SORT
#define KEPT	{ "version", FIELD_INT, R, "1", 0, 0 },			\
		{ "created_at", FIELD_TIME, R | S, NULL, 0, 0 },		\
		{ "updated_at", FIELD_TIME, R | S, NULL, 0, 0 }

const char *const task_states[] = {
	"SCHEDULED", "QUEUED", "RUNNING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED", NULL,
};
const char *const task_priorities[] = { NULL, "CRITICAL", "HIGH", "MEDIUM", "LOW" };

static const struct field task_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "namespace",		FIELD_NAME,	R,			"default",	1, 64 },
	{ "title",		FIELD_TEXT,	G | P | R,		NULL,		1, 1000 },
	{ "description",	FIELD_TEXT,	G | P,			NULL,		0, 100000 },
	{ "type",		FIELD_NAME,	G | P | R | F | S,		"manual",	1, 100 },
	{ "priority",		FIELD_PRIORITY,	G | P | R | F | S,		"3",		1, 4 },
	{ "state",		FIELD_STATE,	G | P | R | F | S,		"QUEUED",	0, 0 },
	{ "labels",		FIELD_LABELS,	G | P | R | F,		"{}",		0, 100 },
	{ "payload",		FIELD_JSON,	G | P,			NULL,		0, 262144 },
	{ "created_by",		FIELD_TEXT,	F,			NULL,		0, 200 },
	KEPT,
};

static const struct field user_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "username",		FIELD_NAME,	G | P | R | F | U | S,	NULL,		1, 64 },
	{ "password_hash",	FIELD_TEXT,	G | P,			NULL,		1, 1000 },
	{ "roles",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	{ "disabled",		FIELD_BOOL,	G | P | R | F,		"false",	0, 0 },
	KEPT,
};

static const struct field session_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "user_id",		FIELD_UUID,	G | R | F,		NULL,		0, 0 },
	{ "expires_at",		FIELD_TIME,	G | P | R,		NULL,		0, 0 },
	KEPT,
};

static const struct field role_fields[] = {
	{ "id",			FIELD_NAME,	G | R | U,		NULL,		1, 64 },
	{ "permissions",	FIELD_STRINGS,	G | P | R,		"[]",		0, 1000 },
	{ "inherits",		FIELD_STRINGS,	G | P | R,		"[]",		0, 64 },
	KEPT,
};

static const struct field revocation_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "kind",		FIELD_NAME,	G | R | F,		NULL,		1, 64 },
	{ "value",		FIELD_TEXT,	G | P | R | F,		NULL,		1, 500 },
	{ "expires_at",		FIELD_TIME,	G | P,			NULL,		0, 0 },
	KEPT,
};

/* What an API agent keeps of requests with an Idempotency-Key; thrown away a day after its creation. */
static const struct field idempotency_fields[] = {
	{ "id",			FIELD_UUID,	G | R | U,		NULL,		0, 0 },
	{ "fingerprint",	FIELD_TEXT,	G | R,			NULL,		64, 64 },
	{ "operation_id",	FIELD_UUID,	G | R,			NULL,		0, 0 },
	{ "claimed_until",	FIELD_INT,	G | P | R,		NULL,		0, INT64_MAX },
	{ "response",		FIELD_JSON,	P,			NULL,		0, 900000 },
	KEPT,
};

#define MODEL(n, t, ns, by, in, f) \
	{ .name = (n), .table = (t), .namespaced = (ns), .authored = (by), .internal = (in),	\
	  .id = (f), .n_fields = sizeof(f) / sizeof((f)[0]), .fields = (f) }

const struct model sql_models[] = {
	MODEL("task", "tasks", true, true, false, task_fields),
	MODEL("user", "users", false, false, true, user_fields),
	MODEL("session", "sessions", false, false, true, session_fields),
	MODEL("role", "roles", false, false, true, role_fields),
	MODEL("revocation", "revocations", false, false, true, revocation_fields),
	MODEL("idempotency", "idempotency", false, false, true, idempotency_fields),
};
const size_t sql_n_models = sizeof(sql_models) / sizeof(sql_models[0]);
/* clang-format on */

const struct model *
model_find(const char *name)
{
	for (size_t i = 0; i < sql_n_models; i++)
		if (strcmp(sql_models[i].name, name) == 0)
			return &sql_models[i];
	return NULL;
}

const struct field *
model_field(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (strcmp(m->fields[i].name, name) == 0)
			return &m->fields[i];
	return NULL;
}

/* PostgreSQL names them TABLE_pkey and TABLE_COLUMN_key. */
const char *
model_unique(const struct model *m, const char *constraint)
{
	size_t n = strlen(m->table);

	if (strncmp(constraint, m->table, n) != 0 || constraint[n] != '_')
		return "fields";
	constraint += n + 1;
	if (strcmp(constraint, "pkey") == 0)
		return m->id->name;
	for (size_t i = 0; i < m->n_fields; i++) {
		n = strlen(m->fields[i].name);
		if (strncmp(constraint, m->fields[i].name, n) == 0 &&
		    strcmp(constraint + n, "_key") == 0)
			return m->fields[i].name;
	}
	return "fields";
}
