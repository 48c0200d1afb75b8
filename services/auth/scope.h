/* scope: what a limited credential (an OAuth token, an API key) may be used for, besides what its
 * owner may. A scope is a permission pattern; those of OpenID Connect ("openid", "profile", "email",
 * "offline_access") permit nothing. Pure; whoever decides by roles or claims asks this too. */
#ifndef AUTH_SCOPE_H
#define AUTH_SCOPE_H

#include "auth/permission.h"
#include "proto/common.pb-c.h"

static inline bool
scope_permits(const Mf__Principal *p, const char *permission)
{
	if (!p->limited)
		return true;
	for (size_t i = 0; i < p->n_scopes; i++)
		if (permission_covers(p->scopes[i], permission))
			return true;
	return false;
}

#endif
