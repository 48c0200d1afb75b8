/* group: several processes of one name, over tcp: the places where they may be, and who is there.
 *
 * bus_peers names them: a host with several addresses (the name of a headless service), or the name
 * several times. Names that fleet_names says there may be many of have GROUP_MOST places, each with a
 * peer of its own that is vacant while nobody is known for it; so members of targets stay where they
 * are, whoever comes and goes. The name decides what a process may do (its key is the name's), the
 * instance in its hello says which one it is.
 *
 * Hosts are looked up again every LOOK_US, and soon after a process is lost. Who is not found any
 * more gets no new calls, and is left when it has answered those it has; a look-up that fails changes
 * nothing. Of more than GROUP_MOST processes everybody knows some. Two addresses of one process
 * (IPv4 and IPv6) are one: the second waits as a twin. */
#ifndef BUS_GROUP_H
#define BUS_GROUP_H

#include "base/time.h"

#define LOOK_US       (5 * SEC)
#define LOOK_FIRST_US (500 * MS) /* while nobody is known, or somebody was lost */
#define LEAVE_LOOK_US (200 * MS) /* has it answered all? */

#endif
