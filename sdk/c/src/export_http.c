/* The export of a component that answers requests: wasi:http, as far as it needs that. What is linked with it says nothing of its world, so
 * it goes through `wharf componentize --world proxy`.
 *
 * Invariant: what the host hands over is copied and freed here, so that an instance which answers one request after the other does not grow.
 * Shapes are those of the canonical ABI (https://github.com/WebAssembly/component-model, CanonicalABI.md).
 */
#include "inside.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OF(module, name) __attribute__((__import_module__(module), __import_name__(name)))
#define OF_HTTP(name) OF("wasi:http/types@0.2.0", name)
#define OF_STREAMS(name) OF("wasi:io/streams@0.2.0", name)

/* Where a text or bytes lie. */
typedef struct {
    char *ptr;
    size_t len;
} text;

typedef struct {
    text name, value;
} field;

/* A variant, an option or a result: which case it is, and what is in it. */
typedef struct {
    uint8_t tag;
    union {
        text text;
        int32_t handle;
        struct {
            uint8_t tag;
            int32_t handle;
        } stream_error;
    } in;
} given;

OF_HTTP("[method]incoming-request.method") void request_method(int32_t request, given *method);
OF_HTTP("[method]incoming-request.path-with-query") void request_target(int32_t request, given *target);
OF_HTTP("[method]incoming-request.headers") int32_t request_headers(int32_t request);
OF_HTTP("[method]incoming-request.consume") void request_consume(int32_t request, given *body);
OF_HTTP("[resource-drop]incoming-request") void request_drop(int32_t request);
OF_HTTP("[method]incoming-body.stream") void incoming_stream(int32_t body, given *stream);
OF_HTTP("[resource-drop]incoming-body") void incoming_drop(int32_t body);
OF_HTTP("[method]fields.entries") void fields_entries(int32_t fields, text *list);
OF_HTTP("[static]fields.from-list") void fields_from_list(const field *list, size_t len, given *fields);
OF_HTTP("[resource-drop]fields") void fields_drop(int32_t fields);
OF_HTTP("[constructor]outgoing-response") int32_t response_new(int32_t fields);
OF_HTTP("[method]outgoing-response.set-status-code") int32_t response_set_status(int32_t response, int32_t status);
OF_HTTP("[method]outgoing-response.body") void response_body(int32_t response, given *body);
/* What follows the response says why there is none. */
OF_HTTP("[static]response-outparam.set")
void outparam_set(int32_t out, int32_t is_none, int32_t response, int32_t a, int64_t b, int32_t c, int32_t d, int32_t e, int32_t f);
OF_HTTP("[method]outgoing-body.write") void outgoing_stream(int32_t body, given *stream);
OF_HTTP("[static]outgoing-body.finish") void outgoing_finish(int32_t body, int32_t has_trailers, int32_t trailers, void *result);
OF_STREAMS("[method]input-stream.blocking-read") void input_read(int32_t stream, int64_t most, given *bytes);
OF_STREAMS("[resource-drop]input-stream") void input_drop(int32_t stream);
OF_STREAMS("[method]output-stream.blocking-write-and-flush")
void output_write(int32_t stream, const char *bytes, size_t len, given *result);
OF_STREAMS("[resource-drop]output-stream") void output_drop(int32_t stream);
OF("wasi:io/error@0.2.0", "[resource-drop]error") void error_drop(int32_t error);

/* Bytes that are read, and that are written, at a time: no more are written at once. */
enum { READ_MOST = 1 << 16, WRITE_MOST = 4096 };

enum { METHOD_OTHER = 9, STREAM_CLOSED = 1 };

static const char *const methods[METHOD_OTHER] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};

/* Memory for what the host hands over. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size)
{
    (void)old_size;
    if (size == 0)
        return (void *)align;
    void *memory = realloc(old, size);
    if (memory == NULL)
        wharf_panic("no memory for %zu more bytes", size);
    return memory;
}

static wharf_bytes taken(text from)
{
    wharf_bytes copy = wharf_copy(from.ptr, from.len);
    if (from.len > 0)
        free(from.ptr);
    return copy;
}

/* Whether a stream's error is its end. */
static bool is_end(const given *result)
{
    if (result->in.stream_error.tag == STREAM_CLOSED)
        return true;
    error_drop(result->in.stream_error.handle);
    return false;
}

