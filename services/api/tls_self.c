/* tls_self: a certificate that vouches for itself, so that a trial can speak TLS without anybody
 * else. Who connects has to be told to trust it. */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/tls.h"
#include "base/id.h"
#include "base/log.h"
#include "base/time.h"

#define DAYS       90
#define RENEW_DAYS 15
#define DAY_S      86400

static bool still_good(const char *);
static bool make(gnutls_datum_t *, gnutls_datum_t *);
static bool describe(gnutls_x509_crt_t, gnutls_x509_privkey_t);
static bool name(gnutls_x509_crt_t);
static bool save(const char *, const gnutls_datum_t *, const gnutls_datum_t *, char *, size_t);
static bool write_all(int, const gnutls_datum_t *);

bool
tls_self_signed(const char *path, char *err, size_t err_size)
{
	gnutls_datum_t key = { NULL, 0 }, cert = { NULL, 0 };
	bool ok;

	if (still_good(path))
		return true;
	if (!make(&key, &cert)) {
		snprintf(err, err_size, "GnuTLS could not make a certificate");
		return false;
	}
	ok = save(path, &key, &cert, err, err_size);
	sodium_memzero(key.data, key.size);
	gnutls_free(key.data);
	gnutls_free(cert.data);
	if (ok)
		log_info("certificate_made", L_STR("file", path), L_INT("days", DAYS));
	return ok;
}

/* Ours, closed to others, and not about to end. */
static bool
still_good(const char *path)
{
	gnutls_datum_t pem = { NULL, 0 };
	gnutls_x509_crt_t c;
	struct stat st;
	bool good;

	if (stat(path, &st) != 0 || (st.st_mode & 077) != 0 || st.st_uid != geteuid() ||
	    gnutls_load_file(path, &pem) != 0)
		return false;
	if (gnutls_x509_crt_init(&c) != 0)
		fatal("out of memory");
	good = gnutls_x509_crt_import(c, &pem, GNUTLS_X509_FMT_PEM) == 0 &&
	       gnutls_x509_crt_get_expiration_time(c) > time_wall_us() / SEC + RENEW_DAYS * DAY_S;
	gnutls_x509_crt_deinit(c);
	sodium_memzero(pem.data, pem.size);
	gnutls_free(pem.data);
	return good;
}

static bool
make(gnutls_datum_t *key, gnutls_datum_t *cert)
{
	gnutls_x509_privkey_t k;
	gnutls_x509_crt_t c;
	bool ok;

	if (gnutls_x509_privkey_init(&k) != 0 || gnutls_x509_crt_init(&c) != 0)
		fatal("out of memory");
	ok = gnutls_x509_privkey_generate(
		 k, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
	     describe(c, k) && gnutls_x509_crt_sign2(c, c, k, GNUTLS_DIG_SHA256, 0) == 0 &&
	     gnutls_x509_privkey_export2(k, GNUTLS_X509_FMT_PEM, key) == 0 &&
	     gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, cert) == 0;
	gnutls_x509_crt_deinit(c);
	gnutls_x509_privkey_deinit(k);
	return ok;
}

/* An hour back: clocks differ. */
static bool
describe(gnutls_x509_crt_t c, gnutls_x509_privkey_t k)
{
	time_t today = (time_t)(time_wall_us() / SEC);
	unsigned char serial[16];

	id_random(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and no leading zeros */
	return gnutls_x509_crt_set_version(c, 3) == 0 && gnutls_x509_crt_set_key(c, k) == 0 &&
	       gnutls_x509_crt_set_serial(c, serial, sizeof(serial)) == 0 &&
	       gnutls_x509_crt_set_activation_time(c, today - 3600) == 0 &&
	       gnutls_x509_crt_set_expiration_time(c, today + DAYS * DAY_S) == 0 &&
	       gnutls_x509_crt_set_dn(c, "CN=metafed trial", NULL) == 0 && name(c) &&
	       gnutls_x509_crt_set_basic_constraints(c, 0, -1) == 0 &&
	       gnutls_x509_crt_set_key_usage(c, GNUTLS_KEY_DIGITAL_SIGNATURE) == 0 &&
	       gnutls_x509_crt_set_key_purpose_oid(c, GNUTLS_KP_TLS_WWW_SERVER, 0) == 0;
}

static bool
name(gnutls_x509_crt_t c)
{
	static const unsigned char v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0' &&
	    strcmp(host, "localhost") != 0 &&
	    gnutls_x509_crt_set_subject_alt_name(
		c, GNUTLS_SAN_DNSNAME, host, (unsigned)strlen(host), GNUTLS_FSAN_APPEND) != 0)
		return false;
	return gnutls_x509_crt_set_subject_alt_name(
		   c, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_APPEND) == 0 &&
	       gnutls_x509_crt_set_subject_alt_name(
		   c, GNUTLS_SAN_IPADDRESS, v4, sizeof(v4), GNUTLS_FSAN_APPEND) == 0 &&
	       gnutls_x509_crt_set_subject_alt_name(
		   c, GNUTLS_SAN_IPADDRESS, v6, sizeof(v6), GNUTLS_FSAN_APPEND) == 0;
}

/* Both in one file, so that nobody ever sees the one without the other. */
static bool
save(const char *path, const gnutls_datum_t *key, const gnutls_datum_t *cert, char *err,
    size_t err_size)
{
	char temporary[4096];
	int fd;
	bool ok;

	snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok = fd >= 0 && write_all(fd, key) && write_all(fd, cert) && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (ok && rename(temporary, path) == 0)
		return true;
	snprintf(err, err_size, "%s: %s", path, strerror(errno));
	(void)unlink(temporary);
	return false;
}

static bool
write_all(int fd, const gnutls_datum_t *d)
{
	return write(fd, d->data, d->size) == (ssize_t)d->size;
}
