/* submit: the C client in one page. Logs in as the administrator of a local fleet, submits one
 * TaskRequest with a deadline, prints the result and the path that it took.
 *
 *	cc -o submit submit.c $(pkg-config --cflags --libs metafed)
 *	./submit VAR TITLE */
#include <metafed/methods.h>
#include <stdio.h>
#include <string.h>

/* VAR/admin.json is one object of two strings without escapes: {"username":"...","password":"..."} */
static int
read_admin(const char *var, char name[64], char password[128])
{
	char path[512];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "%s/admin.json", var);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	n = fscanf(
	    f, " { \"username\" : \"%63[^\"]\" , \"password\" : \"%127[^\"]\"", name, password);
	fclose(f);
	return n == 2;
}

static void
print(const Mf__TaskResponse *r)
{
	printf("%.*s\n", (int)r->result.len, (const char *)r->result.data);
	for (size_t l = 0; l < r->n_execution_trace; l++)
		for (size_t i = 0; i < r->execution_trace[l]->n_hops; i++)
			printf("level %u  %-10s %s  %llu us\n", r->execution_trace[l]->level,
			    r->execution_trace[l]->hops[i]->node,
			    r->execution_trace[l]->hops[i]->method,
			    (unsigned long long)r->execution_trace[l]->hops[i]->duration_us);
}

int
main(int argc, char **argv)
{
	Mf__TaskRequest q = MF__TASK_REQUEST__INIT;
	Mf__DatabaseRequirement db = MF__DATABASE_REQUIREMENT__INIT;
	Mf__AuthRequirement auth = MF__AUTH_REQUIREMENT__INIT;
	char why[256], name[64], password[128], task[512];
	struct metafed_client *c = argc == 3 ? metafed_open(argv[1], 0, why, sizeof(why)) : NULL;
	struct metafed_call *login, *k;
	const Mf__TaskResponse *r;
	int status = 1;

	if (c == NULL)
		return fprintf(stderr, "%s\n", argc == 3 ? why : "usage: submit VAR TITLE"), 2;
	login = metafed_call_new(c);
	k = metafed_call_new(c);
	snprintf(task, sizeof(task), "{\"title\":\"%s\"}", argv[2]);
	db.operation = "create";
	db.model = "task";
	db.data.data = (uint8_t *)task;
	db.data.len = strlen(task);
	auth.require_permission = "task.create";
	q.priority = MF__PRIORITY__HIGH;
	q.want_trace = 1;
	q.database = &db;
	q.auth = &auth;
	metafed_call_set_deadline(k, 2000);
	if (!read_admin(argv[1], name, password) ||
	    metafed_login(login, name, password) != METAFED_OK)
		fprintf(stderr, "log-in: %s\n", metafed_call_message(login));
	else if (metafed_execute(k, &q, &r) != METAFED_OK)
		fprintf(stderr, "not done: %s (%s)\n", metafed_call_message(k),
		    metafed_code_name(metafed_call_code(k)));
	else if (!r->success)
		fprintf(stderr, "refused: %s\n", r->problem->message);
	else
		print(r), status = 0;
	metafed_call_free(k);
	metafed_call_free(login);
	metafed_close(c);
	return status;
}
