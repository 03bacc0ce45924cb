/* Answers to requests, as authors write them. */
#include "inside.h"

#include <string.h>

wharf_response wharf_answer_text(uint16_t status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wharf_bytes text = wharf_format_list(format, arguments);
    va_end(arguments);
    return (wharf_response){status, wharf_text("text/plain; charset=utf-8"), text};
}

wharf_response wharf_answer_json(uint16_t status, wharf_bytes json)
{
    return (wharf_response){status, wharf_text("application/json"), json};
}

bool wharf_asks(const wharf_request *request, const char *method, const char *path)
{
    const char *query = request->target.len == 0 ? NULL : memchr(request->target.ptr, '?', request->target.len);
    wharf_bytes asked = request->target;
    if (query != NULL)
        asked.len = (size_t)(query - asked.ptr);
    return wharf_equal(request->method, wharf_text(method)) && wharf_equal(asked, wharf_text(path));
}

wharf_bytes wharf_request_field(const wharf_request *request, const char *name)
{
    for (size_t n = 0; n < request->fields_len; n++)
        if (wharf_equal(request->fields[n].name, wharf_text(name)))
            return request->fields[n].value;
    return (wharf_bytes){NULL, 0};
}
