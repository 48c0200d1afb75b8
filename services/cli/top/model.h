/* model: what `metafed top` shows, and what keys do to it, as arithmetic: no terminal, no fleet, no clock.
 *
 * A snapshot is the answers of the fleet, the newest of each kind; the state is what the one who looks has
 * chosen. screen.c makes a grid of both, keys.c changes the state and says what shall be done. */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "cli/top/grid.h"

enum tab { TAB_NODES, TAB_CALLS, TAB_TASKS, TAB_ERRORS, TAB_TRACES, TABS };

/* One kind of answer. */
enum topic {
	TOPIC_FLEET,
	TOPIC_RELIABILITY,
	TOPIC_COUNTS,
	TOPIC_CALLS,
	TOPIC_TASKS,
	TOPIC_ERRORS,
	TOPIC_TRACES,
	TOPIC_TASK,    /* the one that is looked at ... */
	TOPIC_HISTORY, /* ... and what happened to it */
	TOPIC_TRACE,
	TOPICS,
};

struct topic_answer {
	json_t *v;     /* the newest good one; NULL: none yet */
	int64_t at_us; /* when it came */
	int status;    /* of the newest: HTTP's; 0: nobody answered */
	char problem[160];
};

struct snapshot {
	struct topic_answer of[TOPICS];
};

#define ID_LEN    80
#define WORDS_LEN 60

struct state {
	enum tab tab;
	char chosen[ID_LEN]; /* id of the row; "": the first */
	int top;             /* first row that is shown */
	char filter[WORDS_LEN];
	int sort;    /* of the tab's columns; -1: as it came */
	bool typing; /* the filter */
	bool help, detail;
	int detail_top;
	char confirm[ID_LEN]; /* node that a key would restart; "": none */
	char message[160];
	bool message_bad;
	const char *where; /* "var", an address: for the head */
	bool local;        /* its logs are files here */
};

/* --- table.c: the rows of a tab, filtered and sorted --- */
#define COLUMNS_MOST 12
struct table_column {
	const char *title;
	int width; /* negative: to the right; 0: the rest */
};
struct table_row {
	const char *id;
	const char *text[COLUMNS_MOST];
	double number[COLUMNS_MOST]; /* what a column of numbers sorts by, largest first */
	enum look look;
	size_t order;
};
struct table {
	const struct table_column *columns;
	int n_columns;
	struct table_row *rows;
	size_t n, chosen;  /* index of the chosen one; n: none */
	const char *empty; /* what to say when there is none */
};
void
table_make(struct arena *a, const struct snapshot *s, const struct state *st, struct table *out);
const char *tab_name(enum tab t);
int tab_columns(enum tab t);

/* --- detail.c: the lines of what is looked at --- */
struct lines {
	const char **text;
	size_t n;
};
void detail_make(struct arena *a, const struct snapshot *s, const struct state *st,
    const struct table *t, struct lines *out);
const char *
json_text(struct arena *a, const json_t *v, const char *key); /* "" when it is not there */
const char *number_text(struct arena *a, double v);           /* short */

/* --- screen.c --- */
/* now_us and wall_s: of the moment. */
struct grid *
screen_draw(const struct snapshot *s, const struct state *st, int rows, int cols, int64_t now_us);
int screen_page(int rows); /* rows of the table on a screen */

/* --- keys.c --- */
enum key { /* beyond characters */
	KEY_OF_UP = 0x110000,
	KEY_OF_DOWN,
	KEY_OF_PAGE_UP,
	KEY_OF_PAGE_DOWN,
	KEY_OF_HOME,
	KEY_OF_END,
	KEY_OF_LEFT,
	KEY_OF_RIGHT,
	KEY_OF_ENTER,
	KEY_OF_ESCAPE,
	KEY_OF_BACKSPACE,
	KEY_OF_TAB,
};
enum todo { DO_NOTHING, DO_ASK, DO_RESTART, DO_LOGS, DO_QUIT }; /* ASK: what is shown now */
/* DO_RESTART and DO_LOGS: *node, in the arena. */
enum todo keys_press(struct arena *a, const struct snapshot *s, struct state *st, int key, int rows,
    const char **node);

/* --- ask.c: what has to be asked for that screen --- */
struct question {
	enum topic topic;
	const char *path, *params;
};
#define QUESTIONS_MOST 8
/* turn: number of the second; what changes slowly is asked for now and then. */
size_t questions_of(
    struct arena *a, const struct state *st, unsigned turn, struct question out[QUESTIONS_MOST]);

#endif
