/*
 * Runs one fuzz target over files, without libFuzzer: `replay_NAME FILE|FOLDER ...`. For the tests of every preset.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1024 * 1024)
#define PATH_ROOM 4096

/* libFuzzer calls it once, before the first input; most targets have none. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void fail(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

/* The input stands in memory of exactly its size, so that reading beyond it is noticed. */
static void run_file(const char *path)
{
    static uint8_t room[FILE_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    size_t len = fread(room, 1, sizeof room, file);
    if (ferror(file)) fail(path);
    fclose(file);
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact) fail(path);
    memcpy(exact, room, len);
    printf("%s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

static size_t run(const char *path)
{
    struct stat found;
    size_t count = 0;
    if (stat(path, &found) != 0) fail(path);
    if (!S_ISDIR(found.st_mode)) {
        run_file(path);
        return 1;
    }
    struct dirent **names = NULL;
    int name_count = scandir(path, &names, NULL, alphasort);
    if (name_count < 0) fail(path);
    for (int i = 0; i < name_count; i++) {
        char inside[PATH_ROOM];
        int written = snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
        if (written > 0 && written < PATH_ROOM && names[i]->d_name[0] != '.') count += run(inside);
        free(names[i]);
    }
    free(names);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    if (LLVMFuzzerInitialize) (void)LLVMFuzzerInitialize(&argc, &argv);
    uint8_t *nothing = malloc(1);
    if (!nothing) return 1;
    (void)LLVMFuzzerTestOneInput(nothing, 0);
    free(nothing);
    for (int i = 1; i < argc; i++) count += run(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1; /* a corpus that is not there tests nothing */
}