static void take_fields(int32_t request, wharf_request *into)
{
    int32_t fields = request_headers(request);
    text list;
    fields_entries(fields, &list);
    fields_drop(fields);
    wharf_attribute *all = wharf_alloc(list.len * sizeof *all);
    for (size_t n = 0; n < list.len; n++) {
        const field *one = (const field *)list.ptr + n;
        all[n] = (wharf_attribute){taken(one->name), taken(one->value)};
        for (size_t at = 0; at < all[n].name.len; at++)
            ((char *)all[n].name.ptr)[at] = (char)tolower((unsigned char)all[n].name.ptr[at]);
    }
    if (list.len > 0)
        free(list.ptr);
    into->fields = all;
    into->fields_len = list.len;
}

/* Takes the body; false where it broke off. */
static bool take_body(int32_t request, wharf_bytes *into)
{
    given got;
    request_consume(request, &got);
    if (got.tag != 0)
        return false;
    int32_t body = got.in.handle;
    incoming_stream(body, &got);
    if (got.tag != 0) {
        incoming_drop(body);
        return false;
    }
    int32_t stream = got.in.handle;
    char *all = NULL;
    size_t len = 0;
    for (input_read(stream, READ_MOST, &got); got.tag == 0; input_read(stream, READ_MOST, &got)) {
        text piece = got.in.text;
        if (piece.len == 0)
            continue;
        char *more = realloc(all, len + piece.len);
        if (more == NULL)
            wharf_panic("no memory for a body of %zu bytes", len + piece.len);
        all = more;
        memcpy(all + len, piece.ptr, piece.len);
        len += piece.len;
        free(piece.ptr);
    }
    bool whole = is_end(&got);
    input_drop(stream);
    incoming_drop(body);
    *into = wharf_copy(all, len);
    free(all);
    return whole;
}

static bool take(int32_t request, wharf_request *into)
{
    given got;
    request_method(request, &got);
    into->method = got.tag < METHOD_OTHER ? wharf_text(methods[got.tag]) : taken(got.in.text);
    request_target(request, &got);
    into->target = got.tag != 0 ? taken(got.in.text) : wharf_text("");
    take_fields(request, into);
    bool whole = take_body(request, &into->body);
    request_drop(request);
    return whole;
}

static void send(int32_t out, wharf_response answer)
{
    given got;
    field type = {{"content-type", 12}, {(char *)answer.content_type.ptr, answer.content_type.len}};
    fields_from_list(&type, answer.content_type.ptr == NULL ? 0 : 1, &got);
    if (got.tag != 0)
        wharf_panic("the answer's content type is none: %.*s", WHARF_S(answer.content_type));
    int32_t response = response_new(got.in.handle);
    if (answer.status < 100 || answer.status > 999 || response_set_status(response, answer.status) != 0)
        wharf_panic("the answer's status is none: %u", (unsigned)answer.status);
    response_body(response, &got);
    int32_t body = got.in.handle;
    outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
    outgoing_stream(body, &got);
    int32_t stream = got.in.handle;
    for (size_t at = 0; at < answer.body.len; at += WRITE_MOST) {
        size_t left = answer.body.len - at;
        output_write(stream, answer.body.ptr + at, left < WRITE_MOST ? left : WRITE_MOST, &got);
        if (got.tag != 0) {
            /* Nobody waits for it any more. */
            is_end(&got);
            break;
        }
    }
    output_drop(stream);
    /* An error's code, which has up to 32 bytes at 8; nobody reads it. */
    uint64_t result[5];
    outgoing_finish(body, 0, 0, result);
}

__attribute__((__export_name__("wasi:http/incoming-handler@0.2.0#handle"))) void wharf_answers(int32_t request, int32_t out)
{
    wharf_request received = {0};
    /* A part of a body is not handed over for the whole. */
    bool whole = take(request, &received);
    send(out, whole ? wharf_exported_answer(&received) : wharf_answer_text(400, "the request's body broke off"));
    wharf_end_of_attempt();
}

void wharf_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    __builtin_trap();
}
