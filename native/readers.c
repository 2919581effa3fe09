#include "readers.h"

#include "decode/dot.h"
#include "die.h"
#include "masks.h"
#include "regions.h"

#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A pass is long beside the time that threads take to begin and to end together. Of its time the
 * slowest reader must have had its CPU for most: one that waits for a CPU holds up all. */
enum { READ_MS = 1000, PASS_MS = 10, BUSY_PERCENT = 80 };

struct reader {
    pthread_t thread;
    struct team *team;
    unsigned int cpu;
    size_t region;     /* of its own node */
    size_t near_start; /* its first page there */
    size_t turn_start; /* behind all that is near to somebody */
    double busy_s;     /* on its CPU, in this pass */
    float sum;         /* a compiler must not leave the reading out */
};

struct team {
    struct regions regions;
    struct reader *readers;
    size_t count;
    size_t pages; /* of each reader and way, whole turns */
    size_t *turn_starts; /* of each region, the first page that is in turn */
    struct regions_slot *slots; /* of one turn */
    float *input;
    pthread_barrier_t barrier;
    enum way way;   /* of this pass; WAYS: there is none more */
    uint64_t times; /* that a pass reads all pages of its way */
    uint64_t read_times[WAYS];
    double read_s[WAYS];
};

static double now_s(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *near_page(const struct reader *reader, size_t page)
{
    return regions_page(&reader->team->regions, reader->region, reader->near_start + page);
}

static char *turn_page(const struct reader *reader, size_t page)
{
    const struct team *team = reader->team;
    const size_t turn = reader->turn_start + page / team->regions.turn;
    const struct regions_slot slot = team->slots[page % team->regions.turn];
    const size_t weight = team->regions.each[slot.region].weight;

    return regions_page(&team->regions, slot.region,
                        team->turn_starts[slot.region] + turn * weight + slot.page);
}

static bool move_to(unsigned int cpu)
{
    struct bitmask *mask = numa_allocate_cpumask();

    numa_bitmask_setbit(mask, cpu);
    const bool moved = numa_sched_setaffinity(0, mask) >= 0;
    numa_bitmask_free(mask);
    return moved;
}

static void touch(const struct reader *reader)
{
    for (size_t page = 0; page < reader->team->pages; page++) {
        *near_page(reader, page) = 0;
        *turn_page(reader, page) = 0;
    }
}

static void read_once(struct reader *reader)
{
    const struct team *team = reader->team;
    const size_t columns = team->regions.page_bytes / sizeof(float);
    float sum = 0;

    for (size_t page = 0; page < team->pages; page++) {
        const void *row = team->way == NEAR ? near_page(reader, page) : turn_page(reader, page);

        sum += dot(row, team->input, columns);
    }
    reader->sum += sum;
}

static void read_pass(struct reader *reader)
{
    const double start_s = now_s(CLOCK_THREAD_CPUTIME_ID);

    for (uint64_t i = 0; i < reader->team->times; i++)
        read_once(reader);
    reader->busy_s = now_s(CLOCK_THREAD_CPUTIME_ID) - start_s;
}

/* One way after the other, so that what else the machine does meets both. */
static void choose_way(struct team *team, double end_s)
{
    if (now_s(CLOCK_MONOTONIC) >= end_s)
        team->way = WAYS;
    else
        team->way = team->way == NEAR ? INTERLEAVED : NEAR;
}

static void count_pass(struct team *team, double pass_s)
{
    double busy_s = 0;

    for (size_t i = 0; i < team->count; i++)
        busy_s = team->readers[i].busy_s > busy_s ? team->readers[i].busy_s : busy_s;
    if (busy_s >= pass_s * BUSY_PERCENT / 100) {
        team->read_times[team->way] += team->times;
        team->read_s[team->way] += pass_s;
    }
    if (busy_s < PASS_MS / 1e3)
        team->times *= 2;
}

/* The first reader leads: between two barriers the others wait for it. */
static void *run_reader(void *argument)
{
    struct reader *reader = argument;
    struct team *team = reader->team;
    const bool leads = reader == team->readers;
    double end_s = 0;

    if (!move_to(reader->cpu))
        _exit(EXIT_FAILURE);
    touch(reader);
    pthread_barrier_wait(&team->barrier);
    if (leads) {
        if (!regions_are_pure(&team->regions))
            _exit(EXIT_FAILURE);
        end_s = now_s(CLOCK_MONOTONIC) + READ_MS / 1e3;
    }
    for (;;) {
        if (leads)
            choose_way(team, end_s);
        pthread_barrier_wait(&team->barrier);
        if (team->way == WAYS)
            return NULL;
        const double start_s = now_s(CLOCK_MONOTONIC);
        read_pass(reader);
        pthread_barrier_wait(&team->barrier);
        if (leads)
            count_pass(team, now_s(CLOCK_MONOTONIC) - start_s);
    }
}

/* The region of a CPU's own node; false: there is none, or the CPU is not to be had. */
static bool find_region(struct reader *reader, const struct idlist *nodes)
{
    unsigned int node = 0;
    size_t region = 0;

    if (!move_to(reader->cpu) || getcpu(NULL, &node) != 0 || !idlist_contains(nodes, node))
        return false;
    for (unsigned int id = 0; id < node; id++)
        region += idlist_contains(nodes, id);
    reader->region = region;
    return true;
}

static bool list_readers(struct team *team, const struct idlist *cpus, const struct idlist *nodes)
{
    team->count = idlist_size(cpus);
    team->readers = allocate(NULL, team->count, sizeof *team->readers);
    size_t number = 0;
    for (size_t i = 0; i < cpus->count; i++)
        for (unsigned int cpu = cpus->ranges[i].first; cpu <= cpus->ranges[i].last; cpu++) {
            struct reader *reader = &team->readers[number++];

            *reader = (struct reader){.team = team, .cpu = cpu};
            if (!find_region(reader, nodes))
                return false;
        }
    return team->count > 0;
}

/* Gives each reader its own pages: first what is near to somebody, behind it what is in turn. */
static bool lay_out(struct team *team, uint64_t bytes)
{
    const struct regions *regions = &team->regions;
    size_t *pages = allocate(NULL, regions->count, sizeof *pages);

    team->turn_starts = allocate(NULL, regions->count, sizeof *team->turn_starts);
    memset(pages, 0, regions->count * sizeof *pages);
    const size_t turns = bytes / regions->page_bytes / team->count / regions->turn + 1;
    team->pages = turns * regions->turn;
    for (size_t i = 0; i < team->count; i++) {
        struct reader *reader = &team->readers[i];

        reader->near_start = pages[reader->region];
        pages[reader->region] += team->pages;
        reader->turn_start = i * turns;
    }
    for (size_t i = 0; i < regions->count; i++) {
        team->turn_starts[i] = pages[i];
        pages[i] += team->count * turns * regions->each[i].weight;
    }
    const bool mapped = regions_map(&team->regions, pages);
    free(pages);
    return mapped;
}

struct team *readers_place(const struct idlist *cpus, const struct idlist *nodes,
                           const size_t *weights, uint64_t bytes)
{
    struct team *team = allocate(NULL, 1, sizeof *team);

    *team = (struct team){.way = INTERLEAVED, .times = 1}; /* before the first pass */
    regions_list(&team->regions, nodes, weights);
    team->slots = allocate(NULL, team->regions.turn, sizeof *team->slots);
    for (size_t i = 0; i < team->regions.turn; i++)
        team->slots[i] = regions_slot(&team->regions, i);
    return list_readers(team, cpus, nodes) && lay_out(team, bytes) ? team : NULL;
}

bool readers_run(struct team *team)
{
    const size_t columns = team->regions.page_bytes / sizeof(float);

    team->input = allocate(NULL, columns, sizeof *team->input);
    for (size_t i = 0; i < columns; i++)
        team->input[i] = (float)(i % 13) / 12;
    pthread_barrier_init(&team->barrier, NULL, (unsigned int)team->count);
    for (size_t i = 0; i < team->count; i++)
        if (pthread_create(&team->readers[i].thread, NULL, run_reader, &team->readers[i]) != 0)
            return false;
    for (size_t i = 0; i < team->count; i++)
        pthread_join(team->readers[i].thread, NULL);
    return team->read_times[NEAR] > 0 && team->read_times[INTERLEAVED] > 0;
}

uint64_t readers_bytes_per_s(const struct team *team, enum way way)
{
    const double bytes = (double)team->read_times[way] * (double)team->count *
                         (double)team->pages * (double)team->regions.page_bytes;

    return (uint64_t)(bytes / team->read_s[way]);
}
