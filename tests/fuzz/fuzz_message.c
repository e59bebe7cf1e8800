/*
 * Any bytes as the plaintext of a frame: reading never crashes and stays within its bounds.
 * Built by the preset `fuzz` (clang, libFuzzer): build/fuzz/fuzz_message [CORPUS ...]
 */
#include "protocol/messages.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void read_rest(struct reader r, const struct message_head *head)
{
    struct message_batch batch;
    struct message_pull pull;
    struct summary summary;
    struct err e = {0};
    struct reader again = r;
    struct detail detail = {.rows = calloc(FEED_ROWS_MAX, sizeof *detail.rows)};
    if (detail.rows && detail_read(&again, &detail, &e)) must(detail.row_count <= FEED_ROWS_MAX);
    free(detail.rows);
    again = r;
    if (head->kind == MESSAGE_PUSH && batch_read(&again, &batch, &e)) must(batch.proof.count <= MERKLE_PROOF_MAX);
    again = r;
    if (head->kind == MESSAGE_PULL) (void)!pull_read(&again, &pull, &e);
    (void)!summary_read(&r, &summary, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const size_t room = sizeof(struct message_head);
    struct message_head *head = malloc(room);
    struct reader r = reader_over(span_of(at, len));
    size_t fields = 0;
    struct err e = {0};
    struct refusal refusals[REFUSALS_MAX];
    size_t refusal_count = 0;
    if (refusals_read(span_of(at, len), refusals, &refusal_count, &e)) must(refusal_count <= REFUSALS_MAX);
    if (head && message_open(&r, head, &fields, &e)) read_rest(r, head);
    free(head);
    return 0;
}
