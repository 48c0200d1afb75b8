/* gw_read: see gw_read.h. What is not known is passed over, as the protocol's own server does. */
#include "api/live/gw_read.h"

#include <string.h>

#include "api/graphql/http.h"

static bool read_object(struct arena *, struct gw_message *);
static bool read_payload(struct gw_message *);
static bool read_id(struct arena *, struct gw_message *);
static bool read_authorization(struct gw_message *);
static bool read_request(struct arena *, struct gw_message *);
static bool wrong(struct gw_message *, const char *);
static void write_apq(struct jw *, const char *);

static const struct words {
	const char *type;
	bool id, request;
} table[GW_TYPES] = {
	[GW_INIT] = { "connection_init", false, false },
	[GW_PING] = { "ping", false, false },
	[GW_PONG] = { "pong", false, false },
	[GW_SUBSCRIBE] = { "subscribe", true, true },
	[GW_COMPLETE] = { "complete", true, false },
};

bool
gw_read(struct arena *a, const void *text, size_t n, struct gw_message *m)
{
	struct json_error e;

	*m = (struct gw_message){ .type = GW_TYPES, .id = "", .authorization = "" };
	if ((m->own = json_read(text, n, &e)) == NULL)
		return wrong(m, "Invalid message: it is no JSON");
	return read_object(a, m);
}

static bool
read_object(struct arena *a, struct gw_message *m)
{
	const json_t *type = json_object_get(m->own, "type");

	if (!json_is_string(type))
		return wrong(m, "Invalid message: it must be an object with a type");
	for (int i = 0; i < GW_TYPES; i++)
		if (strcmp(json_string_value(type), table[i].type) == 0)
			m->type = (enum gw_type)i;
	if (m->type == GW_TYPES)
		return wrong(m, "Invalid message: no client says a message of this type");
	if (!read_payload(m) || (table[m->type].id && !read_id(a, m)))
		return false;
	if (m->type == GW_INIT)
		return read_authorization(m);
	return !table[m->type].request || read_request(a, m);
}

static bool
read_payload(struct gw_message *m)
{
	const json_t *v = json_object_get(m->own, "payload");

	if (v == NULL || json_is_null(v))
		return true;
	m->payload = v;
	return json_is_object(v) || wrong(m, "Invalid message: its payload must be an object");
}

static bool
read_id(struct arena *a, struct gw_message *m)
{
	const json_t *id = json_object_get(m->own, "id");

	if (!json_is_string(id) || json_string_length(id) == 0 ||
	    json_string_length(id) > GW_ID_MOST)
		return wrong(m, "Invalid message: its id must be a string of 1 to 256 bytes");
	m->id = arena_strdup(a, json_string_value(id));
	return true;
}

static bool
read_authorization(struct gw_message *m)
{
	static const char *const names[] = { "authorization", "Authorization" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *v = json_object_get(m->payload, names[i]);

		if (v == NULL || json_is_null(v))
			continue;
		if (!json_is_string(v))
			return wrong(m, "Invalid message: payload.authorization must be a string");
		m->authorization = json_string_value(v);
		return true;
	}
	return true;
}

static bool
read_request(struct arena *a, struct gw_message *m)
{
	struct params p = { .a = a, .ask = &m->ask };

	m->ask.operation_name = "";
	if (m->payload == NULL)
		return wrong(m, "Invalid message: subscribe must have a payload");
	if (params_of_json(&p, m->payload))
		return true;
	return wrong(m, arena_printf(a, "Invalid message: payload: %.90s", p.wrong));
}

static bool
wrong(struct gw_message *m, const char *why)
{
	m->wrong = why;
	return false;
}

ProtobufCBinaryData
gw_request_write(struct arena *a, const struct graphql_ask *ask)
{
	ProtobufCBinaryData out;
	struct jw w;

	jw_start(&w, a, 512);
	jw_object(&w, NULL);
	if (ask->query != NULL)
		jw_str(&w, "query", ask->query);
	if (ask->apq && str_starts(ask->document_id, "sha256:"))
		write_apq(&w, ask->document_id);
	else if (ask->document_id != NULL)
		jw_str(&w, "documentId", ask->document_id);
	if (ask->operation_name[0] != '\0')
		jw_str(&w, "operationName", ask->operation_name);
	if (ask->variables != NULL)
		jw_json(&w, "variables", ask->variables);
	jw_close(&w, '}');
	out.data = (uint8_t *)jw_text(&w, &out.len);
	return out;
}

/* Its answer is another one. */
static void
write_apq(struct jw *w, const char *id)
{
	jw_object(w, "extensions");
	jw_object(w, "persistedQuery");
	jw_int(w, "version", 1);
	jw_str(w, "sha256Hash", id + strlen("sha256:"));
	jw_close(w, '}');
	jw_close(w, '}');
}

bool
gw_request_read(struct arena *a, ProtobufCBinaryData request, struct graphql_ask *ask, json_t **own)
{
	struct params p = { .a = a, .ask = ask };
	struct json_error e;

	*ask = (struct graphql_ask){ .operation_name = "" };
	*own = json_read(request.data, request.len, &e);
	return json_is_object(*own) && params_of_json(&p, *own);
}
