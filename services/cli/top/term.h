/* term: the terminal: a grid on it, keys of it, and its state given back on every way out. */
#ifndef TOP_TERM_H
#define TOP_TERM_H

#include "cli/top/grid.h"
#include "cli/top/model.h"

/* False: *why says why there is none. */
bool term_open(const char **why);
void term_close(void); /* as it was before; harmless when it is not open */
void term_draw(const struct grid *g);
int term_key(void); /* a character, one of enum key, or -1: none is there */
void term_size(int *rows, int *cols);
/* The terminal is somebody else's for a while. */
void term_lend(void);
void term_back(void);
bool term_ending(void); /* a signal says so; term_signal is which */
int term_signal(void);

#endif
