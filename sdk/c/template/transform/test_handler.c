/* The transform as a plain function: `make test`. */
#include <wharf_test.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

wharf_transform price;

int main(void)
{
    wharf_test_begin();
    wharf_event event = wharf_test_event("order.created", "{\"number\": 7, \"cents\": 990}");
    assert(price(&event).end == WHARF_END_OK);
    assert(wharf_equal(event.data, wharf_text("{\"number\":7,\"cents\":990,\"euros\":9.9}")));

    event = wharf_test_event("order.created", "{\"number\": 7}");
    assert(price(&event).end == WHARF_END_DROP);
    puts("all tests passed");
    return 0;
}
