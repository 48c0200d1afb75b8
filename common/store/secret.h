/* secret: a password that stands in a file of its own, never in a configuration, environment or
 * command line. */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

/* Reads the first line of a file; "" or NULL as path answers NULL. Dies when the file can't be
 * read, is empty, or others than its owner and group may read it: a node without its secret can't
 * work. Memory is locked; wipe it with secret_free. */
char *secret_read(const char *path);
void secret_free(char **s);

#endif
