/* console: a page to try queries with, for people with a browser. One file, console.html, without
 * anything from elsewhere; its style and script run by a nonce of this answer. */
#include <string.h>

#include "api/graphql/files.h"
#include "api/graphql/http.h"
#include "base/log.h"

struct str
graphql_file(const char *name)
{
	const struct file *f = graphql_files;

	while (f->name != NULL && strcmp(f->name, name) != 0)
		f++;
	must(f->name != NULL);
	return (struct str){ f->bytes, f->n };
}

char *
console_page(struct arena *a, const char *nonce, size_t *n)
{
	static const char mark[] = "NONCE";
	struct str text = graphql_file("console.html");
	size_t places = 0;
	char *page, *to;

	for (const char *p = text.p; (p = strstr(p, mark)) != NULL; p++)
		places++;
	page = to = arena_alloc(a, text.n + places * strlen(nonce) + 1); /* a little too much */
	for (const char *p = text.p;;) {
		const char *at = strstr(p, mark);
		size_t head = at == NULL ? strlen(p) : (size_t)(at - p);

		memcpy(to, p, head);
		to += head;
		if (at == NULL)
			break;
		to = stpcpy(to, nonce);
		p = at + sizeof(mark) - 1;
	}
	*to = '\0';
	*n = (size_t)(to - page);
	return page;
}
