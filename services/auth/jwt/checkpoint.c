/* checkpoint: signs checkpoints of the audit log, which auth keeps and whose keys it doesn't have. The
 * type in the header says what it is: no checkpoint is a token, nothing else a checkpoint. */
#include <string.h>
#include "auth/jwt/jws.h"
#include "auth/jwt/jwt.h"

#define CHECKPOINT_TYPE "audit-checkpoint+jwt"
#define CHECKPOINT_MAX  1024 /* bytes of its JSON: some numbers and a hash */

void
tokens_sign(
    Mf__Jwt_Service *s, const Mf__Checkpoint *q, Mf__SignedCheckpoint_Closure reply, void *ctx)
{
	struct tokens *t = container_of(s, struct tokens, service);
	const struct jws_key *key = tokens_signer(t);
	Mf__SignedCheckpoint m = MF__SIGNED_CHECKPOINT__INIT;
	struct jw w;

	(void)reply;
	if (strcmp(call_peer(ctx), "auth") != 0) {
		call_fail(ctx, ST_PERMISSION_DENIED, "auth alone has checkpoints signed");
		return;
	}
	if (q->payload.len == 0 || q->payload.len > CHECKPOINT_MAX) {
		call_fail(
		    ctx, ST_INVALID_ARGUMENT, "payload: must have 1 to %d bytes", CHECKPOINT_MAX);
		return;
	}
	m.token = jws_sign(call_arena(ctx), key, CHECKPOINT_TYPE, q->payload.data, q->payload.len);
	if (m.token == NULL) {
		call_fail(ctx, ST_UNAVAILABLE, "there is no key that can sign");
		return;
	}
	jw_start(&w, call_arena(ctx), 256);
	jws_key_jwk(key, &w);
	m.key.data = (uint8_t *)jw_text(&w, &m.key.len);
	call_reply(ctx, &m.base);
}
