/* libcurl: loaded when it is first needed. Most processes that could ask somebody outside never do,
 * and it brings thirty libraries, 5 MB resident of each process.
 *
 *	libcurl()->easy_setopt(easy, CURLOPT_URL, url);
 *
 * Its macros that check types are not there: a number is a long. Loop thread only. */
#ifndef NODE_LIBCURL_H
#define NODE_LIBCURL_H

#include <curl/curl.h>

/* clang-format off */
#define LIBCURL_FUNCTIONS(X) \
	X(easy_cleanup) X(easy_getinfo) X(easy_header) X(easy_init) X(easy_setopt) \
	X(easy_strerror) X(free) X(getdate) X(global_init) X(multi_add_handle) \
	X(multi_assign) X(multi_cleanup) X(multi_info_read) X(multi_init) \
	X(multi_remove_handle) X(multi_setopt) X(multi_socket_action) X(slist_append) \
	X(slist_free_all) X(url) X(url_cleanup) X(url_get) X(url_set)
/* clang-format on */

struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name) *name;
	LIBCURL_FUNCTIONS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/* Ends the process when it is not installed, and says so. */
const struct libcurl *libcurl(void);

#endif
