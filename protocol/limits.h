/*
 * limits - every number that bounds what a partner, a person or a disk may make us do, and why that much.
 */
#pragma once
#include <stdint.h>

#define PARTIES_MAX 16                 /* in one relationship, ourselves included */
#define PARTIES_MIN 2
#define ORDINALS_MAX 8                 /* feeds one party may have had, one after the other */
#define BRANCHES_MAX 4                 /* kept of one feed that forks: more prove nothing that two do not */
#define FEEDS_OF_PARTY_MAX 8           /* kept of one party: its feeds, one after the other, and branches of forked ones */
#define FEEDS_MAX (PARTIES_MAX * FEEDS_OF_PARTY_MAX) /* in one relationship */
#define FRONT_MAX 31                   /* feeds one header may name: 70 bytes each still leave room in the header */
#define FEED_ENTRIES_MAX (UINT64_C(1) << 40) /* in one feed: a position keeps 40 bits for the index */
#define TIME_MS_MAX UINT64_C(253402300799999) /* the last millisecond of the year 9999 */
#define ITEMS_MAX 32                   /* items in one proposal: their ids and bases stand in the header */
#define HEADER_BYTES_MAX 4096          /* the leaf; what tile bundles carry */
#define BODY_BYTES_MAX 56000           /* header and body fit one Noise message */
#define SALT_BYTES 16
#define FRAME_BYTES_MAX (1024 * 1024)  /* judged before a byte is allocated */
#define BATCH_BYTES_MAX (4 * 1024 * 1024) /* entries of one pull or push once unpacked */
#define DEPTH_MAX 8                    /* of any encoding */
#define PERSON_BYTES_MAX 120
#define ROLE_BYTES_MAX 60
#define VERB_BYTES_MAX 16
#define NOUN_BYTES_MAX 32
#define FIELD_NAME_BYTES_MAX 32
#define FIELDS_MAX 40                  /* fields in one body map, unknown ones included */
#define CODE_BYTES_MAX 12              /* a party's code: 2 to 12 of A-Z 0-9, a letter first */
#define DOMAIN_BYTES_MAX 120           /* keeps origins under 255 bytes */
#define NAME_BYTES_MAX 120             /* an organisation's name */
#define TITLE_BYTES_MAX 200            /* a relationship's title */
#define ADDRESS_BYTES_MAX 128
#define ADDRESSES_MAX 4                /* in one invitation */
#define RELATIONSHIPS_MAX 1024         /* two nodes share at most this many: bounds one frontier request */
#define CERTIFICATE_BYTES_MAX 2048
#define INVITATION_BYTES_MAX 4096
#define ORIGIN_BYTES_MAX 255
#define CLOCK_WARNING_MS (5 * 60 * 1000) /* a clock difference that is shown */
#define RECEIPT_BACK_S (5 * 60)        /* how far back our clock may be before we stop signing receipts */
