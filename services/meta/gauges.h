/* gauges: what is worth measuring only when somebody looks: the table of processes, slots, disks. */
#ifndef META_GAUGES_H
#define META_GAUGES_H

struct gauges;
struct meta;

struct gauges *gauges_new(struct meta *m);
void gauges_free(struct gauges **g);
void gauges_show(struct gauges *g); /* metric_on_collect */

#endif
