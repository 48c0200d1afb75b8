/* totp: the vectors of RFC 4226 and RFC 6238, what people type, recovery codes. */
#include <sodium.h>
#include <string.h>
#include "auth/jwt/totp.h"
#include "base/time.h"
#include "harness/test.h"

static const uint8_t rfc_secret[TOTP_SECRET + 1] = "12345678901234567890";

/* RFC 4226, appendix D. */
static void
codes_are_those_of_rfc_4226(void **unused)
{
	static const uint32_t codes[] = { 755224, 287082, 359152, 969429, 338314, 254676, 287922,
		162583, 399871, 520489 };

	(void)unused;
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(totp_hotp(rfc_secret, TOTP_SECRET, i), codes[i]);
}

/* RFC 6238, appendix B, SHA-1: the last six of its eight digits. */
static void
codes_are_those_of_rfc_6238(void **unused)
{
	static const struct {
		int64_t at_s;
		uint32_t code;
	} vectors[] = { { 59, 287082 }, { 1111111109, 81804 }, { 1111111111, 50471 },
		{ 1234567890, 5924 }, { 2000000000, 279037 }, { 20000000000, 353130 } };

	(void)unused;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(totp_step(rfc_secret, vectors[i].code, vectors[i].at_s * SEC),
		    vectors[i].at_s / 30);
}

static void
a_code_counts_one_step_before_and_behind_and_no_further(void **unused)
{
	int64_t at = 1234567890 * SEC, step = at / TOTP_STEP_US;

	(void)unused;
	for (int64_t i = -3; i <= 3; i++) {
		uint32_t code = totp_hotp(rfc_secret, TOTP_SECRET, (uint64_t)(step + i));

		assert_int_equal(totp_step(rfc_secret, code, at), i >= -1 && i <= 1 ? step + i : 0);
	}
	assert_int_equal(totp_step(rfc_secret, 123456, at), 0);
}

static void
what_was_typed_is_six_digits_or_a_recovery_code_or_nothing(void **unused)
{
	static const struct {
		const char *text;
		enum totp_input kind;
	} typed[] = { { "081804", TOTP_CODE }, { "081 804", TOTP_CODE }, { " 081-804 ", TOTP_CODE },
		{ "", TOTP_NONE }, { "08180", TOTP_NONE }, { "0818044", TOTP_NONE },
		{ "08180a", TOTP_NONE }, { "+81804", TOTP_NONE },
		{ "ABCD-EFGH-IJKL-MNOP", TOTP_RECOVERY }, { "abcdefghijklmnop", TOTP_RECOVERY },
		{ "abcd efgh ijkl mno7", TOTP_RECOVERY }, { "ABCD-EFGH-IJKL-MNO1", TOTP_NONE },
		{ "ABCD-EFGH-IJKL-MNO", TOTP_NONE }, { "ABCD-EFGH-IJKL-MNOPQ", TOTP_NONE },
		{ "\xd9\xa0\xd9\xa1\xd9\xa2", TOTP_NONE } };
	struct totp_typed out;

	(void)unused;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		totp_type(typed[i].text, &out);
		assert_int_equal(out.kind, typed[i].kind);
		if (out.kind == TOTP_CODE)
			assert_int_equal(out.code, 81804);
	}
}

static void
a_recovery_code_reads_back_as_it_was_written(void **unused)
{
	static const uint8_t code[RECOVERY_BYTES] = { 0x00, 0xff, 0x10, 0x32, 0x54, 0x76, 0x98,
		0xba, 0xdc, 0xfe };
	char text[RECOVERY_LEN], hash[RECOVERY_HASH_LEN], other[RECOVERY_HASH_LEN];
	struct totp_typed out;

	(void)unused;
	totp_recovery_text(code, text);
	assert_int_equal(strlen(text), 19);
	totp_type(text, &out);
	assert_int_equal(out.kind, TOTP_RECOVERY);
	assert_memory_equal(out.recovery, code, sizeof(code));
	totp_recovery_hash("a", code, hash);
	totp_recovery_hash("b", code, other);
	assert_int_equal(strlen(hash), 43);
	assert_string_not_equal(hash, other);
}

/* RFC 4648, section 10. */
static void
base32_is_that_of_rfc_4648(void **unused)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "MY" }, { "fo", "MZXQ" },
		{ "foo", "MZXW6" }, { "foob", "MZXW6YQ" }, { "fooba", "MZXW6YTB" },
		{ "foobar", "MZXW6YTBOI" } };
	char out[20];

	(void)unused;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		totp_base32((const uint8_t *)pairs[i][0], strlen(pairs[i][0]), out);
		assert_string_equal(out, pairs[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_those_of_rfc_4226),
		cmocka_unit_test(codes_are_those_of_rfc_6238),
		cmocka_unit_test(a_code_counts_one_step_before_and_behind_and_no_further),
		cmocka_unit_test(what_was_typed_is_six_digits_or_a_recovery_code_or_nothing),
		cmocka_unit_test(a_recovery_code_reads_back_as_it_was_written),
		cmocka_unit_test(base32_is_that_of_rfc_4648),
	};

	return sodium_init() < 0 ? 1 : TEST_RUN(tests);
}
