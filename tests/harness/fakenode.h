/* fakenode: a process that keeps the contract of node/contract.h and does nothing else, so that
 * supervision can be tried without a bus. A test executable turns into one when it is started under
 * a node's name.
 *
 * VAR/fake/NAME says how it behaves: "crash" (dies before READY), "slow" (READY after 300 ms),
 * "deaf" (never READY), "closed" (nobody but root may look into it). VAR/fake/grace
 * says for how many ms it serves on as an orphan (20 s). VAR/fake/history gets a line
 * "NAME GENERATION PID start|ready|drain|wrong WHAT" for each of its steps. `api` answers each
 * connection with "PID\n". `meta` writes what it is reported to VAR/fake/table, and sends what it
 * finds in VAR/fake/command
 * ("VERB NODE") to the supervisor. */
#ifndef HARNESS_FAKENODE_H
#define HARNESS_FAKENODE_H

int fakenode_main(void);

#endif
