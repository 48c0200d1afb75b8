/* tls: see tls.h. One certificate per process: GnuTLS's callback has no context to tell us apart. */
#include "api/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define PEM_MOST   (256 << 10)
#define CHAIN_MOST 8
#define SOON_S     (14 * 86400)

struct shown {
	gnutls_pcert_st chain[CHAIN_MOST];
	unsigned int n;
	gnutls_privkey_t key;
	int64_t expires;
	struct timer retired; /* a handshake may still use it */
};

static bool read_pem(const char *, gnutls_datum_t *, char *, size_t);
static void wipe(gnutls_datum_t *);
static bool parse(struct shown *, const char *, const char *, char *, size_t);
static bool is_pair(const struct shown *);
static int64_t expiry(const gnutls_pcert_st *);
static void on_retired(struct timer *);
static void drop(struct shown *);

const char tls_priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:"
    "%SERVER_PRECEDENCE";

static struct shown *now;

bool
tls_load(struct loop *l, const char *cert, const char *key, int64_t linger_us, char *err,
    size_t err_size)
{
	struct shown *s = mem_zalloc(sizeof(*s)), *old = now;

	if (!parse(s, cert, key, err, err_size)) {
		drop(s);
		return false;
	}
	timer_init(&s->retired, l, on_retired);
	now = s;
	if (old != NULL)
		timer_in(&old->retired, linger_us);
	if (s->expires < time_wall_us() / SEC + SOON_S)
		log_warn("certificate_ends_soon", L_STR("file", cert),
		    L_INT("days", (s->expires - time_wall_us() / SEC) / 86400));
	return true;
}

int
tls_certificate(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca,
    const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **chain,
    unsigned int *n_chain, gnutls_privkey_t *key)
{
	(void)session, (void)ca, (void)n_ca, (void)algorithms, (void)n_algorithms;
	if (now == NULL)
		return -1;
	*chain = now->chain;
	*n_chain = now->n;
	*key = now->key;
	return 0;
}

int64_t
tls_expires(void)
{
	return now == NULL ? 0 : now->expires;
}

void
tls_unload(void)
{
	if (now != NULL)
		drop(now);
	now = NULL;
}

static bool
parse(struct shown *s, const char *cert, const char *key, char *err, size_t err_size)
{
	gnutls_datum_t cert_pem = { NULL, 0 }, key_pem = { NULL, 0 };
	int r = 0;

	if (!read_pem(cert, &cert_pem, err, err_size) || !read_pem(key, &key_pem, err, err_size)) {
		wipe(&cert_pem);
		return false;
	}
	s->n = CHAIN_MOST;
	if (gnutls_privkey_init(&s->key) != 0)
		fatal("out of memory");
	r = gnutls_pcert_list_import_x509_raw(
	    s->chain, &s->n, &cert_pem, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
	if (r < 0) {
		s->n = 0;
		snprintf(err, err_size, "%s: %s", cert, gnutls_strerror(r));
	} else if ((r = gnutls_privkey_import_x509_raw(
			s->key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0) {
		snprintf(err, err_size, "%s: %s", key, gnutls_strerror(r));
	} else if (!is_pair(s)) {
		r = -1;
		snprintf(
		    err, err_size, "%s is not the key of the first certificate in %s", key, cert);
	} else {
		s->expires = expiry(&s->chain[0]);
	}
	wipe(&cert_pem);
	wipe(&key_pem);
	return r >= 0;
}

static bool
read_pem(const char *path, gnutls_datum_t *out, char *err, size_t err_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = { .st_size = 0 };
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > PEM_MOST) {
		snprintf(err, err_size, "%s: %s", path,
		    fd < 0 ? strerror(errno) : "is empty or too large");
		if (fd >= 0)
			close(fd);
		return false;
	}
	*out = (gnutls_datum_t){ mem_zalloc((size_t)st.st_size + 1), (unsigned)st.st_size };
	n = read(fd, out->data, out->size);
	close(fd);
	if (n == st.st_size)
		return true;
	snprintf(err, err_size, "%s: could not be read", path);
	wipe(out);
	return false;
}

static void
wipe(gnutls_datum_t *d)
{
	if (d->data != NULL)
		sodium_memzero(d->data, d->size);
	free(d->data);
	d->data = NULL;
}

static bool
is_pair(const struct shown *s)
{
	unsigned char of_cert[64], of_key[64];
	size_t n_cert = sizeof(of_cert), n_key = sizeof(of_key);
	gnutls_pubkey_t pub;
	bool same;

	if (gnutls_pubkey_init(&pub) != 0)
		fatal("out of memory");
	same = gnutls_pubkey_import_privkey(pub, s->key, 0, 0) == 0 &&
	       gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA256, of_key, &n_key) == 0 &&
	       gnutls_pubkey_get_key_id(
		   s->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &n_cert) == 0 &&
	       n_cert == n_key && memcmp(of_cert, of_key, n_key) == 0;
	gnutls_pubkey_deinit(pub);
	return same;
}

static int64_t
expiry(const gnutls_pcert_st *c)
{
	gnutls_x509_crt_t x;
	int64_t at = 0;

	if (gnutls_x509_crt_init(&x) != 0)
		fatal("out of memory");
	if (gnutls_x509_crt_import(x, &c->cert, GNUTLS_X509_FMT_DER) == 0)
		at = gnutls_x509_crt_get_expiration_time(x);
	gnutls_x509_crt_deinit(x);
	return at;
}

static void
on_retired(struct timer *t)
{
	drop(container_of(t, struct shown, retired));
}

static void
drop(struct shown *s)
{
	for (unsigned i = 0; i < s->n; i++)
		gnutls_pcert_deinit(&s->chain[i]);
	if (s->key != NULL)
		gnutls_privkey_deinit(s->key);
	free(s);
}
