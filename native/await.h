/* A check that looks again until the agent has bound the container. */
#ifndef NUMALOCAL_AWAIT_H
#define NUMALOCAL_AWAIT_H

#include "inspect.h"

/* Inspects until the container is bound, `wait_s` are over or SIGTERM or SIGINT comes, and leaves
 * what was seen last. Where it has to wait it says so on standard error at the start and the end. */
void await_binding(struct inspection *inspection, const char *root, unsigned int wait_s);

#endif
