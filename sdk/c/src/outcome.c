/* Memory of one attempt, texts, and how attempts end.
 *
 * Invariant: what was handed out is good until wharf_end_of_attempt().
 */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A piece of memory, before its bytes. */
typedef struct piece {
    struct piece *last;
    max_align_t bytes[];
} piece;

static piece *pieces;

void *wharf_alloc(size_t size)
{
    piece *one = size < SIZE_MAX / 2 ? malloc(sizeof(piece) + size) : NULL;
    if (one == NULL)
        wharf_panic("no memory for %zu more bytes", size);
    one->last = pieces;
    pieces = one;
    return one->bytes;
}

void wharf_end_of_attempt(void)
{
    while (pieces != NULL) {
        piece *one = pieces;
        pieces = one->last;
        free(one);
    }
}

wharf_bytes wharf_text(const char *text)
{
    return (wharf_bytes){text, text == NULL ? 0 : strlen(text)};
}

wharf_bytes wharf_copy(const void *bytes, size_t len)
{
    char *copy = wharf_alloc(len);
    if (len > 0)
        memcpy(copy, bytes, len);
    return (wharf_bytes){copy, len};
}

bool wharf_equal(wharf_bytes one, wharf_bytes other)
{
    if (one.ptr == NULL || other.ptr == NULL)
        return one.ptr == other.ptr;
    return one.len == other.len && (one.len == 0 || memcmp(one.ptr, other.ptr, one.len) == 0);
}

wharf_bytes wharf_format_list(const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return wharf_text(format);
    char *text = wharf_alloc((size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    return (wharf_bytes){text, (size_t)len};
}

wharf_bytes wharf_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wharf_bytes text = wharf_format_list(format, arguments);
    va_end(arguments);
    return text;
}

wharf_bytes wharf_extension(const wharf_event *event, const char *name)
{
    for (size_t n = 0; n < event->extensions_len; n++)
        if (wharf_equal(event->extensions[n].name, wharf_text(name)))
            return event->extensions[n].value;
    return (wharf_bytes){NULL, 0};
}

wharf_outcome wharf_ok(void)
{
    return (wharf_outcome){WHARF_END_OK, -1, {NULL, 0}};
}

wharf_outcome wharf_drop(void)
{
    return (wharf_outcome){WHARF_END_DROP, -1, {NULL, 0}};
}

wharf_outcome wharf_retry(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wharf_outcome outcome = {WHARF_END_RETRY, -1, wharf_format_list(format, arguments)};
    va_end(arguments);
    return outcome;
}

wharf_outcome wharf_retry_after(uint64_t ms, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int64_t after_ms = ms > INT64_MAX ? INT64_MAX : (int64_t)ms;
    wharf_outcome outcome = {WHARF_END_RETRY, after_ms, wharf_format_list(format, arguments)};
    va_end(arguments);
    return outcome;
}

wharf_outcome wharf_reject(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wharf_outcome outcome = {WHARF_END_REJECT, -1, wharf_format_list(format, arguments)};
    va_end(arguments);
    return outcome;
}

/* How long the character is that begins here; 0 if what is here is no UTF-8. (Unicode 16, table 3-7.) */
size_t wharf_character(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    unsigned char low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (at[0] < 0xc2 || at[0] > 0xf4 || len < size || at[1] < low || at[1] > high)
        return 0;
    for (size_t n = 2; n < size; n++)
        if ((at[n] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* A text that the host takes: bytes that are no UTF-8 become question marks. */
wharf_bytes wharf_sound(wharf_bytes text)
{
    char *copy = NULL;
    for (size_t at = 0; at < text.len;) {
        size_t size = wharf_character(text.ptr + at, text.len - at);
        if (size == 0) {
            if (copy == NULL)
                copy = (char *)wharf_copy(text.ptr, text.len).ptr;
            copy[at] = '?';
            size = 1;
        }
        at += size;
    }
    return copy == NULL ? text : (wharf_bytes){copy, text.len};
}
