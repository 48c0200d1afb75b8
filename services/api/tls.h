/* tls: the certificate and key that the edge shows, and their replacement while it runs. TLS 1.2 and
 * 1.3 with forward secrecy and authenticated ciphers, nothing else. */
#ifndef API_TLS_H
#define API_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>
#include "node/loop.h"

extern const char tls_priorities[]; /* GnuTLS's words for what we speak */

/* Reads PEM files (both may be one) and shows them from the next handshake on. False: err says what
 * is wrong, and what was shown before still is. The one before is kept for `linger_us`, longer than
 * a handshake may take. */
bool tls_load(struct loop *l, const char *cert, const char *key, int64_t linger_us, char *err,
    size_t err_size);
/* GnuTLS asks for it at each handshake. */
int tls_certificate(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca,
    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain,
    unsigned int *n_chain, gnutls_privkey_t *key);
/* Seconds since 1970 when what is shown ends; 0: nothing is shown. */
int64_t tls_expires(void);
void tls_unload(void);

/* --- tls_self.c: for a trial --- */
/* P-256, 90 days, for localhost, this host's name and the loopback addresses; certificate and key in
 * one file with mode 0600, made anew when there is none, or it ends within 15 days. */
bool tls_self_signed(const char *path, char *err, size_t err_size);

#endif
