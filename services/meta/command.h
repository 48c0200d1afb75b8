/* command: the command line of metafed-meta when it is not the orchestrator: start a fleet, in the
 * foreground or detached, or stop one. */
#ifndef META_COMMAND_H
#define META_COMMAND_H

int meta_command(int argc, char **argv);

#endif
