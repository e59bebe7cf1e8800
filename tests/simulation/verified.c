/*
 * What was verified once need not be again: five machines verify the same signatures and read the same certificates over
 * and over, which was half of a simulation's time. Linked in place of the real functions, which do the work the first time.
 */
#include "protocol/certificate.h"

#include <sodium.h>
#include <string.h>

#define PLACES 16384
#define CERTIFICATES 1024

int __real_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *message,
                                       unsigned long long len, const unsigned char *key);
int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *message,
                                       unsigned long long len, const unsigned char *key);

int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *message,
                                       unsigned long long len, const unsigned char *key)
{
    static unsigned char good[PLACES][32];
    unsigned char digest[32];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof digest);
    (void)crypto_generichash_update(&state, signature, 64);
    (void)crypto_generichash_update(&state, key, 32);
    (void)crypto_generichash_update(&state, message, len);
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    unsigned place = (digest[0] | (unsigned)digest[1] << 8) % PLACES;
    if (memcmp(good[place], digest, sizeof digest) == 0) return 0;
    if (__real_crypto_sign_verify_detached(signature, message, len, key) != 0) return -1;
    memcpy(good[place], digest, sizeof digest);
    return 0;
}

bool __real_certificate_read(span note, struct certificate *out, struct err *e);
bool __wrap_certificate_read(span note, struct certificate *out, struct err *e);

bool __wrap_certificate_read(span note, struct certificate *out, struct err *e)
{
    static struct known {
        unsigned char note[CERTIFICATE_BYTES_MAX];
        size_t len;
        struct certificate certificate;
    } known[CERTIFICATES];
    if (note.len < 80 || note.len > CERTIFICATE_BYTES_MAX) return __real_certificate_read(note, out, e);
    unsigned place = 0; /* a signature's last bytes differ from any other's */
    for (size_t i = note.len - 40; i < note.len; i++) place = place * 31 + note.at[i];
    struct known *k = &known[place % CERTIFICATES];
    if (k->len != note.len || memcmp(k->note, note.at, note.len) != 0) {
        if (!__real_certificate_read(note, out, e)) return false;
        k->certificate = *out;
        k->len = note.len;
        memcpy(k->note, note.at, note.len);
    }
    *out = k->certificate;
    return true;
}
