/* submit: the typed client in one page. Logs in as the administrator of a local fleet, submits one
 * TaskRequest with a
 * deadline, prints the result and the path that it took.   Usage: submit VAR TITLE */
#include <stdio.h>
#include <string.h>
#include "base/id.h"
#include "base/json.h"
#include "client/client.h"

int
main(int argc, char **argv)
{
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__DatabaseRequirement db = MF__DATABASE_REQUIREMENT__INIT;
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	const Mf__TaskResponse *r;
	char err[256], path[512], id[UUID_LEN], *task;
	struct failure f;
	json_t *admin;

	struct client *c = argc == 3 ? client_open(argv[1], err, sizeof(err)) : NULL;
	if (c == NULL)
		return fprintf(stderr, "%s\n", argc == 3 ? err : "usage: submit VAR TITLE"), 2;
	snprintf(path, sizeof(path), "%s/admin.json", argv[1]);
	admin = json_load_file(path, 0, NULL);
	if (client_login(c, json_string_value(json_object_get(admin, "username")) ?: "",
		json_string_value(json_object_get(admin, "password")) ?: "", &f) == NULL)
		return fprintf(stderr, "log-in: %s\n", f.message), 1;
	json_decref(admin);

	/* ours, so that sending it again makes nothing twice */
	uuid7(id);
	admin = json_pack("{s:s}", "title", argv[2]);
	task = json_dumps(admin, JSON_COMPACT);
	db.operation = (char[]){ "create" };
	db.model = (char[]){ "task" };
	db.id = id;
	db.data.data = (uint8_t *)task;
	db.data.len = strlen(task);
	auth.require_permission = (char[]){ "task.create" };
	q.task_id = id;
	q.priority = MF__PRIORITY__HIGH;
	q.deadline_ms = 2000;
	q.want_trace = true;
	q.database = &db;
	q.auth = &auth;
	r = client_execute(c, &q, &f);
	if (r == NULL || !r->success)
		return fprintf(stderr, "failed: %s\n", r == NULL ? f.message : r->problem->message),
		       1;
	printf("%.*s\n", (int)r->result.len, (const char *)r->result.data);
	for (size_t l = 0; l < r->n_execution_trace; l++)
		for (size_t i = 0; i < r->execution_trace[l]->n_hops; i++)
			printf("level %u  %-10s %s  %llu us\n", r->execution_trace[l]->level,
			    r->execution_trace[l]->hops[i]->node,
			    r->execution_trace[l]->hops[i]->method,
			    (unsigned long long)r->execution_trace[l]->hops[i]->duration_us);
	json_decref(admin);
	client_close(&c);
	return 0;
}
