#include "report.h"

#include "die.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char TERMINATION_LOG[] = "/dev/termination-log";

/* Writes into `text` until it is full, and then only counts. */
struct writer {
    char *text;
    size_t used;
    size_t text_limit; /* longest text, longest list of items */
    size_t item_limit;
};

static void put(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct writer *writer, const char *format, ...)
{
    const size_t room = writer->used <= REPORT_SIZE ? REPORT_SIZE + 1 - writer->used : 0;
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(room == 0 ? NULL : writer->text + writer->used, room, format,
                                 arguments);
    va_end(arguments);
    writer->used += (size_t)length;
}

/* What is no printable ASCII can only come from a bad variable's or file's value. It is shown as
 * \xNN, as on standard error: the message reaches terminals, and any cut leaves valid text. */
static void put_byte(struct writer *writer, unsigned char byte)
{
    if (byte == '"' || byte == '\\')
        put(writer, "\\%c", byte);
    else if (byte < 0x20 || byte > 0x7e)
        put(writer, "\\\\x%02x", byte);
    else
        put(writer, "%c", byte);
}

static void put_text(struct writer *writer, const char *text)
{
    size_t length = strlen(text);
    const char *end = "\"";

    if (length > writer->text_limit) {
        length = writer->text_limit;
        end = "...\"";
    }
    put(writer, "\"");
    for (size_t i = 0; i < length; i++)
        put_byte(writer, (unsigned char)text[i]);
    put(writer, "%s", end);
}

static void put_list(struct writer *writer, const struct idlist *list)
{
    char *text = idlist_format(list);

    put_text(writer, text);
    free(text);
}

static size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

static void put_bytes(struct writer *writer, const char *key, bool known, uint64_t bytes)
{
    if (known)
        put(writer, ",\"%s\":%" PRIu64, key, bytes);
    else
        put(writer, ",\"%s\":null", key);
}

static void put_ranks(struct writer *writer, const struct report *report)
{
    put(writer, ",\"ranks\":[");
    for (size_t i = 0; i < at_most(report->rank_count, writer->item_limit); i++) {
        const struct rank_report *rank = &report->ranks[i];

        put(writer, "%s{\"cpus\":", i == 0 ? "" : ",");
        put_list(writer, rank->cpus);
        put(writer, ",\"numaNode\":%u,\"memoryNodes\":", rank->numa_node);
        put_list(writer, rank->mems);
        put_bytes(writer, "memoryBytes", rank->memory_bytes > 0, rank->memory_bytes);
        put_bytes(writer, "availableBytes", rank->has_available, rank->available_bytes);
        put(writer, "}");
    }
    put(writer, "]");
}

static void put_policy(struct writer *writer, const struct task_policy *policy)
{
    if (policy->mode == NULL) {
        put(writer, ",\"memoryPolicy\":null");
        return;
    }
    put(writer, ",\"memoryPolicy\":{\"mode\":\"%s\",\"nodes\":", policy->mode);
    put_list(writer, &policy->nodes);
    put(writer, "}");
}

static void put_rate(struct writer *writer, const char *key, const struct bandwidth *overflow,
                     uint64_t bytes_per_s)
{
    if (overflow->measured)
        put(writer, "\"%s\":%" PRIu64, key, bytes_per_s);
    else
        put(writer, "\"%s\":null", key);
}

static void put_overflow(struct writer *writer, const struct bandwidth *overflow)
{
    put(writer, ",\"overflow\":{");
    put_rate(writer, "interleavedBytesPerSecond", overflow, overflow->interleaved_bytes_per_s);
    put(writer, ",");
    put_rate(writer, "nearBytesPerSecond", overflow, overflow->near_bytes_per_s);
    put(writer, "}");
}

static void put_mempolicy(struct writer *writer, const struct probe *probe)
{
    put(writer,
        ",\"mempolicy\":{\"get\":\"%s\",\"set\":\"%s\",\"mbind\":\"%s\",\"migrate\":\"%s\","
        "\"move\":\"%s\"}",
        permission_name(probe->get), permission_name(probe->set), permission_name(probe->mbind),
        permission_name(probe->migrate), permission_name(probe->move));
}

