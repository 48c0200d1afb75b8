/* leave: the end of a process of a fleet, at once: without handlers of exit(), which would wait for
 * threads of libraries. Standard streams are not flushed. Other ends: fatal() and panic() of log.h.
 */
#ifndef BASE_LEAVE_H
#define BASE_LEAVE_H

void leave_now(int status) __attribute__((noreturn));

#endif
