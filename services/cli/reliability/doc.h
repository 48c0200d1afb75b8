/* doc: what a stored report says, by a path like "theory.measured.value". A stranger may have written
 * it: what is absent, or of another type, is NAN, "" or NULL, and everybody prints that as a dash. */
#ifndef RELIABILITY_DOC_H
#define RELIABILITY_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

const json_t *doc_at(const json_t *doc, const char *path);   /* NULL: not there */
double doc_num(const json_t *doc, const char *path);         /* finite, or NAN */
const char *doc_str(const json_t *doc, const char *path);    /* "" */
const json_t *doc_list(const json_t *doc, const char *path); /* an array, or NULL */
/* of two numbers in order */
bool doc_interval(const json_t *doc, const char *path, double *lo, double *hi);
double doc_item(const json_t *list, size_t i); /* number i of an array, or NAN */

/* Texts for people. NAN is a dash. */
#define DOC_TEXT 64
const char *doc_share(char out[DOC_TEXT], double share); /* "97.34 %" */
const char *doc_ms(char out[DOC_TEXT], double ms);       /* "0.42 ms", "1.3 s" */
/* "96.9 % to 97.7 %" of an interval of shares, or a dash */
const char *doc_range(char out[DOC_TEXT], const json_t *doc, const char *path);
const char *doc_p(char out[DOC_TEXT], double p); /* "0.031", "< 1e-12" */
const char *doc_recovery(unsigned of);           /* what failed, for people: enum recovery_of */
const char *doc_count(char out[DOC_TEXT], double n);
const char *doc_plain(char out[DOC_TEXT], double v, int digits);

#endif
