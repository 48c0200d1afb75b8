/* users_fields: what an account's fields may be, beyond what the store looks at, and who may write
 * which: pure but for the refusal. A person logs in; a service account has keys and client credentials
 * and no password, and neither becomes the other. */
#include <string.h>
#include "auth/jwt/deed.h"
#include "auth/jwt/users_int.h"

#define EMAIL_MAX 320 /* RFC 3696, erratum 1690 */

static bool check_kind(struct account *x);
static bool check_email(struct account *x);
static bool is_email(const char *s);
static bool has_controls(const char *s);

bool
users_fields(struct account *x)
{
	const char *shown = json_string_value(json_object_get(x->body, "display_name"));
	bool gives = json_object_get(x->body, "roles") != NULL ||
	             json_object_get(x->body, "groups") != NULL || users_gives_login(x);

	/* Else limited scopes could make themselves a log-in without limits. */
	if (x->who != NULL && x->who->limited && gives && !deed_needs(x->c, x->who, DEED_UNLIMITED))
		return false;
	if (shown != NULL && has_controls(shown)) {
		deed_refuse(x->c, "/display_name", "must have no control characters");
		return false;
	}
	return check_kind(x) && check_email(x);
}

/* An address, too: who logs in outside with one that is verified here may be that user. */
bool
users_gives_login(const struct account *x)
{
	return json_object_get(x->body, "password") != NULL ||
	       json_object_get(x->body, "email") != NULL ||
	       json_object_get(x->body, "email_verified") != NULL;
}

static bool
check_kind(struct account *x)
{
	const json_t *kind = json_object_get(x->body, "kind");
	const char *s = json_string_value(kind);

	if (kind == NULL)
		return true;
	if (x->q->kind != MF__STORE_OP__KIND__CREATE)
		deed_refuse(x->c, "/kind", "can't be changed");
	else if (s == NULL || (strcmp(s, "person") != 0 && strcmp(s, "service") != 0))
		deed_refuse(x->c, "/kind", "must be person or service");
	else if (strcmp(s, "service") == 0 && json_is_string(json_object_get(x->body, "password")))
		deed_refuse(x->c, "/password", "a service account has none");
	else
		return true;
	return false;
}

/* Another address has not been verified yet, whatever the one before was. */
static bool
check_email(struct account *x)
{
	const json_t *email = json_object_get(x->body, "email");
	const char *s = json_string_value(email);

	if (email == NULL)
		return true;
	if (!json_is_null(email) && (s == NULL || !is_email(s))) {
		deed_refuse(x->c, "/email", "must be an address like name@example.org");
		return false;
	}
	if (json_object_get(x->body, "email_verified") == NULL)
		(void)json_object_set_new(
		    (json_t *)(uintptr_t)x->body, "email_verified", json_false());
	return true;
}

/* No more than: something, one @, a name with a dot or not. Only a message to it would tell. */
static bool
is_email(const char *s)
{
	const char *at = strchr(s, '@');

	return strlen(s) <= EMAIL_MAX && at != NULL && at != s && at[1] != '\0' && at[1] != '.' &&
	       strchr(at + 1, '@') == NULL && strpbrk(s, " \t\"(),:;<>[\\]") == NULL &&
	       !has_controls(s);
}

static bool
has_controls(const char *s)
{
	for (; *s != '\0'; s++)
		if ((uint8_t)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}
