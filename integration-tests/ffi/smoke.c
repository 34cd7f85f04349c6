/* The negative suite through the C library, and what a caller may get wrong.
 *
 * Usage: smoke CASES, the folder that `cargo xtask ffi-test` writes. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

enum { NAME, TASK, VERDICT, RULE, NOW, PERIOD, ABOUT, QUESTION, STATE, EVIDENCE, COLUMNS };
enum { LINE_MAX = 1 << 16 };

typedef struct {
    uint8_t *data;
    size_t len;
} Bytes;

static Bytes read_file(const char *folder, const char *name) {
    Bytes none = {NULL, 0};
    if (strcmp(name, "-") == 0) return none;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert(file);
    fseek(file, 0, SEEK_END);
    Bytes bytes = {NULL, (size_t)ftell(file)};
    rewind(file);
    bytes.data = malloc(bytes.len + 1);
    assert(bytes.data && fread(bytes.data, 1, bytes.len, file) == bytes.len);
    fclose(file);
    return bytes;
}

/* What a case ended in: an answer, or a state to keep. */
typedef struct {
    WeirStatus status;
    WeirError *error;
    char *answer;
    WeirBytes kept;
} Outcome;

static void free_outcome(Outcome outcome) {
    weir_error_free(outcome.error);
    weir_text_free(outcome.answer);
    weir_bytes_free(outcome.kept);
}

/* Does what a case asks for. */
static Outcome verify(char **cell, Bytes kept, Bytes evidence, WeirTiming timing) {
    const char *task = cell[TASK];
    WeirTrustedState *state = NULL;
    WeirStatus status;
    WeirError *left = NULL, **error = &left;
    char *answer = NULL;
    WeirBytes after = {NULL, 0};
    if (strcmp(task, "checkpoint") == 0) {
        status = weir_trusted_state_from_checkpoint(cell[ABOUT], evidence.data, evidence.len,
                                                    &state, error);
    } else if (strcmp(task, "file") == 0) {
        status = weir_verify_file(cell[ABOUT], evidence.data, evidence.len, timing,
                                  WEIR_VIEW_WHOLE, &answer, error);
    } else if (strcmp(task, "tree") == 0) {
        status = weir_verify_tree(cell[ABOUT], cell[QUESTION], evidence.data, evidence.len,
                                  &answer, error);
    } else {
        status = weir_trusted_state_from_bytes(kept.data, kept.len, &state, error);
        if (status == WEIR_STATUS_OK && strcmp(task, "hops") == 0) {
            WeirHopsApplied applied;
            status = weir_trusted_state_apply_hops(state, evidence.data, evidence.len, timing,
                                                   &applied, error);
        } else if (status == WEIR_STATUS_OK && strcmp(task, "answer") == 0) {
            status = weir_trusted_state_verify(state, cell[QUESTION], evidence.data,
                                               evidence.len, timing, WEIR_VIEW_WHOLE, &answer,
                                               error);
        }
    }
    if (status == WEIR_STATUS_OK && state) {
        assert(weir_trusted_state_to_bytes(state, &after, NULL) == WEIR_STATUS_OK);
    }
    assert((status == WEIR_STATUS_OK) == (left == NULL));
    assert(!answer || (status == WEIR_STATUS_OK && answer[0] == '{'));
    weir_trusted_state_free(state);
    return (Outcome){status, left, answer, after};
}

/* Whether two cases ended in the same. */
static int same(Outcome one, Outcome other) {
    if (one.kept.len != other.kept.len || !one.answer != !other.answer) return 0;
    if (one.answer && strcmp(one.answer, other.answer) != 0) return 0;
    return one.kept.len == 0 || memcmp(one.kept.data, other.kept.data, one.kept.len) == 0;
}

static const char *verdict(WeirStatus status) {
    switch (status) {
    case WEIR_STATUS_OK: return "verified";
    case WEIR_STATUS_MISSING: return "missing";
    case WEIR_STATUS_NOT_YET: return "not_yet";
    case WEIR_STATUS_NEEDS_UPDATE: return "needs_update";
    case WEIR_STATUS_INVALID: return "invalid";
    default: return "a mistake of the test";
    }
}

/* With one flipped byte honest evidence proves nothing, or, where the byte is in a part that this
 * client does without, the same. */
static int flips_refused;

