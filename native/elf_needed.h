/* The libraries that a program is linked to, from its file. */
#ifndef NUMALOCAL_ELF_NEEDED_H
#define NUMALOCAL_ELF_NEEDED_H

/* Calls `each` with every DT_NEEDED name of a 64-bit ELF file of either byte order; of any other
 * file, or a damaged one, with none or some. The file is somebody else's: every offset in it is
 * checked against its size, and every count has a bound. */
void elf_needed(const char *path, void (*each)(const char *name, void *context), void *context);

#endif
