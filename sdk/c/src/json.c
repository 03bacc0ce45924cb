/* JSON (RFC 8259), as far as structs of C go: objects by a table of their members, and single values.
 *
 * Invariant: a text is read to its end or rejected with the place that does not fit; a text that comes out is UTF-8.
 */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How deep values may lie in each other. */
#define DEPTH_MAX 64

typedef struct {
    const char *at;
    const char *end;
    const char *wrong; /* what was expected where reading stopped */
} reader;

static bool fails(reader *in, const char *expected)
{
    if (in->wrong == NULL)
        in->wrong = expected;
    return false;
}

static void blanks(reader *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL && *in->at != '\0')
        in->at++;
}

static bool takes(reader *in, char expected)
{
    blanks(in);
    if (in->at >= in->end || *in->at != expected)
        return false;
    in->at++;
    return true;
}

static bool word(reader *in, const char *expected)
{
    size_t len = strlen(expected);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, expected, len) != 0)
        return fails(in, "a value of JSON");
    in->at += len;
    return true;
}

static bool digits(reader *in)
{
    const char *begin = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at > begin || fails(in, "a digit");
}

static bool number(reader *in)
{
    if (in->at < in->end && *in->at == '-')
        in->at++;
    if (in->at < in->end && *in->at == '0')
        in->at++;
    else if (!digits(in))
        return false;
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (!digits(in))
            return false;
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        return digits(in);
    }
    return true;
}

static bool four_hex(reader *in, uint32_t *unit)
{
    *unit = 0;
    for (int n = 0; n < 4; n++, in->at++) {
        char c = in->at < in->end ? *in->at : '\0';
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (value < 0)
            return fails(in, "four hexadecimal digits");
        *unit = *unit << 4 | (uint32_t)value;
    }
    return true;
}

static char *utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* What stands behind a backslash; `*to` is NULL where nobody wants the text. */
static bool escape(reader *in, char **to)
{
    static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = in->at < in->end ? *in->at++ : '\0';
    const char *known = c == '\0' ? NULL : strchr(written, c);
    uint32_t unit = known != NULL ? (unsigned char)meant[known - written] : 0;
    if (known == NULL) {
        if (c != 'u')
            return fails(in, "an escape of JSON");
        if (!four_hex(in, &unit))
            return false;
        if (unit >= 0xd800 && unit < 0xdc00) {
            uint32_t low = 0;
            if (in->end - in->at < 2 || in->at[0] != '\\' || in->at[1] != 'u')
                return fails(in, "the second half of a surrogate pair");
            in->at += 2;
            if (!four_hex(in, &low))
                return false;
            if (low < 0xdc00 || low > 0xdfff)
                return fails(in, "the second half of a surrogate pair");
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        } else if (unit >= 0xdc00 && unit < 0xe000) {
            return fails(in, "the first half of a surrogate pair");
        }
    }
    if (*to != NULL)
        *to = utf8(*to, unit);
    return true;
}

/* A string; `text`, unless it is NULL, gets it without escapes. */
static bool string(reader *in, wharf_bytes *text)
{
    if (!takes(in, '"'))
        return fails(in, "a text");
    /* Without its escapes a text is never longer. */
    char *begin = NULL, *to;
    if (text != NULL) {
        const char *end = in->at;
        while (end < in->end && *end != '"')
            end += *end == '\\' && end + 1 < in->end ? 2 : 1;
        begin = wharf_alloc((size_t)(end - in->at));
    }
    to = begin;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at == '\\') {
            in->at++;
            if (!escape(in, &to))
                return false;
            continue;
        }
        size_t size = wharf_character(in->at, (size_t)(in->end - in->at));
        if (size == 0 || (unsigned char)*in->at < 0x20)
            return fails(in, "a character that a text may have");
        if (to != NULL) {
            memcpy(to, in->at, size);
            to += size;
        }
        in->at += size;
    }
    if (text != NULL)
        *text = (wharf_bytes){begin, (size_t)(to - begin)};
    return takes(in, '"') || fails(in, "the end of a text");
}

/* Any value, which is not looked into. */
static bool value(reader *in, int depth)
{
    blanks(in);
    char c = in->at < in->end ? *in->at : '\0';
    if (c == '"')
        return string(in, NULL);
    if (c == '{' || c == '[') {
        char end = c == '{' ? '}' : ']';
        if (depth == DEPTH_MAX)
            return fails(in, "less depth");
        in->at++;
        if (takes(in, end))
            return true;
        do {
            if (c == '{' && !(string(in, NULL) && (takes(in, ':') || fails(in, "`:`"))))
                return false;
            if (!value(in, depth + 1))
                return false;
        } while (takes(in, ','));
        return takes(in, end) || fails(in, c == '{' ? "`,` or `}`" : "`,` or `]`");
    }
    return c == 't' ? word(in, "true") : c == 'f' ? word(in, "false") : c == 'n' ? word(in, "null")
         : c == '-' || (c >= '0' && c <= '9') ? number(in) : fails(in, "a value of JSON");
}

/* A value of this kind. */
static bool typed(reader *in, wharf_kind kind, void *into)
{
    blanks(in);
    const char *begin = in->at;
    if (kind == WHARF_TEXT)
        return string(in, into);
    char c = in->at < in->end ? *in->at : '\0';
    bool is_number = c == '-' || (c >= '0' && c <= '9');
    if (kind == WHARF_BOOLEAN && c != 't' && c != 'f')
        return fails(in, "true or false");
    if ((kind == WHARF_INTEGER || kind == WHARF_NUMBER) && !is_number)
        return fails(in, kind == WHARF_INTEGER ? "an integer" : "a number");
    if (!value(in, 0))
        return false;
    wharf_bytes raw = {begin, (size_t)(in->at - begin)};
    if (kind == WHARF_JSON)
        *(wharf_bytes *)into = raw;
    else if (kind == WHARF_BOOLEAN)
        *(bool *)into = c == 't';
    else {
        const char *text = wharf_format("%.*s", WHARF_S(raw)).ptr;
        char *end = NULL;
        errno = 0;
        if (kind == WHARF_NUMBER)
            *(double *)into = strtod(text, &end);
        else
            *(int64_t *)into = strtoll(text, &end, 10);
        if (kind == WHARF_INTEGER && (*end != '\0' || errno == ERANGE)) {
            in->at = begin;
            return fails(in, "an integer");
        }
    }
    return true;
}

