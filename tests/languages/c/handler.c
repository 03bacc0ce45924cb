/* The probe's handler in C; what it does is in ../README.md. */
#include <wharf.h>

#include <stdlib.h>
#include <string.h>

WHARF_NEEDS("{\"publish\":[\"probe.*\"],\"kv\":[\"default\",\"ledger\"]}")
WHARF_DECLARE("{\"on\":[\"probe.*\"]}")

static const wharf_event *event;
static const wharf_delivery *delivery;

static wharf_outcome answer(wharf_bytes value)
{
    WHARF_TRY(wharf_kv_set(NULL, event->id, value));
    return wharf_ok();
}

static wharf_bytes shown(wharf_bytes value)
{
    return value.ptr == NULL ? wharf_text("none") : value;
}

static wharf_bytes key(const char *name)
{
    return wharf_format("%.*s/%s", WHARF_S(event->id), name);
}

static wharf_outcome echo(void)
{
    return answer(event->data);
}

typedef struct {
    wharf_bytes id, source, type, subject, time, datacontenttype, dataschema, extensions;
} attributes_answer;

static const wharf_field attributes_fields[] = {
    WHARF_FIELD(attributes_answer, id, WHARF_TEXT),
    WHARF_FIELD(attributes_answer, source, WHARF_TEXT),
    WHARF_FIELD(attributes_answer, type, WHARF_TEXT),
    WHARF_OPTIONAL(attributes_answer, subject, WHARF_TEXT),
    WHARF_OPTIONAL(attributes_answer, time, WHARF_TEXT),
    WHARF_OPTIONAL(attributes_answer, datacontenttype, WHARF_TEXT),
    WHARF_OPTIONAL(attributes_answer, dataschema, WHARF_TEXT),
    WHARF_FIELD(attributes_answer, extensions, WHARF_JSON),
};

static wharf_outcome attributes(void)
{
    wharf_bytes extensions = wharf_text("");
    for (size_t n = 0; n < event->extensions_len; n++) {
        wharf_bytes name = wharf_quoted(event->extensions[n].name), value = wharf_quoted(event->extensions[n].value);
        extensions = wharf_format("%.*s%s%.*s:%.*s", WHARF_S(extensions), n == 0 ? "" : ",", WHARF_S(name), WHARF_S(value));
    }
    attributes_answer told = {
        event->id,   event->source,          event->type,       event->subject,
        event->time, event->datacontenttype, event->dataschema, wharf_format("{%.*s}", WHARF_S(extensions)),
    };
    return answer(WHARF_ENCODE(attributes_fields, &told));
}

static wharf_outcome delivered(void)
{
    wharf_bytes id = wharf_quoted(delivery->id), rule = wharf_quoted(delivery->rule);
    return answer(wharf_format("{\"id\":%.*s,\"rule\":%.*s,\"attempt\":%u,\"max_attempts\":%u,\"deadline_ms\":%u}", WHARF_S(id),
                               WHARF_S(rule), delivery->attempt, delivery->max_attempts, delivery->deadline_ms));
}

typedef struct {
    int64_t number, cents;
    wharf_bytes note;
} order;

static const wharf_field order_fields[] = {
    WHARF_FIELD(order, number, WHARF_INTEGER),
    WHARF_FIELD(order, cents, WHARF_INTEGER),
    WHARF_OPTIONAL(order, note, WHARF_TEXT),
};

static wharf_outcome ordered(void)
{
    order taken;
    WHARF_CHECK(WHARF_DECODE(event->data, order_fields, &taken));
    wharf_draft draft = {
        .type = wharf_text("probe.ordered"),
        .subject = wharf_format("order/%lld", (long long)taken.number),
        .data = WHARF_ENCODE(order_fields, &taken),
    };
    WHARF_TRY(wharf_publish(&draft, NULL));
    return wharf_ok();
}

static wharf_outcome publish(void)
{
    wharf_attribute mark = {wharf_text("mark"), wharf_text("a")};
    wharf_draft first = {
        .type = wharf_text("probe.published"),
        .subject = wharf_text("first"),
        .extensions = &mark,
        .extensions_len = 1,
        .data = wharf_text("{\"n\":1}"),
    };
    wharf_draft second = {
        .type = wharf_text("probe.published"),
        .source = wharf_text("elsewhere"),
        .datacontenttype = wharf_text("application/octet-stream"),
        .data = event->data,
    };
    wharf_bytes one, other;
    WHARF_TRY(wharf_publish(&first, &one));
    WHARF_TRY(wharf_publish(&second, &other));
    return answer(wharf_format("%.*s %.*s", WHARF_S(one), WHARF_S(other)));
}

