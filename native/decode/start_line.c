/* The first line of numalocal-decode: the CPUs and NUMA nodes it was born with.
 *
 * An OpenMP runtime pins the main thread in its library constructor when OMP_PLACES or
 * GOMP_CPU_AFFINITY is set, so main() would read what the runtime did and not what the container
 * was given. The dynamic loader runs .preinit_array, which only an executable can have, before the
 * constructor of any library. That includes the C library's own: system calls and memory only,
 * no stdio and no environment. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The list lines of /proc/self/status come behind Groups, which may be long. */
static char status_text[65536];

static void read_status(void)
{
    const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = 0;

    if (file < 0)
        return;
    do {
        got = read(file, status_text + used, sizeof status_text - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    close(file);
}

static void write_out(const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(STDOUT_FILENO, text, length);

        if (written <= 0)
            return; /* nobody listens: no reason not to work */
        text += written;
        length -= (size_t)written;
    }
}

static void write_value(const char *label, const char *key)
{
    const char *value = strstr(status_text, key);

    write_out(label, strlen(label));
    if (value != NULL)
        write_out(value + strlen(key), strcspn(value + strlen(key), "\n"));
}

static void write_start_line(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    read_status();
    write_value("start cpus=", "\nCpus_allowed_list:\t");
    write_value(" mems=", "\nMems_allowed_list:\t");
    write_out("\n", 1);
}

__attribute__((section(".preinit_array"), used)) static void (*before_constructors)(
    int, char **, char **) = write_start_line;
