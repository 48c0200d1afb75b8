/* calls: each way a call can end, a line for each. client.py does the same in Python, without a
 * library, and prints the same.
 *
 *	cc -o calls calls.c $(pkg-config --cflags --libs metafed)
 *	./calls VAR < VAR/admin.json */
#include <metafed/methods.h>
#include <stdio.h>
#include <string.h>

static struct metafed_client *client;

/* What became of a request: the call's own code, or the response's. */
static void
tell(const char *what, struct metafed_call *k, const Mf__TaskResponse *r)
{
	enum metafed_code code = metafed_call_code(k);
	const char *reason = metafed_call_reason(k);

	if (r != NULL) {
		code = (enum metafed_code)r->status;
		reason = r->problem != NULL ? r->problem->reason : "";
	}
	printf("%s %s%s%s\n", what, metafed_code_name(code), reason[0] != '\0' ? " " : "", reason);
	metafed_call_free(k);
}

static struct metafed_call *
call(uint32_t deadline_ms, const char *authorization)
{
	struct metafed_call *k = metafed_call_new(client);

	metafed_call_set_deadline(k, deadline_ms);
	if (authorization != NULL && !metafed_call_set(k, "authorization", authorization))
		fprintf(stderr, "authorization: refused\n");
	return k;
}

/* One operation on tasks; the id of what it makes goes into id, of 64 bytes. */
static void
task(const char *what, const char *operation, char *id, const char *authorization)
{
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__DatabaseRequirement db = MF__DATABASE_REQUIREMENT__INIT;
	static char data[] = "{\"title\":\"by a program\"}";
	struct metafed_call *k = call(5000, authorization);
	const Mf__TaskResponse *r;
	const char *found;

	db.operation = (char *)operation;
	db.model = "task";
	if (strcmp(operation, "create") == 0) {
		db.data.data = (uint8_t *)data;
		db.data.len = strlen(data);
	} else if (strcmp(operation, "read") == 0) {
		db.id = id;
	}
	q.database = &db;
	if (metafed_execute(k, &q, &r) == METAFED_OK && strcmp(operation, "create") == 0 &&
	    r->success && (found = strstr((char *)r->result.data, "\"id\":\"")) != NULL)
		sscanf(found, "\"id\":\"%63[^\"]", id);
	tell(what, k, r);
}

static void
login(const char *what, uint32_t deadline_ms, const char *name, const char *password)
{
	struct metafed_call *k = call(deadline_ms, "");

	metafed_login(k, name, password);
	tell(what, k, NULL);
}

static void
unknown_method(void)
{
	const Mf__Empty q = MF__EMPTY__INIT;
	struct metafed_call *k = call(1000, NULL);

	metafed_call_run(k, &mf__meta__descriptor, "Nothing", &q.base);
	tell("unknown", k, NULL);
}

/* Begun, and not wanted any more. */
static void
cancelled(void)
{
	const Mf__Empty q = MF__EMPTY__INIT;
	struct metafed_call *k = call(5000, NULL);

	metafed_call_start(k, &mf__meta__descriptor, "Fleet", &q.base, NULL, NULL);
	metafed_call_cancel(k);
	metafed_call_wait(k);
	tell("cancelled", k, NULL);
}

int
main(int argc, char **argv)
{
	char why[256], name[64], password[128], id[64] = "";
	char none[64] = "01900000-0000-7000-8000-000000000000";

	if (argc != 2 || scanf(" { \"username\" : \"%63[^\"]\" , \"password\" : \"%127[^\"]\"",
			     name, password) != 2)
		return fprintf(stderr, "usage: calls VAR <VAR/admin.json\n"), 2;
	if ((client = metafed_open(argv[1], 0, why, sizeof(why))) == NULL)
		return fprintf(stderr, "%s\n", why), 2;
	login("login", 10000, name, password);
	task("submit", "create", id, NULL);
	task("read", "read", id, NULL);
	task("list", "query", id, NULL);
	task("missing", "read", none, NULL);
	task("anonymous", "create", id, "");
	task("stranger", "read", id, "nobody's");
	login("refused", 10000, name, "not the password");
	login("late", 1, name, password);
	unknown_method();
	cancelled();
	task("afterwards", "read", id, NULL);
	metafed_close(client);
	return 0;
}
