/* ui: the dashboard, as it was built (../ui): its files and, for every other address below /ui, the page
 * that finds its way from there. */
#ifndef REST_UI_H
#define REST_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ui_file {
	const char
	    *name; /* below /ui/: "assets/index-abc.js"; what is in assets/ has its hash in it */
	const char *type, *tag;
	const uint8_t *bytes;
	size_t n;
	const uint8_t *gzip; /* the same bytes; NULL: it would not be smaller */
	size_t n_gzip;
};
extern const struct ui_file ui_files[]; /* NULL-ended; empty where it was built without */

struct handling;

/* True: the path is the dashboard's, and the request is answered. */
bool ui_answer(struct handling *h);

#endif
