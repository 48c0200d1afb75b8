/* poll: many calls at once from a program with a loop of its own. Nothing here blocks but poll(2).
 *
 *	cc -o poll poll.c $(pkg-config --cflags --libs metafed)
 *	./poll VAR COUNT */
#include <metafed/methods.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct tally {
	unsigned under_way, done, failed;
};

/* In metafed_dispatch(), so on the thread that polls. */
static void
on_state(struct metafed_call *k, void *ctx)
{
	const Mf__FleetState *state = (const Mf__FleetState *)metafed_call_reply(k);
	struct tally *t = ctx;

	t->under_way--;
	if (state != NULL)
		t->done++;
	else
		t->failed++;
	metafed_call_free(k);
}

int
main(int argc, char **argv)
{
	const Mf__Empty q = MF__EMPTY__INIT;
	struct tally t = { 0 };
	struct metafed_client *c;
	struct pollfd p = { .events = POLLIN };
	char why[256];

	if (argc != 3)
		return fprintf(stderr, "usage: poll VAR COUNT\n"), 2;
	if ((c = metafed_open(argv[1], METAFED_DISPATCH, why, sizeof(why))) == NULL)
		return fprintf(stderr, "%s\n", why), 2;
	for (long left = atol(argv[2]); left > 0 || t.under_way > 0;) {
		for (; left > 0 && t.under_way < 64; left--, t.under_way++)
			metafed_call_start(metafed_call_new(c), &mf__meta__descriptor, "Fleet",
			    &q.base, on_state, &t);
		p.fd = metafed_fd(c);
		if (poll(&p, 1, -1) < 0)
			break;
		metafed_dispatch(c);
	}
	printf("%u done, %u failed\n", t.done, t.failed);
	metafed_close(c);
	return t.failed != 0;
}
