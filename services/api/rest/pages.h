/* pages: what is served as it was built: the document of the API and the page that shows it. */
#ifndef REST_PAGES_H
#define REST_PAGES_H

#include <stdbool.h>
#include <stddef.h>

struct file {
	const char *name; /* "openapi.json" */
	const char *bytes;
	size_t n;
};
extern const struct file rest_files[]; /* NULL-ended; embedded at build time */

struct handling;

const struct file *file_find(const char *name); /* NULL: none */
/* True: the path is a page's, and the request is answered. */
bool page_answer(struct handling *h);

#endif
