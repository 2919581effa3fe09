/* Where a command is, as execvp(3) looks for it. */
#ifndef NUMALOCAL_PROGRAM_H
#define NUMALOCAL_PROGRAM_H

/* The path of the file, to be freed by the caller; NULL: not found. */
char *program_find(const char *command);

#endif
