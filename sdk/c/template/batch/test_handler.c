/* The batch handler as a plain function: `make test`. */
#include <wharf_test.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

wharf_batch_handler total;

int main(void)
{
    wharf_outcome outcomes[2];
    wharf_test_begin();
    wharf_event events[] = {wharf_test_event("number.drawn", "20"), wharf_test_event("number.drawn", "300")};
    assert(wharf_test_run_batch(total, events, 2, outcomes).end == WHARF_END_OK);
    assert(wharf_equal(wharf_test_get(NULL, "total"), wharf_text("320")));

    wharf_test_begin();
    events[1] = wharf_test_event("number.drawn", "-2");
    assert(wharf_test_run_batch(total, events, 2, outcomes).end == WHARF_END_OK);
    assert(outcomes[0].end == WHARF_END_OK && outcomes[1].end == WHARF_END_REJECT);
    assert(wharf_test_get(NULL, "total").ptr == NULL);
    puts("all tests passed");
    return 0;
}
