/*
 * What was verified once need not be again: five machines verify the same signatures over and over, which was half of a
 * simulation's time. Linked in place of libsodium's function, which does the work the first time.
 */
#include <sodium.h>
#include <string.h>

#define PLACES 16384

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
