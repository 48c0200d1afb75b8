/* factor: a row of the model factor, and whether what somebody typed is right for it. TOTP is the one
 * kind there is (totp.h); its secret lies sealed in the row, recovery codes as hashes. */
#ifndef JWT_FACTOR_H
#define JWT_FACTOR_H

#include "auth/jwt/jwt.h"
#include "auth/jwt/totp.h"
#include "base/json.h"

#define FACTOR_SEAL "factor" /* purpose of the seal; its name is the factor's id */
#define FACTOR_TOTP "totp"

struct factor_row {
	const char *id, *user_id, *kind, *secret; /* secret: sealed */
	bool confirmed;
	int64_t
	    last_step; /* of the last code that was taken; it and those before are not taken again */
	size_t n_recovery;
	const char *recovery[RECOVERY_CODES];
	uint64_t version;
	int64_t created_us;
};

/* False: the stored object is not what the model promises. Strings in `a`. */
bool factor_row_of(struct arena *a, const json_t *item, struct factor_row *out);
bool factor_row_read(struct arena *a, const ProtobufCBinaryData *data, struct factor_row *out);
/* False: it was sealed with another key; said in the log. */
bool factor_secret(const struct tokens *t, const struct factor_row *f, uint8_t out[TOTP_SECRET]);

/* The second step of a log-in: is otp right for the user's confirmed factor? A code or recovery code
 * that is right is used up by that, durably, before this answers: of two calls one has it. The same
 * operation again has it again. */
enum second {
	SECOND_NONE,  /* he has no confirmed factor */
	SECOND_EMPTY, /* he has, and otp is "" */
	SECOND_WRONG,
	SECOND_RIGHT,
};
typedef void second_done_fn(enum second v, void *ctx);
/* otp is wiped. When it can't be decided the call is failed and `done` never comes. */
void second_check(struct tokens *t, struct call *c, const char *user_id, char *otp,
    const char *operation_id, second_done_fn *done, void *ctx);

#endif
