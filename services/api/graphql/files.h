/* files: what this agent was built with: schema.graphql and console.html. */
#ifndef GRAPHQL_FILES_H
#define GRAPHQL_FILES_H

#include "api/rest/pages.h"
#include "base/str.h"

extern const struct file graphql_files[]; /* NULL-ended */

struct str graphql_file(const char *name); /* of one that there is */

#endif
