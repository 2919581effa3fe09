#include "decode/dot.h"

float dot(const float *restrict row, const float *restrict input, size_t columns)
{
    float sums[LANES] = {0};
    float sum = 0;

    for (size_t i = 0; i < columns; i += LANES) {
#pragma omp simd
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += row[i + lane] * input[i + lane];
    }
    for (size_t lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}
