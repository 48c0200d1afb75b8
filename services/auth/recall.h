/* recall: what is remembered of accounts, in memory and bounded: failures, sightings, where they were.
 * Keys are keyed hashes. What is forgotten for want of room, or with the process, makes a log-in look
 * less suspicious by failures and newer by its client; for the latter the stored sessions are asked. */
#ifndef AUTH_RECALL_H
#define AUTH_RECALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recall;

enum recall_kind { RECALL_FAILURES, RECALL_REUSE, RECALL_KINDS };

struct recall *recall_new(size_t most);
void recall_free(struct recall **s);
/* One more of it; what there was before has melted by now, evenly, over `life_us` since the last. */
void recall_add(
    struct recall *s, const uint8_t key[16], enum recall_kind k, int64_t life_us, int64_t now_us);
double recall_value(const struct recall *s, const uint8_t key[16], enum recall_kind k,
    int64_t life_us, int64_t now_us);
/* A client (any key that stands for one) of an account that was right. */
void recall_client(struct recall *s, const uint8_t key[16], int64_t now_us);
bool recall_client_is(const struct recall *s, const uint8_t key[16]);
/* How long `key` has to wait for its turn; 0: it is its turn, which is used up by that. It waits
 * `patience_us` from the first time that it is asked for, each time twice as long, at most `most_us`. */
int64_t recall_turn(
    struct recall *s, const uint8_t key[16], int64_t patience_us, int64_t most_us, int64_t now_us);
size_t recall_count(const struct recall *s);

#endif