static wharf_outcome unfit(const char *place, const char *expected)
{
    return wharf_reject("the payload is not what this plugin takes: at `%s`: expected %s", place, expected);
}

static bool ends(reader *in)
{
    blanks(in);
    return in->at == in->end || fails(in, "the end");
}

wharf_outcome wharf_decode_value(wharf_bytes json, wharf_kind kind, void *into)
{
    reader in = {json.ptr, json.ptr + json.len, NULL};
    return typed(&in, kind, into) && ends(&in) ? wharf_ok() : unfit(".", in.wrong);
}

static const wharf_field *named(wharf_bytes name, const wharf_field *fields, size_t count)
{
    for (size_t n = 0; n < count; n++)
        if (wharf_equal(name, wharf_text(fields[n].name)))
            return &fields[n];
    return NULL;
}

static bool member(reader *in, const wharf_field *field, void *into, bool *found)
{
    blanks(in);
    if (field == NULL)
        return value(in, 0);
    *found = true;
    if (field->optional && in->at < in->end && *in->at == 'n')
        return word(in, "null");
    return typed(in, field->kind, (char *)into + field->offset);
}

wharf_outcome wharf_decode_fields(wharf_bytes json, const wharf_field *fields, size_t count, void *into)
{
    reader in = {json.ptr, json.ptr + json.len, NULL};
    bool *found = memset(wharf_alloc(count + 1), 0, count + 1);
    for (size_t n = 0; n < count; n++)
        if (fields[n].optional && (fields[n].kind == WHARF_TEXT || fields[n].kind == WHARF_JSON))
            *(wharf_bytes *)((char *)into + fields[n].offset) = (wharf_bytes){NULL, 0};
    if (!takes(&in, '{'))
        return unfit(".", "an object");
    if (!takes(&in, '}')) {
        do {
            wharf_bytes name;
            if (!string(&in, &name) || !(takes(&in, ':') || fails(&in, "`:`")))
                return unfit(".", in.wrong);
            const wharf_field *field = named(name, fields, count);
            if (!member(&in, field, into, field == NULL ? found + count : found + (field - fields)))
                return unfit(wharf_format("%.*s", WHARF_S(name)).ptr, in.wrong);
        } while (takes(&in, ','));
        if (!takes(&in, '}'))
            return unfit(".", "`,` or `}`");
    }
    for (size_t n = 0; n < count; n++)
        if (!found[n] && !fields[n].optional)
            return unfit(fields[n].name, "a value, and there is none");
    return ends(&in) ? wharf_ok() : unfit(".", in.wrong);
}

wharf_bytes wharf_quoted(wharf_bytes text)
{
    static const char hex[] = "0123456789abcdef";
    text = wharf_sound(text);
    char *begin = wharf_alloc(text.len * 6 + 2), *to = begin;
    *to++ = '"';
    for (size_t n = 0; n < text.len; n++) {
        unsigned char c = (unsigned char)text.ptr[n];
        if (c == '"' || c == '\\') {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    return (wharf_bytes){begin, (size_t)(to - begin)};
}

/* The fewest digits that are read back as the same number. */
static wharf_bytes shortest(double it)
{
    /* JSON has no word for what is no number. */
    if (it - it != 0)
        return wharf_text("null");
    wharf_bytes text = wharf_format("%.15g", it);
    for (int digits = 16; digits <= 17 && strtod(text.ptr, NULL) != it; digits++)
        text = wharf_format("%.*g", digits, it);
    return text;
}

static wharf_bytes shown(wharf_kind kind, const void *from)
{
    const wharf_bytes *bytes = from;
    switch (kind) {
    case WHARF_INTEGER:
        return wharf_format("%lld", (long long)*(const int64_t *)from);
    case WHARF_NUMBER:
        return shortest(*(const double *)from);
    case WHARF_BOOLEAN:
        return wharf_text(*(const bool *)from ? "true" : "false");
    case WHARF_TEXT:
        return bytes->ptr == NULL ? wharf_text("null") : wharf_quoted(*bytes);
    case WHARF_JSON:
        break;
    }
    return bytes->ptr == NULL ? wharf_text("null") : *bytes;
}

wharf_bytes wharf_encode_fields(const wharf_field *fields, size_t count, const void *from)
{
    wharf_bytes *parts = wharf_alloc(count * 2 * sizeof *parts + 1);
    size_t len = 2;
    for (size_t n = 0; n < count; n++) {
        parts[n * 2] = wharf_quoted(wharf_text(fields[n].name));
        parts[n * 2 + 1] = shown(fields[n].kind, (const char *)from + fields[n].offset);
        len += parts[n * 2].len + parts[n * 2 + 1].len + 2;
    }
    char *begin = wharf_alloc(len), *to = begin;
    *to++ = '{';
    for (size_t n = 0; n < count * 2; n++) {
        memcpy(to, parts[n].ptr, parts[n].len);
        to += parts[n].len;
        if (n % 2 == 0)
            *to++ = ':';
        else if (n + 1 < count * 2)
            *to++ = ',';
    }
    *to++ = '}';
    return (wharf_bytes){begin, (size_t)(to - begin)};
}
