#include "options.h"

#include "die.h"

int option_next(int argc, char **argv, const struct option *known)
{
    /* getopt(3) moves on to the next argument only behind the last letter of "-xy". */
    const char *written = argv[optind];

    opterr = 0;
    /* '+': the options of a command to run are its own. ':': a missing value is told apart. */
    const int option = getopt_long(argc, argv, "+:", known, NULL);
    if (option == ':')
        die("%s: %.60s needs a value; see numalocal-bind --help", argv[0], written);
    if (option == '?')
        die("%s: unknown option %.60s; see numalocal-bind --help", argv[0], written);
    return option;
}
