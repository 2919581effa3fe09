/* A test's view of the list parser: for every line a list, one line with the list as written back,
 * or "! " and what is wrong. One process answers thousands of lists. */
#include "idlist.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        char error[IDLIST_ERROR_SIZE];
        struct idlist list = {0};

        if (idlist_parse(&list, line, (size_t)length - 1, error)) {
            char *text = idlist_format(&list);

            puts(text);
            free(text);
        } else {
            printf("! %s\n", error);
        }
        fflush(stdout);
        idlist_free(&list);
    }
    free(line);
    return EXIT_SUCCESS;
}
