/*
 * An invitation, its signatures not judged (see signatures.h): pasted text is read tolerantly, the bytes in it have one
 * spelling. The room itself is included, so that what was read can be written without the key that signed it.
 *
 * Input: a byte 0 and any text; or a byte 1 and the bytes of an invitation, put into a block here; or a byte 2, a length
 * in two bytes, that many bytes of an invitation, and what a mail program did to the block.
 */
#include "protocol/invitation.c"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/signatures.h"

/* What was read, as bytes; the signature is taken from `bytes`. */
static void written_again(const struct invitation *read, span bytes)
{
    uint8_t room[INVITATION_BYTES_MAX];
    struct sink out = sink_over(room, sizeof room);
    fields_write(&out, read);
    must(!out.full && out.len + sizeof(struct signature) == bytes.len);
    must_be_same(sink_span(&out), span_of(bytes.at, out.len));
}

static void block_of(span bytes, struct sink *out)
{
    sink_text(out, FIRST_LINE);
    base32_write(out, bytes);
    sink_text(out, LAST_LINE);
}

static bool read_block(span text, struct invitation *out)
{
    struct err e = {0};
    mark_untouched(out, sizeof *out);
    if (invitation_read(text, out, &e)) return true;
    must_say_why(&e);
    must_be_untouched(out, sizeof *out);
    return false;
}

/* Puts in what reading ignores, as `how` says: between any two characters, around the block, in capitals. */
static void mangle(span block, span how, struct sink *out)
{
    static const char *const ignored[] = {" ", "\n> ", "-\r\n", "\xc2\xa0", "\xe2\x80\x8b", "\t", "\xef\xbb\xbf", "\xc2\xad"};
    span letter = {0};
    sink_put(out, span_text("Hello,\n"));
    while (span_take(&block, 1, &letter)) {
        uint8_t what = how.len ? input_byte(&how) : 0xff;
        uint8_t c = letter.at[0];
        if (what < 0x40) sink_text(out, ignored[what % 8]);
        if (what >= 0x80 && what < 0xc0 && c >= 'a' && c <= 'z') c = (uint8_t)(c - 'a' + 'A');
        sink_byte(out, c);
    }
    sink_put(out, span_text("Kind regards\n"));
}

static void mangled(span in)
{
    static uint8_t plain_room[INVITATION_TEXT_MAX], room[INVITATION_PASTE_MAX];
    static struct invitation read, again;
    struct sink plain = sink_over(plain_room, sizeof plain_room), out = sink_over(room, sizeof room);
    size_t len = (size_t)input_number(&in, 2);
    span bytes = {0};
    if (!span_take(&in, len < in.len ? len : in.len, &bytes)) return;
    block_of(bytes, &plain);
    if (plain.full || !read_block(sink_span(&plain), &read)) return;
    mangle(sink_span(&plain), in, &out);
    if (out.full) return;
    must(read_block(sink_span(&out), &again));
    written_again(&again, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static uint8_t room[2 * INVITATION_TEXT_MAX], bytes_room[INVITATION_BYTES_MAX], letters_room[INVITATION_PASTE_MAX];
    static struct invitation read;
    struct sink block = sink_over(room, sizeof room), bytes = sink_over(bytes_room, sizeof bytes_room);
    struct sink letters = sink_over(letters_room, sizeof letters_room);
    span in = span_of(at, len);
    uint8_t form = input_byte(&in) % 3;
    if (form == 2) {
        mangled(in);
    } else if (form == 1) {
        block_of(in, &block);
        if (!block.full && read_block(sink_span(&block), &read)) written_again(&read, in);
    } else if (read_block(in, &read)) {
        struct invitation other;
        must(text_read(in, &letters, &bytes, &other, NULL));
        written_again(&read, sink_span(&bytes));
    }
    return 0;
}
