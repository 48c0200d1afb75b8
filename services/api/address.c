/* address: see address.h. */
#include "api/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_BITS 96 /* the prefix of ::ffff:0:0/96 */

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static struct address of_v4(const struct in_addr *);
static bool is_v4(const struct address *);
static bool network_parse(struct network *, struct str);
static struct str last_word(struct str *);

struct address
address_of(const struct sockaddr *sa, socklen_t n)
{
	struct address a = { { 0 } };

	if (sa != NULL && sa->sa_family == AF_INET && n >= sizeof(struct sockaddr_in))
		return of_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	if (sa != NULL && sa->sa_family == AF_INET6 && n >= sizeof(struct sockaddr_in6))
		memcpy(a.bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		    sizeof(a.bytes));
	return a;
}

bool
address_parse(struct str text, struct address *out)
{
	char s[ADDRESS_TEXT];
	struct in_addr v4;

	if (text.n == 0 || text.n >= sizeof(s) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = '\0';
	if (inet_pton(AF_INET, s, &v4) == 1) {
		*out = of_v4(&v4);
		return true;
	}
	return inet_pton(AF_INET6, s, out->bytes) == 1;
}

void
address_write(const struct address *a, char out[ADDRESS_TEXT])
{
	static const struct address nobody = { { 0 } };

	out[0] = '\0';
	if (address_same(a, &nobody))
		return;
	if (is_v4(a))
		inet_ntop(AF_INET, a->bytes + sizeof(v4_prefix), out, ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT);
}

bool
address_same(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* 127.0.0.0/8, ::1, and :: which no peer on a network has. */
bool
address_local(const struct address *a)
{
	static const uint8_t zeros[15];

	if (is_v4(a))
		return a->bytes[sizeof(v4_prefix)] == 127;
	return memcmp(a->bytes, zeros, sizeof(zeros)) == 0 && a->bytes[15] <= 1;
}

struct address
address_client(const struct address *a)
{
	struct address c = *a;

	if (!is_v4(a) && !address_local(a))
		memset(c.bytes + 8, 0, 8);
	return c;
}

bool
networks_parse(struct networks *out, const char *text)
{
	struct str rest = str_of(text), one;

	*out = (struct networks){ .n = 0 };
	while (rest.n != 0) {
		str_cut(rest, ',', &one, &rest);
		one = str_trim(one);
		if (str_eq(one, "local")) {
			out->local = true;
			continue;
		}
		if (out->n == NETWORKS_MOST || !network_parse(&out->all[out->n], one))
			return false;
		out->n++;
	}
	return true;
}

bool
networks_have(const struct networks *ns, const struct address *a)
{
	if (ns->local && address_local(a))
		return true;
	for (size_t i = 0; i < ns->n; i++) {
		const struct network *w = &ns->all[i];
		size_t whole = w->bits / 8, rest = w->bits % 8;

		if (memcmp(w->of.bytes, a->bytes, whole) == 0 &&
		    (rest == 0 || ((w->of.bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0))
			return true;
	}
	return false;
}

struct address
forwarded_by(const struct address *peer, struct str forwarded_for, const struct networks *trusted)
{
	struct address from = *peer, one;
	struct str rest = forwarded_for;

	while (rest.n != 0 && networks_have(trusted, &from)) {
		if (!address_parse(last_word(&rest), &one))
			break;
		from = one;
	}
	return from;
}

static struct address
of_v4(const struct in_addr *in)
{
	struct address a;

	memcpy(a.bytes, v4_prefix, sizeof(v4_prefix));
	memcpy(a.bytes + sizeof(v4_prefix), in, sizeof(*in));
	return a;
}

static bool
is_v4(const struct address *a)
{
	return memcmp(a->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

/* "a", "a/bits"; no bit may be set beyond them: somebody meant something else. */
static bool
network_parse(struct network *w, struct str text)
{
	struct str address, bits;
	bool prefix = str_cut(text, '/', &address, &bits);
	uint64_t n = 0;

	if (!address_parse(address, &w->of) ||
	    (prefix && !str_u64(bits, is_v4(&w->of) ? 32 : 128, &n)))
		return false;
	w->bits = (uint8_t)(!prefix ? 128 : is_v4(&w->of) ? V4_BITS + n : n);
	for (size_t i = w->bits; i < 128; i++)
		if ((w->of.bytes[i / 8] >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}

/* Takes the last word of a list off it. */
static struct str
last_word(struct str *list)
{
	size_t at = list->n;
	struct str word;

	while (at != 0 && list->p[at - 1] != ',')
		at--;
	word = str_trim((struct str){ list->p + at, list->n - at });
	list->n = at == 0 ? 0 : at - 1;
	return word;
}
