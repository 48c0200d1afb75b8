/* rotation: see rotation.h. */
#include "auth/jwt/rotation.h"

static const struct rotation_key *
neighbour(const struct rotation_key *keys, size_t n, size_t of, int step);
static int64_t ahead(const struct rotation *r);
static int64_t make_at(const struct rotation *r, const struct rotation_key *keys, size_t n,
    enum jws_alg alg, int64_t now_us);
static int64_t sooner(int64_t a, int64_t b, int64_t now_us);

const char *
rotation_state_name(enum rotation_state s)
{
	static const char *const names[] = {
		[KEY_NEXT] = "next",
		[KEY_SIGNING] = "signing",
		[KEY_VERIFYING] = "verifying",
	};

	return names[s];
}

void
rotation_judge(
    const struct rotation *r, struct rotation_key *keys, size_t n, enum jws_alg alg, int64_t now_us)
{
	for (size_t i = 0; i < n; i++)
		keys[i].signs_us = neighbour(keys, n, i, -1) == NULL ? keys[i].made_us
		                                                     : keys[i].made_us + ahead(r);
	for (size_t i = 0; i < n; i++) {
		struct rotation_key *k = &keys[i];
		const struct rotation_key *after = neighbour(keys, n, i, 1);

		k->retires_us = ROTATION_NEVER;
		if (k->can_sign && after != NULL)
			k->retires_us = after->signs_us + ROTATION_LIFE_US;
		/* The first one signs also while a clock says that it is not made yet. */
		if (!k->can_sign || k->alg != alg || (after != NULL && after->signs_us <= now_us))
			k->state = KEY_VERIFYING;
		else if (neighbour(keys, n, i, -1) == NULL || k->signs_us <= now_us)
			k->state = KEY_SIGNING;
		else
			k->state = KEY_NEXT;
	}
}

bool
rotation_makes(const struct rotation *r, const struct rotation_key *keys, size_t n,
    enum jws_alg alg, int64_t now_us)
{
	return make_at(r, keys, n, alg, now_us) <= now_us;
}

bool
rotation_drops(const struct rotation_key *k, int64_t now_us)
{
	return k->retires_us <= now_us;
}

int64_t
rotation_due(const struct rotation *r, const struct rotation_key *keys, size_t n, enum jws_alg alg,
    int64_t now_us)
{
	int64_t due = make_at(r, keys, n, alg, now_us);

	for (size_t i = 0; i < n; i++) {
		due = sooner(due, keys[i].signs_us, now_us);
		due = sooner(due, keys[i].retires_us, now_us);
	}
	return due;
}

/* The one that was made before (step -1) or after (1) it, of the same algorithm. */
static const struct rotation_key *
neighbour(const struct rotation_key *keys, size_t n, size_t of, int step)
{
	for (size_t i = of + (size_t)step; i < n; i += (size_t)step)
		if (keys[i].can_sign && keys[i].alg == keys[of].alg)
			return &keys[i];
	return NULL;
}

/* Not so long that the next one would have to be made before this one signs. */
static int64_t
ahead(const struct rotation *r)
{
	return r->every_us != 0 && r->ahead_us > r->every_us / 2 ? r->every_us / 2 : r->ahead_us;
}

/* So early that it signs when the newest has signed for as long as it shall. One that a clock made that
 * was ahead holds nothing up: until its time comes the others go on without it. */
static int64_t
make_at(const struct rotation *r, const struct rotation_key *keys, size_t n, enum jws_alg alg,
    int64_t now_us)
{
	const struct rotation_key *newest = NULL;

	for (size_t i = 0; i < n; i++)
		if (keys[i].can_sign && keys[i].alg == alg && keys[i].made_us <= now_us)
			newest = &keys[i];
	if (r->every_us == 0 || newest == NULL || newest->signs_us > now_us)
		return ROTATION_NEVER;
	return newest->signs_us + r->every_us - ahead(r);
}

static int64_t
sooner(int64_t a, int64_t b, int64_t now_us)
{
	return b > now_us && b < a ? b : a;
}
