/* explain: the strategy of a request as people see it, instead of the request. Nothing with an effect
 * runs; a form that stands alone is translated, for what it means is known only then. It needs
 * fleet.read, and nothing of what the request itself would need. */
#ifndef META_EXPLAIN_H
#define META_EXPLAIN_H

#include "meta/op.h"

extern const struct permits explain_permits;

/* Right after the plan was made: from now on the plan is that of the explanation. */
void explain_begin(struct op *o);
/* The answer, once it is known who asks. */
ProtobufCBinaryData explain_write(struct op *o);

#endif
