/* A test's view of a check: for every line a root, one line with the report. The environment is what
 * the file "environ" of the root says, entries ended by NUL. One process answers thousands. */
#include "inspect.h"

#include "die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_environment(const char *root)
{
    char *path = text_format("%s/environ", root);
    FILE *file = fopen(path, "r");
    char *entry = NULL;
    size_t size = 0;

    free(path);
    clearenv();
    if (file == NULL)
        die_errno("cannot read the environment");
    while (getdelim(&entry, &size, 0, file) > 0) {
        char *value = strchr(entry, '=');

        if (value != NULL && value != entry) {
            *value = '\0';
            setenv(entry, value + 1, 1);
        }
    }
    free(entry);
    fclose(file);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        char json[REPORT_SIZE + 1];
        struct inspection inspection;

        line[length - 1] = '\0';
        read_environment(line);
        inspect(&inspection, line, true);
        report_format(&inspection.report, json);
        fputs(json, stdout);
        fflush(stdout);
        inspection_free(&inspection);
    }
    free(line);
    return EXIT_SUCCESS;
}
