/* The SDK's own tests, and what a test of a handler looks like: build it with any C compiler. */
#include "../include/wharf_test.h"

#include <stdio.h>
#include <string.h>

static int failures;

#define IS(actual, expected)                                                                                  \
    do {                                                                                                      \
        wharf_bytes is = (actual);                                                                            \
        if (!wharf_equal(is, wharf_text(expected))) {                                                         \
            failures++;                                                                                       \
            printf("%s:%d: %.*s, not %.*s\n", __FILE__, __LINE__, WHARF_S(is), WHARF_S(wharf_text(expected))); \
        }                                                                                                     \
    } while (0)
#define OK(condition)                                               \
    do {                                                            \
        if (!(condition)) {                                         \
            failures++;                                             \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
        }                                                           \
    } while (0)
#define NONE (const char *)NULL

/* ---- The handler of the README ---- */

typedef struct {
    int64_t number, cents;
    wharf_bytes note;
} order;

static const wharf_field order_fields[] = {
    WHARF_FIELD(order, number, WHARF_INTEGER),
    WHARF_FIELD(order, cents, WHARF_INTEGER),
    WHARF_OPTIONAL(order, note, WHARF_TEXT),
};

static wharf_outcome charge(const wharf_event *event, const wharf_delivery *delivery)
{
    order it;
    WHARF_CHECK(WHARF_DECODE(event->data, order_fields, &it));
    if (it.cents < 0)
        return wharf_reject("an order cannot cost less than nothing");
    WHARF_TRY(wharf_kv_add("orders", wharf_text("cents"), it.cents));
    wharf_draft charged = {
        .type = wharf_text("order.charged"),
        .subject = wharf_format("order/%lld", (long long)it.number),
        .data = WHARF_ENCODE(order_fields, &it),
    };
    WHARF_TRY(wharf_publish(&charged, NULL));
    wharf_log(WHARF_LOG_INFO, "charged in attempt %u", delivery->attempt);
    if (wharf_equal(wharf_config("closed"), wharf_text("true")))
        return wharf_retry_after(60000, "the shop is closed");
    if (it.number == 13)
        wharf_panic("no order has the number %lld", (long long)it.number);
    return wharf_ok();
}

static void a_handler_stores_publishes_and_logs(void)
{
    wharf_test_begin();
    wharf_outcome outcome = wharf_test_run(charge, wharf_test_event("order.created", "{\"number\": 7, \"cents\": 990}"));
    OK(outcome.end == WHARF_END_OK);
    IS(wharf_test_get("orders", "cents"), "990");
    IS(wharf_test_published(0).subject, "order/7");
    IS(wharf_test_published(0).data, "{\"number\":7,\"cents\":990,\"note\":null}");
    IS(wharf_test_published(1).type, NONE);
    OK(wharf_test_logged("attempt 1"));
}

static void an_attempt_that_fails_leaves_nothing(void)
{
    wharf_test_begin();
    wharf_test_config("closed", "true");
    wharf_event event = wharf_test_event("order.created", "{\"number\": 7, \"cents\": 990}");
    wharf_outcome outcome = wharf_test_run_again(charge, event, 2);
    OK(outcome.end == WHARF_END_RETRY && outcome.after_ms == 60000);
    IS(wharf_test_get("orders", "cents"), NONE);
    IS(wharf_test_published(0).type, NONE);
    wharf_test_begin();
    wharf_test_deny("orders");
    IS(wharf_test_run(charge, event).reason, "bucket `orders` is not granted to this plugin");
    wharf_test_begin();
    wharf_test_deny("order.charged");
    IS(wharf_test_run(charge, event).reason, "publishing `order.charged` is not granted");
    wharf_test_begin();
    outcome = wharf_test_run(charge, wharf_test_event("order.created", "{\"number\": 13, \"cents\": 1}"));
    OK(outcome.end == WHARF_END_RETRY && outcome.after_ms == -1);
    IS(outcome.reason, "no order has the number 13");
}

