/* {{name}} handles events of the type order.created. */
#include <wharf.h>

WHARF_DECLARE("{\"on\":[\"order.created\"]}")
WHARF_NEEDS("{\"publish\":[\"order.charged\"],\"kv\":[\"default\"]}")

typedef struct {
    int64_t number, cents;
} order;

static const wharf_field order_fields[] = {
    WHARF_FIELD(order, number, WHARF_INTEGER),
    WHARF_FIELD(order, cents, WHARF_INTEGER),
};

wharf_outcome charge(const wharf_event *event, const wharf_delivery *delivery)
{
    order it;
    WHARF_CHECK(WHARF_DECODE(event->data, order_fields, &it));
    if (it.cents < 0)
        return wharf_reject("an order cannot cost less than nothing");
    WHARF_TRY(wharf_kv_add(NULL, wharf_text("cents"), it.cents));
    wharf_draft charged = {
        .type = wharf_text("order.charged"),
        .subject = wharf_format("order/%lld", (long long)it.number),
        .data = WHARF_ENCODE(order_fields, &it),
    };
    WHARF_TRY(wharf_publish(&charged, NULL));
    wharf_log(WHARF_LOG_INFO, "charged in attempt %u", delivery->attempt);
    return wharf_ok();
}

WHARF_HANDLER(charge)