static void put_sentences(struct writer *writer, const char *key, const struct sentences *problems)
{
    put(writer, ",\"%s\":[", key);
    for (size_t i = 0; i < at_most(problems->count, writer->item_limit); i++) {
        put(writer, "%s", i == 0 ? "" : ",");
        put_text(writer, problems->texts[i]);
    }
    put(writer, "]");
}

/* As many as a report can hold. */
static char *join(const struct sentences *problems)
{
    char *joined = text_format("%s", problems->texts[0]);

    for (size_t i = 1; i < problems->count && strlen(joined) < REPORT_SIZE; i++) {
        char *longer = text_format("%s; %s", joined, problems->texts[i]);

        free(joined);
        joined = longer;
    }
    return joined;
}

bool report_is_verified(const struct report *report)
{
    return report->problems.count == 0 && report->unbound.count == 0;
}

/* What refuses it, or what would without BestEffort. */
static char *refusal(const struct report *report)
{
    if (report->problems.count > 0)
        return join(&report->problems);
    char *joined = join(&report->unbound);
    char *message =
        text_format("not bound as planned, which enforcement BestEffort allows: %s", joined);

    free(joined);
    return message;
}

static void put_message(struct writer *writer, const struct report *report)
{
    put(writer, ",\"message\":");
    if (report_is_verified(report)) {
        put_text(writer, report->verified_message);
        return;
    }
    char *message = refusal(report);
    put_text(writer, message);
    free(message);
}

static void put_report(struct writer *writer, const struct report *report, bool truncated)
{
    put(writer, "{\"verified\":%s,\"cpus\":", report_is_verified(report) ? "true" : "false");
    put_list(writer, report->cpus);
    put(writer, ",\"mems\":");
    put_list(writer, report->mems);
    put_policy(writer, report->policy);
    if (report->overflowed)
        put_overflow(writer, &report->overflow);
    put_ranks(writer, report);
    put_bytes(writer, "limitBytes", report->limit.limited, report->limit.limit_bytes);
    put_mempolicy(writer, &report->mempolicy);
    put_message(writer, report);
    put_sentences(writer, "problems", &report->problems);
    put_sentences(writer, "unbound", &report->unbound);
    put_sentences(writer, "notes", &report->notes);
    put(writer, "%s}\n", truncated ? ",\"truncated\":true" : "");
}

/* Lists say more than a few ranks need, and texts nothing once they are cut short. */
enum { FEW_ITEMS = 8, SHORT_TEXT = 256 };

/* Halves what may be long until the whole fits: with nothing left in it there are 300 bytes. */
static void shorten(struct writer *writer)
{
    const bool many = writer->item_limit > FEW_ITEMS;

    writer->used = 0;
    if (!many)
        writer->text_limit /= 2;
    if (many || writer->text_limit < SHORT_TEXT)
        writer->item_limit /= 2;
}

size_t report_format(const struct report *report, char json[static REPORT_SIZE + 1])
{
    struct writer writer = {json, 0, REPORT_SIZE, REPORT_SIZE};

    put_report(&writer, report, false);
    while (writer.used > REPORT_SIZE) {
        shorten(&writer);
        put_report(&writer, report, true);
    }
    return writer.used;
}

bool report_write(int file, const char *json, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(file, json, length);

        if (written < 0 && errno != EINTR)
            return false;
        json += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

bool report_publish(const char *json, size_t length, const char *path)
{
    const char *target = path == NULL ? TERMINATION_LOG : path;
    const int create = path == NULL ? 0 : O_CREAT;
    /* O_NONBLOCK: a FIFO that nobody reads is refused. */
    const int file =
        open(target, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | create, 0644);

    if (file < 0 && path == NULL && errno == ENOENT)
        return true; /* no container */
    bool good = file >= 0 && report_write(file, json, length);
    int error = errno;
    if (file >= 0 && close(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (!good)
        complain("cannot write the report to %s: %s", target, strerror(error));
    return good;
}
