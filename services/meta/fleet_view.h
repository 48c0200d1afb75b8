/* fleet_view: the fleet as people see it. Details of the nodes (breakers, calls in flight, memory)
 * are asked for only when somebody asks us, from the nodes themselves, and kept for half a second;
 * who does not answer is listed with what is known. States are always those of now. */
#ifndef META_FLEET_VIEW_H
#define META_FLEET_VIEW_H

#include "base/arena.h"
#include "bus/call.h"
#include "meta/fleet_state.h"
#include "proto/meta.pb-c.h"
#include "proto/node.pb-c.h"

struct fleet_view;
struct meta;

struct fleet_view *fleet_view_new(struct meta *m);
void fleet_view_free(struct fleet_view **v);
/* fn runs once, perhaps from inside, unless the call ends before; s lives in the call's arena. */
void fleet_view_ask(struct fleet_view *v, struct call *c,
    void (*fn)(void *ctx, const Mf__FleetState *s), void *ctx);
ProtobufCBinaryData fleet_view_json(struct arena *a, const Mf__FleetState *s); /* fleet_json.c */
/* What the process of the row says of itself, as of the last question; NULL: nothing. */
Mf__NodeInfo *fleet_view_info(struct meta *m, struct arena *a, const struct fleet_row *r);
double fleet_per_s(uint64_t n, uint64_t window_us);
uint64_t fleet_view_rss(int32_t pid); /* bytes; 0: the process is gone, or not ours to see */

#endif
