/* The long options of a command; there are no short ones. */
#ifndef NUMALOCAL_OPTIONS_H
#define NUMALOCAL_OPTIONS_H

#include <getopt.h>

/* The next option's `val`, its value in `optarg`; -1 behind the last, where `optind` is the first
 * argument that is none. An option that is unknown or lacks its value ends the program with a
 * sentence that begins with the name of the command, argv[0]. */
int option_next(int argc, char **argv, const struct option *known);

#endif
