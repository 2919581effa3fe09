/* The loop that decoding a token is: weights pass from memory through the cores once. */
#ifndef NUMALOCAL_DECODE_DOT_H
#define NUMALOCAL_DECODE_DOT_H

#include <stddef.h>

/* LANES sums at a time keep the adder of any vector unit, 128 to 512 bits wide, from waiting for
 * its own last result. */
enum { LANES = 64 };

/* Of `columns` weights and as many inputs, a multiple of LANES. */
float dot(const float *restrict row, const float *restrict input, size_t columns);

#endif
