/* secret: reads passwords into locked memory (libsodium), for whoever opens a connection with
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/secret.h"

#define SECRET_MAX 1024

char *
secret_read(const char *path)
{
	struct stat st;
	char *s;
	ssize_t n;
	int fd;

	if (path == NULL || path[0] == '\0')
		return NULL;
	must(sodium_init() >= 0);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(fd, &st) != 0)
		fatal("%s: %s: put the password there, readable by this user only", path,
		    strerror(errno));
	if ((st.st_mode & S_IRWXO) != 0)
		fatal("%s: others may read or write it: chmod o= %s", path, path);
	s = sodium_malloc(SECRET_MAX + 1);
	must(s != NULL);
	n = read(fd, s, SECRET_MAX);
	close(fd);
	if (n <= 0)
		fatal("%s: is empty", path);
	s[n] = '\0';
	s[strcspn(s, "\r\n")] = '\0';
	return s;
}

void
secret_free(char **s)
{
	if (*s != NULL)
		sodium_free(*s);
	*s = NULL;
}
