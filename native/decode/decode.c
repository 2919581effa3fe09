/* numalocal-decode: an example engine that does to a machine what decoding a token does.
 *
 * Every token multiplies one matrix of weights with one vector: all the weights pass from memory
 * through the cores once, so the rate is the bandwidth of the memory beside them. */
#include "decode/dot.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <omp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>

/* A row is 16 KiB: the time of one row is how late a signal may be seen. */
enum { COLUMNS = 4096, ROW_BYTES = COLUMNS * sizeof(float), USAGE_ERROR = 2 };

static const char USAGE[] =
    "Usage: numalocal-decode [--weights SIZE] [--tokens N | --seconds S]\n"
    "  --weights SIZE  bytes of weights, such as 512Mi (the default)\n"
    "  --tokens N      end after N tokens\n"
    "  --seconds S     end after S seconds; 0 (the default): run until SIGTERM or SIGINT\n";

struct options {
    size_t weight_bytes;
    uint64_t tokens; /* 0: no end */
    double seconds;  /* 0: no end */
};

struct model {
    size_t rows;
    float *weights; /* rows x COLUMNS */
    float *output;  /* rows */
    float input[COLUMNS];
    int threads;
};

static atomic_bool stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&stopped, true);
}

static bool is_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_relaxed);
}

static _Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void refuse(const char *format, ...)
{
    va_list arguments;

    fputs("numalocal-decode: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(USAGE_ERROR);
}

static uint64_t parse_count(const char *option, const char *text, char **unit)
{
    errno = 0;
    const uintmax_t count = strtoumax(text, unit, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0)
        refuse("%s %s is no number: write digits", option, text);
    return count;
}

static size_t parse_weights(const char *text)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    char *unit = NULL;
    const uint64_t count = parse_count("--weights", text, &unit);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i]) == 0) {
            const uint64_t bytes = count << (10 * i);

            if (bytes >> (10 * i) != count || bytes < ROW_BYTES || bytes > PTRDIFF_MAX)
                refuse("--weights %s is out of range: write 16Ki or more", text);
            return (size_t)bytes;
        }
    refuse("--weights %s has the unknown unit %s: write bytes, Ki, Mi, Gi or Ti", text, unit);
}

static uint64_t parse_tokens(const char *text)
{
    char *rest = NULL;
    const uint64_t tokens = parse_count("--tokens", text, &rest);

    if (*rest != '\0' || tokens == 0)
        refuse("--tokens %s is no count: write 1 or more", text);
    return tokens;
}

static double parse_seconds(const char *text)
{
    char *rest = NULL;
    const double seconds = strtod(text, &rest);

    if (rest == text || *rest != '\0' || !(seconds >= 0 && seconds < 1e9))
        refuse("--seconds %s is no time: write seconds, or 0 for no end", text);
    return seconds;
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"weights", required_argument, NULL, 'w'}, {"tokens", required_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.weight_bytes = (size_t)512 << 20};
    bool timed = false;

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'w')
            options.weight_bytes = parse_weights(optarg);
        else if (option == 't')
            options.tokens = parse_tokens(optarg);
        else if (option == 's') {
            options.seconds = parse_seconds(optarg);
            timed = true;
        } else {
            fputs(USAGE, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? EXIT_SUCCESS : USAGE_ERROR);
        }
    }
    if (optind != argc)
        refuse("unexpected argument %s", argv[optind]);
    if (timed && options.tokens > 0)
        refuse("--tokens and --seconds both say when to end: leave one out");
    return options;
}

static float *allocate(size_t count)
{
    void *memory = mmap(NULL, count * sizeof(float), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        refuse("cannot have %zu bytes of memory: %s; lower --weights", count * sizeof(float),
               strerror(errno));
    return memory;
}

/* OMP_DISPLAY_AFFINITY shows a team as it forms, but libgomp is silent for a team of one. */
static void show_affinity_of_one(int threads)
{
    const char *asked = getenv("OMP_DISPLAY_AFFINITY");

    if (threads == 1 && asked != NULL && strcasecmp(asked, "true") == 0)
        omp_display_affinity(NULL);
}

/* First touch: the kernel takes a page from the node of the thread that writes it first, and
 * schedule(static) gives the same rows to the same thread here and for every token. */
static void fill(struct model *model)
{
#pragma omp parallel
    {
#pragma omp single
        model->threads = omp_get_num_threads();
#pragma omp for schedule(static)
        for (size_t row = 0; row < model->rows; row++) {
            float *weights = model->weights + row * COLUMNS;

            if (is_stopped())
                continue;
            for (size_t i = 0; i < COLUMNS; i++)
                weights[i] = (float)((row + i) % 16) / 16;
        }
    }
    show_affinity_of_one(model->threads);
}

static void load(struct model *model, size_t weight_bytes)
{
    model->rows = weight_bytes / ROW_BYTES;
    model->weights = allocate(model->rows * COLUMNS);
    model->output = allocate(model->rows);
    for (size_t i = 0; i < COLUMNS; i++)
        model->input[i] = (float)(i % 13) / 12;
    fill(model);
}

static void decode_token(struct model *model)
{
#pragma omp parallel for schedule(static)
    for (size_t row = 0; row < model->rows; row++)
        if (!is_stopped())
            model->output[row] = dot(model->weights + row * COLUMNS, model->input, COLUMNS);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_rate(const char *label, const struct model *model, uint64_t total,
                       uint64_t tokens, double elapsed_s)
{
    const double tokens_per_s = elapsed_s > 0 ? (double)tokens / elapsed_s : 0;
    const double token_bytes = (double)model->rows * ROW_BYTES;

    printf("%s tokens=%" PRIu64 " tokens_per_s=%.2f gb_per_s=%.2f threads=%d\n", label, total,
           tokens_per_s, tokens_per_s * token_bytes / 1e9, model->threads);
}

/* Prints the rate of the last second, or of the last token where one takes longer. */
static void run(struct model *model, const struct options *options)
{
    const double begin_s = now_s();
    double printed_s = begin_s;
    double at_s = begin_s;
    uint64_t printed = 0;
    uint64_t tokens = 0;

    while ((options->tokens == 0 || tokens < options->tokens) &&
           (options->seconds <= 0 || at_s - begin_s < options->seconds)) {
        decode_token(model);
        if (is_stopped())
            break;
        tokens++;
        at_s = now_s();
        if (at_s - printed_s >= 1) {
            print_rate("numalocal-decode", model, tokens, tokens - printed, at_s - printed_s);
            printed = tokens;
            printed_s = at_s;
        }
    }
    print_rate("done", model, tokens, tokens, at_s - begin_s);
}

int main(int argc, char **argv)
{
    static struct model model;

    /* First of all: as process 1 of a container, signals without a handler are ignored. */
    const struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);

    const struct options options = parse_options(argc, argv);
    load(&model, options.weight_bytes);
    run(&model, &options);
    return EXIT_SUCCESS;
}
