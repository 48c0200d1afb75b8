/* once: see once.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "auth/jwt/once.h"
#include "base/id.h"

#define TEMP_SUFFIX ".new"
#define TEMP_AGE_S  60

static enum once put(const char *path, const void *p, size_t n,
    int (*publish)(const char *, const char *), char *err, size_t err_size);
static bool make_parents(char *path);
static bool write_all(int fd, const char *p, size_t n);
static bool sync_dir_of(const char *path);

bool
once_dir(const char *path, char *err, size_t err_size)
{
	char copy[PATH_MAX];
	struct stat st;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
		(void)snprintf(err, err_size, "%.60s...: path is too long", path);
		return false;
	}
	if (!make_parents(copy) || (mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    lstat(path, &st) < 0) {
		(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		(void)snprintf(err, err_size,
		    "%s: must be a directory of mode 0700 that belongs to "
		    "uid %d: chown and chmod it",
		    path, (int)geteuid());
		return false;
	}
	return true;
}

enum once
once_write(const char *path, const void *p, size_t n, char *err, size_t err_size)
{
	return put(path, p, n, link, err, err_size);
}

enum once
once_replace(const char *path, const void *p, size_t n, char *err, size_t err_size)
{
	return put(path, p, n, rename, err, err_size);
}

/* publish: gives the complete file its name */
static enum once
put(const char *path, const void *p, size_t n, int (*publish)(const char *, const char *),
    char *err, size_t err_size)
{
	char temp[PATH_MAX];
	enum once done = ONCE_FAILED;
	int fd;

	err[0] = '\0';
	if (snprintf(temp, sizeof(temp), "%s.%016llx" TEMP_SUFFIX, path,
		(unsigned long long)id_random_u64()) >= (int)sizeof(temp)) {
		(void)snprintf(err, err_size, "%.60s...: path is too long", path);
		return ONCE_FAILED;
	}
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		(void)snprintf(err, err_size, "%s: %s", temp, strerror(errno));
		return ONCE_FAILED;
	}
	if (!write_all(fd, p, n) || fsync(fd) < 0)
		(void)snprintf(err, err_size, "%s: %s", temp, strerror(errno));
	else if (publish(temp, path) == 0)
		done = ONCE_MADE;
	else if (errno == EEXIST)
		done = ONCE_THERE;
	else
		(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
	(void)close(fd);
	(void)unlink(temp);
	if (done == ONCE_MADE && !sync_dir_of(path)) {
		(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return ONCE_FAILED;
	}
	return done;
}

void
once_clean(const char *dir)
{
	char path[PATH_MAX + NAME_MAX + 2];
	time_t now = time(NULL);
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name), suffix = strlen(TEMP_SUFFIX);

		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (n > suffix && strcmp(e->d_name + n - suffix, TEMP_SUFFIX) == 0 &&
		    lstat(path, &st) == 0 && st.st_mtime < now - TEMP_AGE_S)
			(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
}

char *
once_read(const char *path, size_t most, size_t *n, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *p = NULL;
	struct stat st;
	ssize_t got;

	err[0] = '\0';
	if (fd < 0) {
		if (errno != ENOENT)
			(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0) {
		(void)snprintf(err, err_size,
		    "%s: must be a file of mode 0600 that belongs to uid %d", path, (int)geteuid());
	} else if ((size_t)st.st_size > most) {
		(void)snprintf(err, err_size, "%s: is larger than %zu bytes", path, most);
	} else if ((p = sodium_malloc(most + 1)) == NULL || (got = read(fd, p, most)) < 0) {
		(void)snprintf(err, err_size, "%s: %s", path, strerror(errno));
		sodium_free(p);
		p = NULL;
	} else {
		*n = (size_t)got;
		p[got] = '\0';
	}
	(void)close(fd);
	return p;
}

static bool
make_parents(char *path)
{
	for (char *s = strchr(path + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return false;
		*s = '/';
	}
	return true;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* The name must survive a power cut too. */
static bool
sync_dir_of(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd;
	bool ok;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL)
		(void)snprintf(dir, sizeof(dir), ".");
	else
		slash[slash == dir ? 1 : 0] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
}
