/* What answers as a plain function: `make test`. */
#include <wharf_test.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

wharf_answer answer;

static wharf_response ask(const char *method, const char *target, const char *body)
{
    wharf_request request = {.method = wharf_text(method), .target = wharf_text(target), .body = wharf_text(body)};
    return answer(&request);
}

int main(void)
{
    wharf_test_begin();
    wharf_response greeted = ask("POST", "/greet?loudly", "{\"name\": \"Ada\"}");
    assert(greeted.status == 200);
    assert(wharf_equal(greeted.body, wharf_text("{\"greeting\":\"Hello, Ada!\"}")));

    assert(ask("POST", "/greet", "Ada").status == 400);
    assert(ask("POST", "/greet", "{}").status == 400);
    assert(ask("GET", "/elsewhere", "").status == 404);
    puts("all tests passed");
    return 0;
}