static wharf_outcome publish_again(void)
{
    wharf_draft draft = {.type = wharf_text("probe.published")};
    wharf_bytes id;
    WHARF_TRY(wharf_publish(&draft, &id));
    return delivery->attempt == 1 ? wharf_retry("%.*s", WHARF_S(id)) : answer(id);
}

static wharf_outcome refused(wharf_draft draft)
{
    wharf_status status = wharf_publish(&draft, NULL);
    return answer(wharf_text(status == WHARF_DENIED ? "denied" : status == WHARF_INVALID ? "invalid" : "taken"));
}

static wharf_outcome publish_denied(void)
{
    return refused((wharf_draft){.type = wharf_text("elsewhere.event")});
}

static wharf_outcome publish_invalid(void)
{
    wharf_attribute wrong = {wharf_text("Not A Name"), wharf_text("x")};
    return refused((wharf_draft){.type = wharf_text("probe.published"), .extensions = &wrong, .extensions_len = 1});
}

static wharf_outcome publish_flood(void)
{
    wharf_draft draft = {.type = wharf_text("probe.published")};
    for (int n = 0; n < 101; n++)
        WHARF_TRY(wharf_publish(&draft, NULL));
    return wharf_ok();
}

static wharf_outcome half(void)
{
    wharf_draft draft = {.type = wharf_text("probe.published")};
    WHARF_TRY(wharf_publish(&draft, NULL));
    WHARF_CHECK(answer(wharf_text("half")));
    return wharf_reject("half done");
}

static wharf_outcome kv_set_get(void)
{
    wharf_bytes a, b;
    WHARF_TRY(wharf_kv_set(NULL, key("a"), wharf_text("1")));
    WHARF_TRY(wharf_kv_get(NULL, key("a"), &a));
    WHARF_TRY(wharf_kv_get(NULL, key("b"), &b));
    return answer(wharf_format("%.*s %.*s", WHARF_S(shown(a)), WHARF_S(shown(b))));
}

static wharf_outcome kv_delete(void)
{
    bool exists;
    wharf_bytes value;
    WHARF_TRY(wharf_kv_set(NULL, key("a"), wharf_text("1")));
    WHARF_TRY(wharf_kv_delete(NULL, key("a")));
    WHARF_TRY(wharf_kv_exists(NULL, key("a"), &exists));
    WHARF_TRY(wharf_kv_get(NULL, key("a"), &value));
    return answer(wharf_format("%s %.*s", exists ? "true" : "false", WHARF_S(shown(value))));
}

static wharf_outcome kv_list(void)
{
    wharf_bytes *keys, all = wharf_text("");
    size_t len;
    WHARF_TRY(wharf_kv_set(NULL, key("b"), wharf_text("1")));
    WHARF_TRY(wharf_kv_set(NULL, key("a"), wharf_text("1")));
    WHARF_TRY(wharf_kv_list(NULL, key(""), &keys, &len));
    for (size_t n = 0; n < len; n++)
        all = wharf_format("%.*s%s%.*s", WHARF_S(all), n == 0 ? "" : " ", WHARF_S(keys[n]));
    return answer(all);
}

static wharf_outcome kv_binary(void)
{
    wharf_bytes value;
    WHARF_TRY(wharf_kv_set(NULL, key("bytes"), event->data));
    WHARF_TRY(wharf_kv_get(NULL, key("bytes"), &value));
    return answer(value);
}

static wharf_outcome kv_add(void)
{
    WHARF_TRY(wharf_kv_add(NULL, key("n"), 5));
    WHARF_TRY(wharf_kv_add(NULL, key("n"), -2));
    return wharf_ok();
}

static wharf_outcome kv_increment(void)
{
    uint64_t sum;
    WHARF_TRY(wharf_kv_increment(NULL, key("n"), 2, NULL));
    WHARF_TRY(wharf_kv_increment(NULL, key("n"), 3, &sum));
    return answer(wharf_format("%llu", (unsigned long long)sum));
}

static wharf_outcome kv_swap(void)
{
    bool first, second, third;
    WHARF_TRY(wharf_kv_compare_and_swap(NULL, key("s"), wharf_text(NULL), wharf_text("one"), &first));
    WHARF_TRY(wharf_kv_compare_and_swap(NULL, key("s"), wharf_text("zero"), wharf_text("two"), &second));
    WHARF_TRY(wharf_kv_compare_and_swap(NULL, key("s"), wharf_text("one"), wharf_text("three"), &third));
    const char *const words[] = {"false", "true"};
    return answer(wharf_format("%s %s %s", words[first], words[second], words[third]));
}

