/* {{name}} adds the price in euros, and leaves out what has no price. */
#include <wharf.h>

typedef struct {
    int64_t number, cents;
    double euros;
} order;

static const wharf_field order_fields[] = {
    WHARF_FIELD(order, number, WHARF_INTEGER),
    WHARF_OPTIONAL(order, cents, WHARF_INTEGER),
};

static const wharf_field priced_fields[] = {
    WHARF_FIELD(order, number, WHARF_INTEGER),
    WHARF_FIELD(order, cents, WHARF_INTEGER),
    WHARF_FIELD(order, euros, WHARF_NUMBER),
};

wharf_outcome price(wharf_event *event)
{
    order it = {.cents = -1};
    WHARF_CHECK(WHARF_DECODE(event->data, order_fields, &it));
    if (it.cents < 0)
        return wharf_drop();
    it.euros = (double)it.cents / 100;
    event->data = WHARF_ENCODE(priced_fields, &it);
    return wharf_ok();
}

WHARF_TRANSFORM(price)
