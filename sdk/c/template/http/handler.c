/* {{name}} answers requests, and greets whoever says a name. */
#include <wharf.h>

typedef struct {
    wharf_bytes name;
} caller;

typedef struct {
    wharf_bytes greeting;
} greeting;

static const wharf_field caller_fields[] = {WHARF_FIELD(caller, name, WHARF_TEXT)};
static const wharf_field greeting_fields[] = {WHARF_FIELD(greeting, greeting, WHARF_TEXT)};

/* Answers one request. Each has a fresh instance of its own: what is kept in memory is gone with it. */
wharf_response answer(const wharf_request *request)
{
    if (wharf_asks(request, "GET", "/"))
        return wharf_answer_text(200, "POST a name to /greet");
    if (wharf_asks(request, "POST", "/greet")) {
        caller it;
        wharf_outcome read = WHARF_DECODE(request->body, caller_fields, &it);
        if (read.end != WHARF_END_OK)
            return wharf_answer_text(400, "that is no caller: %.*s", WHARF_S(read.reason));
        greeting hello = {wharf_format("Hello, %.*s!", WHARF_S(it.name))};
        return wharf_answer_json(200, WHARF_ENCODE(greeting_fields, &hello));
    }
    return wharf_answer_text(404, "there is nothing here");
}

WHARF_ANSWER(answer)
