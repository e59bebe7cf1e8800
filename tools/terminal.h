/*
 * terminal - the person's screen and keyboard: whether there is one, a little colour, questions.
 *
 * Colour and other escape sequences only on a terminal and never with NO_COLOR set (no-color.org). Questions are asked on
 * stderr, so that stdout holds nothing but what was asked for.
 */
#pragma once
#include "crypto/base/span.h"

bool terminal_can_ask(void);   /* stdin and stderr are terminals */
bool terminal_is_out(void);    /* stdout is one */
size_t terminal_columns(void); /* of stdout; 120 when it is no terminal */

enum paint { PAINT_PLAIN, PAINT_STRONG, PAINT_FAINT, PAINT_GOOD, PAINT_WAIT, PAINT_BAD };
/* The escape sequence for stdout, or "". PAINT_PLAIN ends the others. */
const char *terminal_paint(enum paint paint);

/* One line typed by a person, without its end. False at the end of input. */
MUST_USE bool terminal_ask(const char *question, char *answer, size_t cap);
/* The same with echo off; the caller wipes `answer`. */
MUST_USE bool terminal_ask_secret(const char *question, char *answer, size_t cap);
/* True when the person typed y or yes. */
bool terminal_agrees(const char *question);
