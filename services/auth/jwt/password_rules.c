/* password_rules: see password_rules.h. */
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "auth/jwt/common_passwords.h"
#include "auth/jwt/password.h"
#include "auth/jwt/password_rules.h"
#include "base/str.h"

#define PERIOD_MOST 3 /* characters that are the same over and over */
#define AFFIX_MOST  6 /* digits and signs around a common password */
#define NAME_MIN    3 /* shorter names are in too much */

static bool is_common(struct str s);
static bool is_listed(struct str s);
static struct str without_affixes(struct str s);
static bool is_twice(struct str s);
static bool is_periodic(const uint32_t *c, size_t n);
static bool is_run(const uint32_t *c, size_t n);
static size_t decode(const char *s, uint32_t out[PASSWORD_MAX]);

const char *
password_refused(
    const char *password, size_t min_characters, const char *username, char *out, size_t out_size)
{
	struct str s = str_of(password);
	uint32_t c[PASSWORD_MAX] = { 0 };
	const char *wrong = NULL;
	size_t n;

	if (s.n > PASSWORD_MAX)
		return "must have at most 1024 bytes";
	if (!str_utf8_ok(s.p, s.n))
		return "must be UTF-8";
	n = decode(password, c);
	if (n < min_characters) {
		(void)snprintf(out, out_size, "must have %zu characters or more", min_characters);
		wrong = out;
	} else if (is_periodic(c, n)) {
		wrong = "repeats the same few characters";
	} else if (is_run(c, n)) {
		wrong = "is a plain sequence of characters";
	} else if (username != NULL && strlen(username) >= NAME_MIN &&
		   strcasestr(password, username) != NULL) {
		wrong = "must not contain the user name";
	} else if (is_common(s)) {
		wrong = "is one of the passwords that many people have, or close to one";
	}
	sodium_memzero(c, sizeof(c));
	return wrong;
}

static bool
is_common(struct str s)
{
	struct str core = without_affixes(s);

	return is_listed(s) || is_listed(core) ||
	       (is_twice(s) && is_listed((struct str){ s.p, s.n / 2 }));
}

static int
compare(const void *key, const void *row)
{
	return strcmp(key, row);
}

static bool
is_listed(struct str s)
{
	static const char *const ours[] = { "metafed" };
	char word[COMMON_PASSWORD_MAX];
	bool there = false;

	if (s.n == 0 || s.n >= sizeof(word))
		return false;
	for (size_t i = 0; i < s.n; i++)
		word[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
	word[s.n] = '\0';
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		there |= strcmp(ours[i], word) == 0;
	there |= bsearch(word, common_passwords, common_passwords_n, sizeof(common_passwords[0]),
		     compare) != NULL;
	sodium_memzero(word, sizeof(word));
	return there;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

/* All of "2024" are digits and no affix of nothing: at least a letter stays. */
static struct str
without_affixes(struct str s)
{
	size_t before = 0, behind = 0;

	while (before < s.n && !is_letter(s.p[before]))
		before++;
	while (behind < s.n && !is_letter(s.p[s.n - 1 - behind]))
		behind++;
	if (before == s.n || before > AFFIX_MOST || behind > AFFIX_MOST)
		return s;
	return (struct str){ s.p + before, s.n - before - behind };
}

static bool
is_twice(struct str s)
{
	return s.n % 2 == 0 && strncasecmp(s.p, s.p + s.n / 2, s.n / 2) == 0;
}

static bool
is_periodic(const uint32_t *c, size_t n)
{
	for (size_t period = 1; period <= PERIOD_MOST; period++) {
		size_t i = period;

		while (i < n && c[i] == c[i - period])
			i++;
		if (i >= n)
			return true;
	}
	return false;
}

/* Up or down by one; after 9 comes 0. */
static bool
is_run(const uint32_t *c, size_t n)
{
	bool up = true, down = true;

	for (size_t i = 1; i < n; i++) {
		up &= c[i] == c[i - 1] + 1 || (c[i - 1] == '9' && c[i] == '0');
		down &= c[i] + 1 == c[i - 1] || (c[i - 1] == '0' && c[i] == '9');
	}
	return up || down;
}

static size_t
decode(const char *s, uint32_t out[PASSWORD_MAX])
{
	static const uint8_t first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t left = strlen(s), n = 0, m;

	for (; left > 0; s += m, left -= m) {
		m = str_utf8_char(s, left);
		out[n] = (uint8_t)*s & first[m];
		for (size_t i = 1; i < m; i++)
			out[n] = out[n] << 6 | ((uint8_t)s[i] & 0x3f);
		n++;
	}
	return n;
}
