/* Several processes' output as one: line by line, each line with its process's prefix. */
#ifndef NUMALOCAL_RELAY_H
#define NUMALOCAL_RELAY_H

#include <stdbool.h>
#include <stddef.h>

/* More than this waiting for a slow reader, and nothing more is read from the ranks: they wait
 * too, as they would if they wrote to that reader themselves. */
enum { SINK_FULL = 65536 };

/* Where lines go. Start with {.file = N}. */
struct sink {
    int file;
    bool broken; /* nobody reads any more */
    char *text;  /* whole lines, not written yet */
    size_t used;
    size_t capacity;
};

/* Where they come from. */
struct stream {
    int file; /* -1: closed */
    struct sink *sink;
    char *prefix;
    char *line; /* its start, until its end comes */
    size_t used;
    size_t capacity;
};

void sink_add(struct sink *sink, const char *text, size_t length);

/* Writes as much as cannot block once poll(2) says that the file takes something. */
void sink_write(struct sink *sink);

void sink_free(struct sink *sink);

/* Reads what is there, once; hands whole lines on, and closes at the end or where nobody reads
 * them. The value is how many bytes there were. */
size_t stream_read(struct stream *stream);

/* Hands on a last line that has no end, with one, and closes. */
void stream_close(struct stream *stream);

#endif
