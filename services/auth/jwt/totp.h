/* totp: time-based one-time passwords (RFC 6238 over RFC 4226: HMAC-SHA-1, 30 s, 6 digits, as all
 * authenticator programs have them), and recovery codes. Pure: the clock is an argument.
 *
 * A secret has 160 bits (RFC 4226, section 4). A recovery code has 80, so its hash needs no salt and no
 * cost: it can't be guessed. */
#ifndef JWT_TOTP_H
#define JWT_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOTP_SECRET   20 /* bytes */
#define TOTP_STEP_US  (INT64_C(30) * 1000000)
#define TOTP_DRIFT    1  /* steps either way: clocks differ, and people type slowly */
#define TOTP_TEXT_LEN 33 /* a secret in base32, with NUL */

#define RECOVERY_CODES    10
#define RECOVERY_BYTES    10
#define RECOVERY_LEN      20 /* "ABCD-EFGH-IJKL-MNOP" with NUL */
#define RECOVERY_HASH_LEN 44 /* base64url of 32 bytes with NUL */

/* RFC 4226, section 5.3. */
uint32_t totp_hotp(const uint8_t *secret, size_t n, uint64_t counter);
/* What somebody typed where a second factor was asked for; blanks and hyphens are passed over. */
enum totp_input { TOTP_NONE, TOTP_CODE, TOTP_RECOVERY };
struct totp_typed {
	enum totp_input kind;
	uint32_t code;                    /* of a TOTP_CODE */
	uint8_t recovery[RECOVERY_BYTES]; /* of a TOTP_RECOVERY */
};
void totp_type(const char *text, struct totp_typed *out);
/* The step that the code is of, among those that now may be; 0: of none. Takes the same time whichever
 * it is. */
int64_t totp_step(const uint8_t secret[TOTP_SECRET], uint32_t code, int64_t now_us);

void totp_base32(const uint8_t *p, size_t n, char *out); /* RFC 4648, no padding, NUL-ended */
void totp_recovery_text(const uint8_t code[RECOVERY_BYTES], char out[RECOVERY_LEN]);
void totp_recovery_hash(
    const char *factor, const uint8_t code[RECOVERY_BYTES], char out[RECOVERY_HASH_LEN]);

#endif
