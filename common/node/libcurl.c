/* libcurl: see libcurl.h. It is never unloaded. */
#include "node/libcurl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include "base/log.h"

#define LIBRARY "libcurl.so.4" /* its ABI's name since 2006 */

static void *function(void *library, const char *name);

const struct libcurl *
libcurl(void)
{
	static struct libcurl functions;
	static bool loaded;
	void *library;

	if (loaded)
		return &functions;
	if ((library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)) == NULL)
		fatal("%s: install libcurl4", dlerror());
#define LIBCURL_FIND(name)                                                                         \
	functions.name = (__typeof__(functions.name))function(library, "curl_" #name);
	LIBCURL_FUNCTIONS(LIBCURL_FIND)
#undef LIBCURL_FIND
	if (functions.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		panic("libcurl does not begin");
	loaded = true;
	return &functions;
}

static void *
function(void *library, const char *name)
{
	void *f = dlsym(library, name);

	if (f == NULL)
		fatal("%s has no %s: 7.85 or later is needed", LIBRARY, name);
	return f;
}
