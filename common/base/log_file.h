/* log_file: the file that a process logs to, VAR/log/NAME.log, kept by the process itself. When it has
 * `file_bytes` the writer renames it to NAME.log.000001, 000002, ... (the largest is the youngest) and
 * opens another, between two lines: nobody else writes there, so nothing is lost and nobody has to be
 * told. Of the old ones of all processes together the oldest go, so that with what is still to be written
 * to the files of now the directory stays within `budget`.
 *
 * What stands last in this header log.c calls, under its lock. Blocks no longer than the disk does. Errors leave it as it is: it goes on in the file that is open. */
#ifndef BASE_LOG_FILE_H
#define BASE_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_FILE_PATH     320
#define LOG_FILES_LEAST   32 /* a budget has room for so many files: each process has one under way */
#define LOG_FILE_SMALLEST INT64_C(65536)

/* A descriptor of VAR/log/NAME.log to append to (close-on-exec), or -1 with errno. A process that was killed
 * in the middle of a line does not spoil the first one of the next. */
int log_file_open(const char *var, const char *name);
/* fd (of log_init) is VAR/log/NAME.log: from now on it is kept as above; file_bytes 0, or another file: it is not. Also
 * takes over a level that an operator set for a time. */
void log_file_use(int fd, const char *var, const char *name, int64_t file_bytes, int64_t budget);
/* err: what is wrong with two such settings. */
bool log_file_check(int64_t file_bytes, int64_t budget, char *err, size_t n)
    __attribute__((warn_unused_result));
/* A file that a process of others appends to, which can't be told to open another (a server): when it
 * takes more than twice `keep`, its older part is given back to the file system, in place. */
void log_file_trim(const char *path, int64_t keep);
/* Before such a process starts: what is there becomes an old file, when it has file_bytes. */
void log_file_turn_idle(const char *var, const char *name, int64_t file_bytes, int64_t budget);

/* The last `size` bytes of what NAME logged, of the youngest old file too where the one of now is shorter;
 * their number. */
size_t log_file_tail(const char *var, const char *name, char *out, size_t size);

/* --- log.c's --- */
bool log_file_full(size_t more); /* `more` bytes are too much for the file of now */
void log_file_grew(size_t bytes);
void log_file_turn(int fd);
/* VAR/log/NAME.level: what a process that starts anew takes over; NULL: none. */
void log_file_keep_level(const char *level, int64_t until_wall_us);

#endif
