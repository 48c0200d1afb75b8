/* keep: a line of text in a file, whole or not at all, and on disk when it returns. For what is small and
 * changes rarely: the loop waits for the disk. Called by mode.c and lead.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "database/inside.h"

#define PATH_MOST 600

static bool put(const char *path, const char *text);

bool
keep_write(const char *path, const char *text)
{
	char fresh[PATH_MOST], *slash;
	bool ok;
	int dir;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	ok = put(fresh, text) && rename(fresh, path) == 0;
	snprintf(fresh, sizeof(fresh), "%s", path);
	if ((slash = strrchr(fresh, '/')) == NULL)
		return ok;
	*slash = '\0';
	if ((dir = open(fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
		ok = fsync(dir) == 0 && ok;
		close(dir);
	}
	return ok;
}

bool
keep_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t n = strlen(text);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}