static wharf_outcome kv_conflict(void)
{
    WHARF_TRY(wharf_kv_increment(NULL, wharf_text("conflicts"), 1, NULL));
    return wharf_ok();
}

static wharf_outcome kv_named(void)
{
    WHARF_TRY(wharf_kv_set("ledger", event->id, wharf_text("kept")));
    return wharf_ok();
}

static wharf_outcome kv_denied(void)
{
    wharf_status status = wharf_kv_set("vault", event->id, wharf_text("x"));
    return answer(wharf_text(status == WHARF_DENIED ? "denied" : "taken"));
}

static wharf_outcome retry(void)
{
    if (delivery->attempt == 1)
        return wharf_retry("again: %.*s", WHARF_S(delivery->id));
    return answer(wharf_format("%u %.*s", delivery->attempt, WHARF_S(delivery->id)));
}

static wharf_outcome retry_after(void)
{
    return delivery->attempt == 1 ? wharf_retry_after(1500, "later") : answer(wharf_format("%u", delivery->attempt));
}

static wharf_outcome retry_always(void)
{
    return wharf_retry("attempt %u as asked", delivery->attempt);
}

static wharf_outcome reject(void)
{
    return wharf_reject("%.*s", WHARF_S(event->data));
}

static void deep(void)
{
    wharf_panic("uncaught as asked");
}

static wharf_outcome uncaught(void)
{
    WHARF_CHECK(answer(wharf_text("half")));
    deep();
    return wharf_ok();
}

static wharf_outcome loop(void)
{
    for (volatile int n = 0;; n = n + 1) {
    }
}

static wharf_outcome memory(void)
{
    for (;;)
        memset(wharf_alloc(1 << 20), 'x', 1 << 20);
}

static wharf_outcome lines(void)
{
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "critical"};
    for (int level = WHARF_LOG_TRACE; level <= WHARF_LOG_CRITICAL; level++)
        wharf_log((wharf_level)level, "%s %.*s", levels[level], WHARF_S(event->data));
    return wharf_ok();
}

static wharf_outcome config(void)
{
    return answer(wharf_format("%.*s %.*s", WHARF_S(shown(wharf_config("greeting"))), WHARF_S(shown(wharf_config("absent")))));
}

static wharf_outcome timed(void)
{
    return answer(wharf_format("%llu", (unsigned long long)wharf_now(NULL)));
}

static wharf_outcome drawn(void)
{
    unsigned char bytes[16];
    wharf_random(bytes, sizeof bytes);
    wharf_bytes hex = wharf_text("");
    for (size_t n = 0; n < sizeof bytes; n++)
        hex = wharf_format("%.*s%02x", WHARF_S(hex), bytes[n]);
    return answer(hex);
}

static wharf_outcome counted(void)
{
    static int counter;
    return answer(wharf_format("%d", ++counter));
}

static const struct {
    const char *type;
    wharf_outcome (*run)(void);
} scenarios[] = {
    {"probe.echo", echo},
    {"probe.attributes", attributes},
    {"probe.delivery", delivered},
    {"probe.order", ordered},
    {"probe.publish", publish},
    {"probe.publish-again", publish_again},
    {"probe.publish-denied", publish_denied},
    {"probe.publish-invalid", publish_invalid},
    {"probe.publish-flood", publish_flood},
    {"probe.half", half},
    {"probe.kv-set-get", kv_set_get},
    {"probe.kv-delete", kv_delete},
    {"probe.kv-list", kv_list},
    {"probe.kv-binary", kv_binary},
    {"probe.kv-add", kv_add},
    {"probe.kv-increment", kv_increment},
    {"probe.kv-swap", kv_swap},
    {"probe.kv-conflict", kv_conflict},
    {"probe.kv-named", kv_named},
    {"probe.kv-denied", kv_denied},
    {"probe.retry", retry},
    {"probe.retry-after", retry_after},
    {"probe.retry-always", retry_always},
    {"probe.reject", reject},
    {"probe.uncaught", uncaught},
    {"probe.loop", loop},
    {"probe.memory", memory},
    {"probe.log", lines},
    {"probe.config", config},
    {"probe.clock", timed},
    {"probe.random", drawn},
    {"probe.counter", counted},
};

static wharf_outcome probe(const wharf_event *received, const wharf_delivery *why)
{
    event = received;
    delivery = why;
    for (size_t n = 0; n < sizeof scenarios / sizeof *scenarios; n++)
        if (wharf_equal(event->type, wharf_text(scenarios[n].type)))
            return scenarios[n].run();
    return wharf_reject("the probe has no scenario %.*s", WHARF_S(event->type));
}

WHARF_HANDLER(probe)
