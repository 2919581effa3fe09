#include "relay.h"

#include "die.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A longer line is handed on in parts: memory has an end and some output no newline. */
enum { LONGEST_LINE = 1 << 20, READ_SIZE = 16384 };

static void append(char **text, size_t *used, size_t *capacity, const char *more, size_t length)
{
    if (length == 0)
        return;
    if (*used + length > *capacity) {
        *capacity = (*used + length) * 2;
        *text = allocate(*text, *capacity, 1);
    }
    memcpy(*text + *used, more, length);
    *used += length;
}

void sink_add(struct sink *sink, const char *text, size_t length)
{
    if (!sink->broken)
        append(&sink->text, &sink->used, &sink->capacity, text, length);
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes at once. */
void sink_write(struct sink *sink)
{
    const size_t length = sink->used < PIPE_BUF ? sink->used : PIPE_BUF;
    const ssize_t written = write(sink->file, sink->text, length);

    if (written >= 0) {
        sink->used -= (size_t)written;
        memmove(sink->text, sink->text + written, sink->used);
    } else if (errno != EINTR && errno != EAGAIN) {
        sink->broken = true;
        sink->used = 0;
    }
}

void sink_free(struct sink *sink)
{
    free(sink->text);
    *sink = (struct sink){.file = -1};
}

static void hand_on(struct stream *stream, const char *text, size_t length)
{
    sink_add(stream->sink, stream->prefix, strlen(stream->prefix));
    sink_add(stream->sink, stream->line, stream->used);
    sink_add(stream->sink, text, length);
    sink_add(stream->sink, "\n", 1);
    stream->used = 0;
}

static void take(struct stream *stream, const char *text, size_t length)
{
    const char *end = NULL;

    while ((end = memchr(text, '\n', length)) != NULL) {
        hand_on(stream, text, (size_t)(end - text));
        length -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    append(&stream->line, &stream->used, &stream->capacity, text, length);
    if (stream->used >= LONGEST_LINE)
        hand_on(stream, "", 0);
}

size_t stream_read(struct stream *stream)
{
    char text[READ_SIZE];

    if (stream->file < 0)
        return 0;
    const ssize_t got = read(stream->file, text, sizeof text);
    if (got > 0)
        take(stream, text, (size_t)got);
    else if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    /* Closed, its writer learns from SIGPIPE that nobody reads. */
    if (got <= 0 || stream->sink->broken)
        stream_close(stream);
    return got > 0 ? (size_t)got : 0;
}

void stream_close(struct stream *stream)
{
    if (stream->file < 0)
        return;
    if (stream->used > 0)
        hand_on(stream, "", 0);
    close(stream->file);
    stream->file = -1;
    free(stream->line);
    free(stream->prefix);
}
