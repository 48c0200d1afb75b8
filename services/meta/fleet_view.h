/* fleet_view: the fleet as people see it. Details of the nodes (breakers, calls in flight, memory)
 * are asked for only when somebody asks us, from the nodes themselves, and kept for half a second;
 * who does not answer is listed with what is known. States are always those of now. */
#ifndef META_FLEET_VIEW_H
#define META_FLEET_VIEW_H

#include "base/arena.h"
#include "bus/call.h"
#include "proto/meta.pb-c.h"

struct fleet_view;
struct meta;

struct fleet_view *fleet_view_new(struct meta *m);
void fleet_view_free(struct fleet_view **v);
/* fn runs once, perhaps from inside, unless the call ends before; s lives in the call's arena. */
void fleet_view_ask(struct fleet_view *v, struct call *c,
    void (*fn)(void *ctx, const Mf__FleetState *s), void *ctx);
/* "normal"; "throttled" while requests are refused for lack of slots */
const char *fleet_mode(const struct meta *m);
ProtobufCBinaryData fleet_view_json(struct arena *a, const Mf__FleetState *s);

#endif
