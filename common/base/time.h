/* time: two clocks, never mixed. Deadlines and durations: time_now_us. Stamps for people and
 * stores: time_wall_us. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

#define MS  INT64_C(1000)
#define SEC INT64_C(1000000)

int64_t time_now_us(void);  /* CLOCK_MONOTONIC */
int64_t time_wall_us(void); /* CLOCK_REALTIME, since 1970 UTC */
/* Fault injection: from now on the wall clock of this process is wrong by so much; 0: right again. */
void time_wall_step(int64_t us);

#define TIME_RFC3339_LEN 28 /* "2026-11-21T01:02:03.123456Z" and NUL */
void time_rfc3339(int64_t wall_us, char out[TIME_RFC3339_LEN]);
/* with offset; leap second refused */
bool time_parse_rfc3339(struct str s, int64_t *wall_us);
/* "250ms" "5s" "2m" "1h" "30d"; plain digits: ms */
bool time_parse_duration(struct str s, int64_t *us);

#endif
