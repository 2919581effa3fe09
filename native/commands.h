/* The commands. argv[0] is the command's name; the value is the exit status. */
#ifndef NUMALOCAL_COMMANDS_H
#define NUMALOCAL_COMMANDS_H

int check_command(int argc, char **argv);
int exec_command(int argc, char **argv); /* returns only where that failed */
int run_command(int argc, char **argv);

#endif
