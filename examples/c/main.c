/* Verifies evidence that `weir --save FILE` wrote, trusting one block ID and no server:
 *
 *     cc -I target/ffi/c examples/c/main.c target/ffi/c/libweir_c.a -lm -lpthread -ldl -o epoch
 *     ./epoch CHECKPOINT_ID FILE $(date +%s)000
 */
#include <stdio.h>
#include <stdlib.h>

#include "weir.h"

/* Reads a whole file; the caller frees it. */
static uint8_t *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) bytes = malloc((size_t)size + 1);
    if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) size = -1;
    if (file) fclose(file);
    if (!bytes || size < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    *len = (size_t)size;
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: epoch CHECKPOINT_ID FILE NOW_MS\n");
        return 2;
    }
    size_t len;
    uint8_t *evidence = read_file(argv[2], &len);
    WeirTiming timing = weir_timing_at(strtoull(argv[3], NULL, 10));

    WeirError *error;
    WeirTrustedState *state;
    WeirStatus status =
        weir_trusted_state_from_checkpoint(argv[1], evidence, len, &state, &error);
    if (status == WEIR_STATUS_OK) {
        WeirBlock checkpoint;
        weir_trusted_state_checkpoint(state, &checkpoint, NULL);
        printf("checkpoint at height %llu\n", (unsigned long long)checkpoint.height);
        weir_trusted_state_free(state);
        char *answer;
        status = weir_verify_file(argv[1], evidence, len, timing, WEIR_VIEW_WHOLE, &answer, &error);
        if (status == WEIR_STATUS_OK) printf("%s\n", answer);
        weir_text_free(answer);
    }
    if (status != WEIR_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", weir_error_rule(error), weir_error_message(error));
    }
    weir_error_free(error);
    free(evidence);
    return status == WEIR_STATUS_OK ? 0 : 3;
}
