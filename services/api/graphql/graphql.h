/* graphql: the agent of its protocol; it can also do every operation of /v1, which is how it stands
 * in for rest. */
#ifndef GRAPHQL_GRAPHQL_H
#define GRAPHQL_GRAPHQL_H

#include "proto/graphql.pb-c.h"

extern Mf__Graphql_Service graphql_service;
extern const char *const graphql_capabilities[];

#endif
