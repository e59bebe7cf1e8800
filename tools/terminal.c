#include "tools/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define COLUMNS_WITHOUT 120
#define COLUMNS_LEAST 60

bool terminal_can_ask(void) { return isatty(STDIN_FILENO) && isatty(STDERR_FILENO); }
bool terminal_is_out(void) { return isatty(STDOUT_FILENO); }

size_t terminal_columns(void)
{
    struct winsize size = {0};
    if (!terminal_is_out() || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_WITHOUT;
    return size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
}

const char *terminal_paint(enum paint paint)
{
    static const char *const sequences[] = {
        [PAINT_PLAIN] = "\033[0m", [PAINT_STRONG] = "\033[1m", [PAINT_FAINT] = "\033[2m",
        [PAINT_GOOD] = "\033[32m", [PAINT_WAIT] = "\033[33m",  [PAINT_BAD] = "\033[1;31m",
    };
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (!terminal_is_out() || (no_color && no_color[0])) return "";
    if (!term || strcmp(term, "dumb") == 0) return "";
    return sequences[paint];
}

bool terminal_ask(const char *question, char *answer, size_t cap)
{
    must(cap > 1 && cap <= INT32_MAX);
    fprintf(stderr, "%s", question);
    fflush(stderr);
    if (!fgets(answer, (int)cap, stdin)) return false;
    size_t len = strcspn(answer, "\r\n");
    if (answer[len] == '\0') { /* longer than there is room: the rest of the line goes */
        int c = 0;
        while ((c = getchar()) != '\n' && c != EOF) continue;
    }
    answer[len] = '\0';
    return true;
}

bool terminal_ask_secret(const char *question, char *answer, size_t cap)
{
    struct termios before = {0}, silent = {0};
    if (tcgetattr(STDIN_FILENO, &before) != 0) return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0) return false;
    bool is_read = terminal_ask(question, answer, cap);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fprintf(stderr, "\n");
    return is_read;
}

bool terminal_agrees(const char *question)
{
    char answer[16] = {0};
    if (!terminal_ask(question, answer, sizeof answer)) return false;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}
