/* stage_scripts: the Lua functions of stage.c, upon those of documents (document_scripts.h). P, the
 * prefix of the collection's keys, is the first argument. */
#ifndef NOSQL_STAGE_SCRIPTS_H
#define NOSQL_STAGE_SCRIPTS_H

/* KEYS: record of the operation. 2: epoch, 3: transaction or "", 4...: ids. {'DONE', record},
 * {'STAGED', answer}, {'HELD', transaction}, {'stale', kept}, or {'ok', document or nil, ...}. */
extern const char stage_look_script[];
/* KEYS: record of the operation. 2: epoch, 3: transaction or "" (publishes at once), 4: operation or "", 5: the
 * answer, 6: until when it is recorded (ms), 7...: of each document its id, what it must be ("": not there; "="
 * before it), "put" or "erase" or "" (stays), the new one as kept, its life in ms from now or "", number of
 * entries, entries. {'ok'}, {'DONE', record}, {'STAGED', answer}, {'HELD', transaction}, {'stale', kept},
 * {'CHANGED'}, {'taken', slot, whose it is}. */
extern const char stage_take_script[];
/* KEYS: own. 2: transaction, 3: "commit" or "abort". Documents that were staged, 0: none any more. */
extern const char stage_settle_script[];
/* KEYS: tx. Transactions and the times at which they staged, the oldest first; last the time now (ms). */
extern const char stage_list_script[];

#endif
