#include "variable.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static const char LIST_FORM[] = "write ids and ranges such as 2-3,8";

char *variable_parse(struct idlist *list, const char *name, const char *text, size_t length)
{
    char error[IDLIST_ERROR_SIZE];

    if (length == 0)
        return text_format("%s names no id: %s", name, LIST_FORM);
    if (!idlist_parse(list, text, length, error))
        return text_format("%s \"%.*s\" is no list of ids (%s): %s", name,
                           length < 60 ? (int)length : 60, text, error, LIST_FORM);
    return NULL;
}

char *variable_read(struct idlist *list, const char *name)
{
    const char *text = getenv(name);

    if (text == NULL)
        return text_format("%s is not set: %s", name, VARIABLE_SET_BY);
    return variable_parse(list, name, text, strlen(text));
}

char *variable_within(const char *inner_name, const struct idlist *inner, const char *outer_name,
                      const struct idlist *outer)
{
    struct idlist extra = {0};
    char *error = NULL;

    idlist_subtract(&extra, inner, outer);
    if (extra.count > 0) {
        char *extra_text = idlist_format(&extra);
        char *outer_text = idlist_format(outer);

        error = text_format("%s names %.60s, which is not in %s \"%.60s\": %s", inner_name,
                            extra_text, outer_name, outer_text,
                            "every share lies within the whole");
        free(outer_text);
        free(extra_text);
    }
    idlist_free(&extra);
    return error;
}
