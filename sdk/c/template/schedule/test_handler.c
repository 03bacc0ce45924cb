/* The handler as a plain function: `make test`. */
#include <wharf_test.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>

wharf_handler report;

int main(void)
{
    wharf_test_begin();
    wharf_test_set(NULL, "reports", "2");
    wharf_event due = wharf_test_event("report.due", NULL);
    due.time = wharf_text("2026-01-01T03:00:00Z");
    assert(wharf_test_run(report, due).end == WHARF_END_OK);
    assert(wharf_equal(wharf_test_get(NULL, "reports"), wharf_text("3")));
    assert(wharf_equal(wharf_test_published(0).data, wharf_text("{\"number\":3,\"title\":\"Report 3 of 2026-01-01\"}")));
    puts("all tests passed");
    return 0;
}
