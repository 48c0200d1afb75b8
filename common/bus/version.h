/* version: of what nodes say to each other: Hello, frames and envelopes. A node talks only to nodes of
 * the same version, so raising it means that a fleet can't be upgraded node by node. */
#ifndef BUS_VERSION_H
#define BUS_VERSION_H

#define BUS_VERSION 1

#endif
