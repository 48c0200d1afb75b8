/* device_int: what device.c and device_grant.c share; nobody else includes it. */
#ifndef OAUTH_DEVICE_INT_H
#define OAUTH_DEVICE_INT_H

#include "auth/oauth/device.h"

#define DEVICE_KIND       "device"
#define DEVICE_GRANT      "urn:ietf:params:oauth:grant-type:device_code"
#define DEVICE_DECIDED_BY "decided_by" /* in its data: the operation in which the user answered */
/* the row outlives its codes, so that who comes too late is told so */
#define DEVICE_ROW_BEYOND (3600 * SEC)

const char *const *device_texts(struct web *w, const json_t *data, const char *name, size_t *n);

#endif
