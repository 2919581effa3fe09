/* An OpenMP program of one team that computes until it is ended. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_S = 600 };

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time); /* the other clock may be set while this runs */
    return time.tv_sec;
}

int main(void)
{
    const time_t end = now() + LONGEST_S;

#pragma omp parallel
    {
#pragma omp barrier
#pragma omp master
        {
            printf("ready pid=%d\n", (int)getpid());
            fflush(stdout);
        }
        while (now() < end)
            for (volatile int turn = 0; turn < 1000000; turn++)
                ;
    }
    return 0;
}
