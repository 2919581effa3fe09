/* Lists of ids in environment variables. Each function gives NULL, or a sentence to be freed by the
 * caller that says what is wrong, with at most 60 characters of a value. */
#ifndef NUMALOCAL_VARIABLE_H
#define NUMALOCAL_VARIABLE_H

#include "idlist.h"

#include <stddef.h>

/* Who sets a variable that is not there. */
#define VARIABLE_SET_BY "the node agent sets it, or `numalocal run`"

/* Reads the list of a variable, which must have an id. */
char *variable_read(struct idlist *list, const char *name);

/* Reads a list out of a text, the value of `name` or a part of it. */
char *variable_parse(struct idlist *list, const char *name, const char *text, size_t length);

/* Tells whether every id of `inner` is in `outer`. */
char *variable_within(const char *inner_name, const struct idlist *inner, const char *outer_name,
                      const struct idlist *outer);

#endif