/* Runs one case; whether it ended as it should. */
static int check(const char *folder, char **cell) {
    Bytes kept = read_file(folder, cell[STATE]), evidence = read_file(folder, cell[EVIDENCE]);
    WeirTiming timing = weir_timing_at(strtoull(cell[NOW], NULL, 10));
    if (strcmp(cell[PERIOD], "-") != 0) timing.trusting_period_ms = strtoull(cell[PERIOD], NULL, 10);
    Outcome found = verify(cell, kept, evidence, timing);
    const char *rule = found.error ? weir_error_rule(found.error) : "-";
    const char *name = verdict(found.status);
    int right = strcmp(name, cell[VERDICT]) == 0 && strcmp(rule, cell[RULE]) == 0;
    if (!right) {
        printf("%s: due %s %s, found %s %s\n", cell[NAME], cell[VERDICT], cell[RULE], name, rule);
    }
    if (found.status == WEIR_STATUS_OK && evidence.len) {
        evidence.data[evidence.len / 2] ^= 1;
        Outcome flipped = verify(cell, kept, evidence, timing);
        assert(flipped.status != WEIR_STATUS_OK || same(found, flipped));
        if (flipped.status != WEIR_STATUS_OK) {
            assert(weir_error_message(flipped.error)[0]);
            flips_refused++;
        }
        free_outcome(flipped);
    }
    free_outcome(found);
    free(kept.data);
    free(evidence.data);
    return right;
}

/* What callers get wrong is said so, and does no harm. */
static void check_arguments(const char *folder, char **cell) {
    Bytes kept = read_file(folder, cell[STATE]), evidence = read_file(folder, cell[EVIDENCE]);
    WeirTiming timing = weir_timing_at(strtoull(cell[NOW], NULL, 10));
    WeirTrustedState *state;
    WeirError *error;
    char *answer;
    assert(weir_trusted_state_from_bytes(kept.data, kept.len, NULL, &error) == WEIR_STATUS_USAGE);
    assert(strcmp(weir_error_rule(error), "Argument") == 0);
    weir_error_free(error);
    assert(weir_trusted_state_from_bytes(NULL, 1, &state, NULL) == WEIR_STATUS_USAGE && !state);
    assert(weir_trusted_state_from_bytes(kept.data, SIZE_MAX, &state, NULL) == WEIR_STATUS_USAGE);
    assert(weir_trusted_state_from_bytes(NULL, 0, &state, NULL) == WEIR_STATUS_INVALID);
    assert(weir_trusted_state_from_bytes(kept.data, kept.len, &state, NULL) == WEIR_STATUS_OK);
#define ASK(state, question, view)                                                               \
    weir_trusted_state_verify(state, question, evidence.data, evidence.len, timing, view, &answer, NULL)
    assert(ASK(NULL, cell[QUESTION], WEIR_VIEW_WHOLE) == WEIR_STATUS_USAGE && !answer);
    assert(ASK(state, NULL, WEIR_VIEW_WHOLE) == WEIR_STATUS_USAGE && !answer);
    assert(ASK(state, "{}", WEIR_VIEW_WHOLE) == WEIR_STATUS_USAGE && !answer);
    assert(ASK(state, "\xff", WEIR_VIEW_WHOLE) == WEIR_STATUS_USAGE && !answer);
    assert(ASK(state, cell[QUESTION], 9) == WEIR_STATUS_USAGE && !answer);
    timing.clock_skew_ms = UINT64_MAX;
    assert(ASK(state, cell[QUESTION], WEIR_VIEW_WHOLE) == WEIR_STATUS_USAGE && !answer);
    WeirHeld held;
    WeirBlock head;
    assert(weir_trusted_state_held(NULL, &held, NULL) == WEIR_STATUS_USAGE);
    assert(weir_trusted_state_held(state, &held, NULL) == WEIR_STATUS_OK);
    assert(weir_trusted_state_head(state, &head, NULL) == WEIR_STATUS_OK);
    assert(held.preimage_ids.len > 0 && held.preimage_ids.len % 32 == 0);
    assert(strlen(head.block_id) == 64);
    for (int at = 0; at < 32; at++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", held.head_id[at]);
        assert(strncmp(digits, head.block_id + 2 * at, 2) == 0);
    }
    weir_bytes_free(held.preimage_ids);
    weir_trusted_state_free(state);
    weir_trusted_state_free(NULL);
    weir_error_free(NULL);
    weir_text_free(NULL);
    assert(weir_error_rule(NULL) == NULL && weir_error_message(NULL) == NULL);
    free(kept.data);
    free(evidence.data);
}

int main(int argc, char **argv) {
    static char line[LINE_MAX], path[4096];
    int passed = 0, failed = 0, arguments = 0;
    assert(argc == 2);
    snprintf(path, sizeof path, "%s/cases.tsv", argv[1]);
    FILE *cases = fopen(path, "r");
    assert(cases);
    while (fgets(line, sizeof line, cases)) {
        char *cell[COLUMNS], *rest = line;
        line[strcspn(line, "\n")] = 0;
        for (int at = 0; at < COLUMNS; at++) {
            cell[at] = rest;
            char *end = rest ? strchr(rest, '\t') : NULL;
            if (end) *end = 0;
            rest = end ? end + 1 : NULL;
            assert(cell[at]);
        }
        if (check(argv[1], cell)) passed++; else failed++;
        if (!arguments && strcmp(cell[TASK], "answer") == 0 && strcmp(cell[VERDICT], "verified") == 0) {
            check_arguments(argv[1], cell);
            arguments = 1;
        }
    }
    fclose(cases);
    assert(arguments && passed > 100 && flips_refused > 25);
    printf("C: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
