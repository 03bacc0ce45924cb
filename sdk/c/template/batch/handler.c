/* {{name}} sums up what a queue brings. */
#include <wharf.h>

WHARF_NEEDS("{\"kv\":[\"default\"]}")

wharf_outcome total(const wharf_item *items, size_t len, wharf_outcome *outcomes)
{
    int64_t sum = 0;
    for (size_t n = 0; n < len; n++) {
        int64_t number = 0;
        outcomes[n] = wharf_decode_value(items[n].event.data, WHARF_INTEGER, &number);
        if (number < 0)
            outcomes[n] = wharf_reject("less than nothing");
        sum += number;
    }
    /* Kept only if every event ends well; if some do not, the others come again without them. */
    WHARF_TRY(wharf_kv_add(NULL, wharf_text("total"), sum));
    return wharf_ok();
}

WHARF_BATCH_HANDLER(total)
