/* The handler as a plain function: `make test`. */
#include <wharf_test.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

wharf_handler charge;

int main(void)
{
    wharf_test_begin();
    wharf_outcome outcome = wharf_test_run(charge, wharf_test_event("order.created", "{\"number\": 7, \"cents\": 990}"));
    assert(outcome.end == WHARF_END_OK);
    assert(wharf_equal(wharf_test_get(NULL, "cents"), wharf_text("990")));
    assert(wharf_equal(wharf_test_published(0).subject, wharf_text("order/7")));

    wharf_test_begin();
    outcome = wharf_test_run(charge, wharf_test_event("order.created", "{\"number\": 7, \"cents\": -1}"));
    assert(outcome.end == WHARF_END_REJECT);
    assert(wharf_test_published(0).type.ptr == NULL);
    puts("all tests passed");
    return 0;
}
