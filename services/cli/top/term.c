/* term: see term.h. ncurses is seen here and nowhere else. */
#define NCURSES_WIDECHAR 1

#include "cli/top/term.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

static void on_end(int);
static void on_crash(int);
static void keep_way_back(void);
static void catch_signals(void);
static attr_t attr_of(enum look, short *);
static void put_cell(int, int, const struct cell *);

static bool is_open, utf8;
static struct termios before;
static char back[128]; /* what to write to a terminal that is left in a hurry */
static volatile sig_atomic_t ending;

bool
term_open(const char **why)
{
	char *set = setlocale(LC_ALL, "");
	bool said =
	    getenv("LC_ALL") != NULL || getenv("LC_CTYPE") != NULL || getenv("LANG") != NULL;

	if (set == NULL || !said)
		setlocale(LC_CTYPE, "C.UTF-8");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	*why = "it is no terminal: --once prints one screen";
	if (!isatty(0) || !isatty(1) || tcgetattr(0, &before) < 0)
		return false;
	*why = "this terminal (TERM) is not known: --once prints one screen";
	if (getenv("TERM") == NULL || newterm(NULL, stdout, stdin) == NULL)
		return false;
	is_open = true;
	keep_way_back();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	leaveok(stdscr, TRUE);
	curs_set(0);
	if (has_colors() && getenv("NO_COLOR") == NULL) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_YELLOW, -1);
		init_pair(2, COLOR_RED, -1);
	}
	catch_signals();
	return true;
}

void
term_close(void)
{
	if (!is_open)
		return;
	is_open = false;
	curs_set(1);
	endwin();
}

/* Of a screen that was left by an accident no more can be done than this. */
static void
keep_way_back(void)
{
	static const char *const names[] = { "sgr0", "cnorm", "rmcup" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *s = tigetstr((char *)(uintptr_t)names[i]);

		if (s == NULL || s == (char *)-1 || n + strlen(s) >= sizeof(back))
			continue;
		memcpy(back + n, s, strlen(s) + 1);
		n += strlen(s);
	}
}

static void
catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT },
			 crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction end = { .sa_handler = on_end },
			 crash = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &end, NULL);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* a child that has ended: another follows */
}

static void
on_end(int s)
{
	ending = s;
}

static void
on_crash(int s)
{
	(void)!write(1, back, strlen(back));
	tcsetattr(0, TCSANOW, &before);
	raise(s);
}

bool
term_ending(void)
{
	return ending != 0;
}

int
term_signal(void)
{
	return ending;
}

void
term_size(int *rows, int *cols)
{
	*rows = LINES;
	*cols = COLS;
}

/* curses sends what has changed since, in one write. */
void
term_draw(const struct grid *g)
{
	for (int row = 0; row < g->rows && row < LINES; row++)
		for (int col = 0; col < g->cols && col < COLS; col++)
			put_cell(row, col, &g->cells[row * g->cols + col]);
	refresh();
}

static void
put_cell(int row, int col, const struct cell *k)
{
	wchar_t text[2] = { (wchar_t)k->c, L'\0' };
	short pair = 0;
	attr_t attr = attr_of((enum look)k->look, &pair);
	cchar_t c;

	if (k->c == 0)
		return; /* of the wide one before it */
	if (k->c >= 0x80 && (!utf8 || wcwidth((wchar_t)k->c) < 1))
		text[0] = L'?';
	setcchar(&c, text, attr, pair, NULL);
	mvadd_wch(row, col, &c);
}

/* Without colours what is wrong is bold, and reversed when it is bad. */
static attr_t
attr_of(enum look l, short *pair)
{
	bool colours = has_colors() && getenv("NO_COLOR") == NULL;

	switch (l) {
	case LOOK_DIM:
		return A_DIM;
	case LOOK_BOLD:
		return A_BOLD;
	case LOOK_WARN:
		*pair = colours ? 1 : 0;
		return A_BOLD;
	case LOOK_BAD:
		*pair = colours ? 2 : 0;
		return colours ? A_BOLD : A_BOLD | A_REVERSE;
	case LOOK_TITLE:
	case LOOK_SELECTED:
		return A_REVERSE;
	case LOOK_PLAIN:
		break;
	}
	return A_NORMAL;
}

int
term_key(void)
{
	static const struct {
		int curses, ours;
	} keys[] = { { KEY_UP, KEY_OF_UP }, { KEY_DOWN, KEY_OF_DOWN },
		{ KEY_PPAGE, KEY_OF_PAGE_UP }, { KEY_NPAGE, KEY_OF_PAGE_DOWN },
		{ KEY_HOME, KEY_OF_HOME }, { KEY_END, KEY_OF_END }, { KEY_LEFT, KEY_OF_LEFT },
		{ KEY_RIGHT, KEY_OF_RIGHT }, { KEY_ENTER, KEY_OF_ENTER }, { '\r', KEY_OF_ENTER },
		{ '\n', KEY_OF_ENTER }, { 27, KEY_OF_ESCAPE }, { KEY_BACKSPACE, KEY_OF_BACKSPACE },
		{ 127, KEY_OF_BACKSPACE }, { 8, KEY_OF_BACKSPACE }, { '\t', KEY_OF_TAB },
		{ KEY_RESIZE, 0 } };
	int c = getch();

	if (c == ERR)
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].curses == c)
			return keys[i].ours;
	return c < 256 ? c : 0;
}

void
term_lend(void)
{
	def_prog_mode();
	curs_set(1);
	endwin();
}

void
term_back(void)
{
	catch_signals();
	reset_prog_mode();
	curs_set(0);
	clearok(stdscr, TRUE);
	refresh();
}
