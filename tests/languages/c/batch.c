/* The probe's batch handler in C; what it does is in ../README.md. */
#include <wharf.h>

WHARF_NEEDS("{\"publish\":[\"probe.*\"],\"kv\":[\"default\"]}")

static bool is(const wharf_event *event, const char *type)
{
    return wharf_equal(event->type, wharf_text(type));
}

static wharf_outcome append(const wharf_event *event, int64_t number)
{
    wharf_bytes left = wharf_extension(event, "partitionkey"), line;
    wharf_bytes key = wharf_format("line/%.*s", WHARF_S(left));
    WHARF_TRY(wharf_kv_get(NULL, key, &line));
    WHARF_TRY(wharf_kv_set(NULL, key, wharf_format("%.*s%lld,", WHARF_S(line), (long long)number)));
    return wharf_ok();
}

static wharf_outcome probe(const wharf_item *items, size_t len, wharf_outcome *outcomes)
{
    size_t fitting = 0;
    bool publishes = false;
    for (size_t n = 0; n < len; n++) {
        const wharf_event *event = &items[n].event;
        if (is(event, "probe.uncaught"))
            wharf_panic("uncaught as asked");
        if (is(event, "probe.fail-all"))
            return wharf_retry("all fail as asked");
    }
    for (size_t n = 0; n < len; n++) {
        const wharf_event *event = &items[n].event;
        int64_t number;
        outcomes[n] = wharf_decode_value(event->data, WHARF_INTEGER, &number);
        if (outcomes[n].end != WHARF_END_OK)
            continue;
        fitting++;
        WHARF_TRY(wharf_kv_add(NULL, wharf_format("sum/%.*s", WHARF_S(event->source)), number));
        WHARF_TRY(wharf_kv_add(NULL, wharf_format("seen/%.*s", WHARF_S(event->id)), 1));
        if (is(event, "probe.append"))
            WHARF_CHECK(append(event, number));
        if (is(event, "probe.reject"))
            outcomes[n] = wharf_reject("rejected as asked");
        if (is(event, "probe.retry"))
            outcomes[n] = wharf_retry_after(1, "again as asked");
        publishes = publishes || is(event, "probe.publish");
    }
    if (publishes) {
        wharf_draft draft = {.type = wharf_text("probe.batched"), .data = wharf_format("%zu", fitting)};
        WHARF_TRY(wharf_publish(&draft, NULL));
    }
    return wharf_ok();
}

WHARF_BATCH_HANDLER(probe)
