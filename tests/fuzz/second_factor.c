/* second_factor: any bytes as what somebody typed for a second factor, and as an API key. Nothing that
 * the fuzzer makes may be the key of this process, whose secret it does not know. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "auth/jwt/api_key.h"
#include "auth/jwt/totp.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
as_otp(const char *text)
{
	struct totp_typed typed, again;
	char written[RECOVERY_LEN];

	totp_type(text, &typed);
	must(typed.kind != TOTP_CODE || typed.code < 1000000);
	if (typed.kind != TOTP_RECOVERY)
		return;
	totp_recovery_text(typed.recovery, written);
	totp_type(written, &again);
	must(memcmp(&typed, &again, sizeof(typed)) == 0);
}

static void
as_api_key(const char *text)
{
	char written[API_KEY_LEN], hash[API_KEY_HASH_LEN];
	struct api_key k;

	if (!api_key_read(text, &k))
		return;
	must(uuid_ok(k.id));
	api_key_write(&k, written);
	must(strcmp(written, text) == 0);
	api_key_hash(&k, hash);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	must(sodium_init() >= 0);
	text = malloc(n + 1);
	must(text != NULL);
	memcpy(text, data, n);
	text[n] = '\0';
	as_otp(text);
	as_api_key(text);
	free(text);
	return 0;
}