static void what_does_not_fit_is_rejected_with_its_place(void)
{
    static const char *const cases[][2] = {
        {"", "at `.`: expected an object"},
        {"[1]", "at `.`: expected an object"},
        {"{\"number\": 7, ", "at `.`: expected a text"},
        {"{\"number\": 7}", "at `cents`: expected a value, and there is none"},
        {"{\"number\": 7, \"cents\": \"many\"}", "at `cents`: expected an integer"},
        {"{\"number\": 7, \"cents\": 1.5}", "at `cents`: expected an integer"},
        {"{\"number\": 7, \"cents\": 9223372036854775808}", "at `cents`: expected an integer"},
        {"{\"number\": 07, \"cents\": 1}", "at `.`: expected `,` or `}`"},
        {"{\"number\": 7, \"cents\": 1, \"note\": 5}", "at `note`: expected a text"},
        {"{\"number\": 7, \"cents\": 1, \"note\": \"\\ud800x\"}", "at `note`: expected the second half of a surrogate pair"},
        {"{\"number\": 7, \"cents\": 1, \"note\": \"\xff\"}", "at `note`: expected a character that a text may have"},
        {"{\"number\": 7, \"cents\": 1, \"x\": tru}", "at `x`: expected a value of JSON"},
        {"{\"number\": 7, \"cents\": 1} 2", "at `.`: expected the end"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        wharf_test_begin();
        wharf_outcome outcome = wharf_test_run(charge, wharf_test_event("order.created", cases[n][0]));
        OK(outcome.end == WHARF_END_REJECT);
        IS(outcome.reason, wharf_format("the payload is not what this plugin takes: %s", cases[n][1]).ptr);
    }
    char deep[200];
    memset(deep, '[', sizeof deep);
    wharf_bytes raw, all = {deep, sizeof deep};
    OK(wharf_decode_value(all, WHARF_JSON, &raw).end == WHARF_END_REJECT);
}

static void values_of_json_go_through(void)
{
    wharf_test_begin();
    const char *written = " { \"note\" : \"a\\u00fc \\\"b\\\" \\ud83e\\udd80 \\n\", \"more\": [true, {\"number\": 1}], \"cents\": -5, \"number\": 0 } ";
    order it;
    OK(WHARF_DECODE(wharf_text(written), order_fields, &it).end == WHARF_END_OK);
    IS(it.note, "a\xc3\xbc \"b\" \xf0\x9f\xa6\x80 \n");
    IS(WHARF_ENCODE(order_fields, &it), "{\"number\":0,\"cents\":-5,\"note\":\"a\xc3\xbc \\\"b\\\" \xf0\x9f\xa6\x80 \\u000a\"}");
    double number = 0;
    OK(wharf_decode_value(wharf_text("-2.5e1"), WHARF_NUMBER, &number).end == WHARF_END_OK && number == -25);
    static const wharf_field one[] = {{"n", WHARF_NUMBER, 0, false}};
    number = 9.9;
    OK(wharf_equal(WHARF_ENCODE(one, &number), wharf_text("{\"n\":9.9}")));
    number = 0.1 + 0.2;
    OK(wharf_equal(WHARF_ENCODE(one, &number), wharf_text("{\"n\":0.30000000000000004}")));
    bool truth = true;
    OK(wharf_decode_value(wharf_text(" false "), WHARF_BOOLEAN, &truth).end == WHARF_END_OK && !truth);
    wharf_bytes raw;
    OK(wharf_decode_value(wharf_text("[1, {}]"), WHARF_JSON, &raw).end == WHARF_END_OK);
    IS(raw, "[1, {}]");
}

static wharf_outcome keys(const wharf_event *event, const wharf_delivery *delivery)
{
    (void)event, (void)delivery;
    WHARF_TRY(wharf_kv_set(NULL, wharf_text("b"), wharf_text("1")));
    WHARF_TRY(wharf_kv_set(NULL, wharf_text("a"), wharf_text("1")));
    WHARF_TRY(wharf_kv_set("other", wharf_text("c"), wharf_text("1")));
    WHARF_TRY(wharf_kv_delete(NULL, wharf_text("b")));
    wharf_bytes *all;
    size_t len;
    WHARF_TRY(wharf_kv_list(NULL, wharf_text(""), &all, &len));
    bool exists, first, second;
    WHARF_TRY(wharf_kv_exists(NULL, wharf_text("b"), &exists));
    OK(len == 1 && !exists);
    IS(all[0], "a");
    WHARF_TRY(wharf_kv_compare_and_swap(NULL, wharf_text("s"), wharf_text(NULL), wharf_text("one"), &first));
    WHARF_TRY(wharf_kv_compare_and_swap(NULL, wharf_text("s"), wharf_text(NULL), wharf_text("two"), &second));
    OK(first && !second);
    uint64_t sum;
    WHARF_TRY(wharf_kv_increment(NULL, wharf_text("n"), 2, NULL));
    WHARF_TRY(wharf_kv_increment(NULL, wharf_text("n"), 3, &sum));
    OK(sum == 5 && wharf_now(NULL) == 1700000000);
    return wharf_kv_add(NULL, wharf_text("s"), 1) == WHARF_DONE ? wharf_ok() : wharf_reject("%s", wharf_error());
}

static void buckets_do_what_they_say(void)
{
    wharf_test_begin();
    IS(wharf_test_run(keys, wharf_test_event("keys", NULL)).reason, "the value under `s` is no integer");
}

static wharf_outcome total(const wharf_item *items, size_t len, wharf_outcome *outcomes)
{
    for (size_t n = 0; n < len; n++) {
        int64_t cents = 0;
        outcomes[n] = wharf_decode_value(items[n].event.data, WHARF_INTEGER, &cents);
        WHARF_TRY(wharf_kv_add(NULL, wharf_text("total"), cents));
    }
    return wharf_ok();
}

static void a_batch_is_kept_if_all_ended_well(void)
{
    wharf_outcome outcomes[2];
    wharf_test_begin();
    wharf_event events[] = {wharf_test_event("n", "1"), wharf_test_event("n", "\"two\"")};
    OK(wharf_test_run_batch(total, events, 2, outcomes).end == WHARF_END_OK);
    OK(outcomes[0].end == WHARF_END_OK && outcomes[1].end == WHARF_END_REJECT);
    IS(wharf_test_get(NULL, "total"), NONE);
    OK(wharf_test_run_batch(total, events, 1, outcomes).end == WHARF_END_OK);
    IS(wharf_test_get(NULL, "total"), "1");
}

static wharf_outcome sign(const wharf_event *event, const wharf_delivery *delivery)
{
    (void)event, (void)delivery;
    wharf_bytes value;
    WHARF_TRY(wharf_secret("signing", &value));
    WHARF_TRY(wharf_kv_set(NULL, wharf_text("bytes"), wharf_format("%zu", value.len)));
    return wharf_ok();
}

static void a_secret_is_held_where_the_test_keeps_one(void)
{
    wharf_test_begin();
    IS(wharf_test_run(sign, wharf_test_event("a", NULL)).reason, "there is no secret `signing`");
    wharf_test_secret("signing", "whsec_1");
    OK(wharf_test_run(sign, wharf_test_event("a", NULL)).end == WHARF_END_OK);
    IS(wharf_test_get(NULL, "bytes"), "7");
    wharf_test_deny("signing");
    IS(wharf_test_run(sign, wharf_test_event("a", NULL)).reason, "holding the secret `signing` is not granted to this plugin");
}

static void a_request_is_told_by_its_method_and_path(void)
{
    wharf_attribute fields[] = {{wharf_text("accept"), wharf_text("text/plain")}};
    wharf_request request = {.method = wharf_text("GET"), .target = wharf_text("/a?b"), .fields = fields, .fields_len = 1};
    OK(wharf_asks(&request, "GET", "/a") && !wharf_asks(&request, "GET", "/a?b") && !wharf_asks(&request, "PUT", "/a"));
    IS(wharf_request_field(&request, "accept"), "text/plain");
    IS(wharf_request_field(&request, "host"), NONE);
    wharf_response answer = wharf_answer_text(404, "no %s", "such");
    OK(answer.status == 404);
    IS(answer.body, "no such");
    IS(wharf_answer_json(200, wharf_text("{}")).content_type, "application/json");
}

int main(void)
{
    a_handler_stores_publishes_and_logs();
    an_attempt_that_fails_leaves_nothing();
    what_does_not_fit_is_rejected_with_its_place();
    values_of_json_go_through();
    buckets_do_what_they_say();
    a_batch_is_kept_if_all_ended_well();
    a_secret_is_held_where_the_test_keeps_one();
    a_request_is_told_by_its_method_and_path();
    wharf_test_begin();
    printf(failures == 0 ? "all tests passed\n" : "%d failed\n", failures);
    return failures != 0;
}
