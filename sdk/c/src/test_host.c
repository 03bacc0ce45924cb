/* The host of wharf_test.h.
 *
 * Invariant: values and published events are in lists that only grow during an attempt; an attempt that fails is undone by
 * cutting them to the length that they had. So the last entry of a key is its value.
 */
#include "../include/wharf_test.h"
#include "inside.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    wharf_bytes group; /* a value's bucket; "config", "secret", "deny" and "log" of the others */
    wharf_bytes key;
    wharf_bytes value; /* none: deleted */
} entry;

typedef struct {
    entry *of;
    size_t len, room;
} entries;

static entries values, settings, lines;
static wharf_draft *published;
static size_t published_len, published_room;
static uint64_t seconds, drawn;
static const char *last_error = "";
static jmp_buf panicked;
static bool is_running;

static void grow(void *list, size_t len, size_t *room, size_t size)
{
    if (len < *room)
        return;
    *room = *room * 2 + 16;
    void *more = wharf_alloc(*room * size);
    if (len > 0)
        memcpy(more, *(void **)list, len * size);
    *(void **)list = more;
}

static void put(entries *list, wharf_bytes group, wharf_bytes key, wharf_bytes value)
{
    grow(&list->of, list->len, &list->room, sizeof *list->of);
    wharf_bytes kept = value.ptr == NULL ? value : wharf_copy(value.ptr, value.len);
    list->of[list->len++] = (entry){wharf_copy(group.ptr, group.len), wharf_copy(key.ptr, key.len), kept};
}

static wharf_bytes last(const entries *list, wharf_bytes group, wharf_bytes key)
{
    for (size_t n = list->len; n > 0; n--)
        if (wharf_equal(list->of[n - 1].group, group) && wharf_equal(list->of[n - 1].key, key))
            return list->of[n - 1].value;
    return (wharf_bytes){NULL, 0};
}

static wharf_bytes named(const char *bucket)
{
    return wharf_text(bucket == NULL || *bucket == '\0' ? "default" : bucket);
}

void wharf_test_begin(void)
{
    wharf_end_of_attempt();
    values = settings = lines = (entries){NULL, 0, 0};
    published = NULL;
    published_len = published_room = 0;
    seconds = 1700000000;
    drawn = 1;
}

void wharf_test_config(const char *key, const char *value)
{
    put(&settings, wharf_text("config"), wharf_text(key), wharf_text(value));
}

void wharf_test_secret(const char *name, const char *value)
{
    put(&settings, wharf_text("secret"), wharf_text(name), wharf_text(value));
}

void wharf_test_deny(const char *type_or_bucket)
{
    put(&settings, wharf_text("deny"), wharf_text(type_or_bucket), wharf_text("yes"));
}

void wharf_test_now(uint64_t now)
{
    seconds = now;
}

void wharf_test_set(const char *bucket, const char *key, const char *value)
{
    put(&values, named(bucket), wharf_text(key), wharf_text(value));
}

wharf_bytes wharf_test_get(const char *bucket, const char *key)
{
    return last(&values, named(bucket), wharf_text(key));
}

wharf_event wharf_test_event(const char *type, const char *data)
{
    return (wharf_event){
        .id = wharf_text("1"),
        .source = wharf_text("test"),
        .type = wharf_text(type),
        .datacontenttype = data == NULL ? wharf_text(NULL) : wharf_text("application/json"),
        .data = wharf_text(data),
    };
}

static wharf_delivery why(uint32_t attempt)
{
    return (wharf_delivery){wharf_text("delivery-1"), wharf_text("test"), attempt, attempt + 2, 30000};
}

static wharf_outcome ended(wharf_outcome outcome, bool all_ended_well, size_t kept_values, size_t kept_published)
{
    is_running = false;
    if (!all_ended_well) {
        values.len = kept_values;
        published_len = kept_published;
    }
    return outcome;
}

wharf_outcome wharf_test_run_again(wharf_handler *handler, wharf_event event, uint32_t attempt)
{
    size_t kept_values = values.len, kept_published = published_len;
    if (setjmp(panicked) != 0)
        return ended(wharf_retry("%s", last_error), false, kept_values, kept_published);
    is_running = true;
    wharf_delivery delivery = why(attempt);
    wharf_outcome outcome = handler(&event, &delivery);
    return ended(outcome, outcome.end == WHARF_END_OK, kept_values, kept_published);
}

wharf_outcome wharf_test_run(wharf_handler *handler, wharf_event event)
{
    return wharf_test_run_again(handler, event, 1);
}

wharf_outcome wharf_test_run_batch(wharf_batch_handler *handler, const wharf_event *events, size_t len,
                                   wharf_outcome *outcomes)
{
    size_t kept_values = values.len, kept_published = published_len;
    wharf_item *items = wharf_alloc((len + 1) * sizeof *items);
    for (size_t n = 0; n < len; n++) {
        items[n] = (wharf_item){events[n], why(1)};
        outcomes[n] = wharf_ok();
    }
    if (setjmp(panicked) != 0)
        return ended(wharf_retry("%s", last_error), false, kept_values, kept_published);
    is_running = true;
    wharf_outcome outcome = handler(items, len, outcomes);
    bool well = outcome.end == WHARF_END_OK;
    for (size_t n = 0; n < len; n++)
        well = well && outcomes[n].end == WHARF_END_OK;
    return ended(outcome, well, kept_values, kept_published);
}

wharf_draft wharf_test_published(size_t n)
{
    return n < published_len ? published[n] : (wharf_draft){.type = {NULL, 0}};
}

bool wharf_test_logged(const char *words)
{
    for (size_t n = 0; n < lines.len; n++)
        if (strstr(lines.of[n].value.ptr, words) != NULL)
            return true;
    return false;
}

/* ---- What handlers call ---- */

const char *wharf_error(void)
{
    return last_error;
}

static wharf_status said(wharf_status status, wharf_bytes words)
{
    last_error = wharf_format("%.*s", WHARF_S(words)).ptr;
    return status;
}

static wharf_status opened(const char *bucket)
{
    wharf_bytes name = named(bucket);
    if (last(&settings, wharf_text("deny"), name).ptr == NULL)
        return WHARF_DONE;
    return said(WHARF_DENIED, wharf_format("bucket `%.*s` is not granted to this plugin", WHARF_S(name)));
}

wharf_status wharf_kv_get(const char *bucket, wharf_bytes key, wharf_bytes *value)
{
    *value = last(&values, named(bucket), key);
    return opened(bucket);
}

wharf_status wharf_kv_set(const char *bucket, wharf_bytes key, wharf_bytes value)
{
    wharf_status status = opened(bucket);
    if (status == WHARF_DONE)
        put(&values, named(bucket), key, value.ptr == NULL ? wharf_text("") : value);
    return status;
}

wharf_status wharf_kv_delete(const char *bucket, wharf_bytes key)
{
    wharf_status status = opened(bucket);
    if (status == WHARF_DONE)
        put(&values, named(bucket), key, (wharf_bytes){NULL, 0});
    return status;
}

wharf_status wharf_kv_exists(const char *bucket, wharf_bytes key, bool *exists)
{
    *exists = last(&values, named(bucket), key).ptr != NULL;
    return opened(bucket);
}

static int in_order(const void *one, const void *other)
{
    const wharf_bytes *a = one, *b = other;
    int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

wharf_status wharf_kv_list(const char *bucket, wharf_bytes prefix, wharf_bytes **keys, size_t *len)
{
    *keys = wharf_alloc((values.len + 1) * sizeof **keys);
    *len = 0;
    for (size_t n = 0; n < values.len; n++) {
        const entry *one = &values.of[n];
        bool begins = one->key.len >= prefix.len && (prefix.len == 0 || memcmp(one->key.ptr, prefix.ptr, prefix.len) == 0);
        bool known = !begins || !wharf_equal(one->group, named(bucket)) || last(&values, one->group, one->key).ptr == NULL;
        for (size_t m = 0; m < *len && !known; m++)
            known = wharf_equal((*keys)[m], one->key);
        if (!known)
            (*keys)[(*len)++] = one->key;
    }
    qsort(*keys, *len, sizeof **keys, in_order);
    return opened(bucket);
}

static wharf_status sum_of(const char *bucket, wharf_bytes key, int64_t delta, int64_t *sum)
{
    wharf_bytes value;
    wharf_status status = wharf_kv_get(bucket, key, &value);
    if (status != WHARF_DONE)
        return status;
    char *end, *text = (char *)wharf_format("%.*s", WHARF_S(value)).ptr;
    *sum = strtoll(text, &end, 10) + delta;
    if (*end != '\0')
        return said(WHARF_REFUSED, wharf_format("the value under `%.*s` is no integer", WHARF_S(key)));
    return wharf_kv_set(bucket, key, wharf_format("%lld", (long long)*sum));
}

wharf_status wharf_kv_add(const char *bucket, wharf_bytes key, int64_t delta)
{
    int64_t sum;
    return sum_of(bucket, key, delta, &sum);
}

wharf_status wharf_kv_increment(const char *bucket, wharf_bytes key, uint64_t delta, uint64_t *sum)
{
    int64_t told;
    wharf_status status = sum_of(bucket, key, (int64_t)delta, &told);
    if (status == WHARF_DONE && sum != NULL)
        *sum = (uint64_t)told;
    return status;
}

wharf_status wharf_publish(const wharf_draft *draft, wharf_bytes *id)
{
    if (draft->type.len == 0)
        return said(WHARF_INVALID, wharf_text("this event is against the rules of CloudEvents: its type is empty"));
    if (last(&settings, wharf_text("deny"), draft->type).ptr != NULL)
        return said(WHARF_DENIED, wharf_format("publishing `%.*s` is not granted", WHARF_S(draft->type)));
    grow(&published, published_len, &published_room, sizeof *published);
    published[published_len++] = *draft;
    if (id != NULL)
        *id = wharf_format("published-%zu", published_len);
    return WHARF_DONE;
}

wharf_status wharf_secret(const char *name, wharf_bytes *value)
{
    *value = (wharf_bytes){NULL, 0};
    if (last(&settings, wharf_text("deny"), wharf_text(name)).ptr != NULL)
        return said(WHARF_DENIED, wharf_format("holding the secret `%s` is not granted to this plugin", name));
    *value = last(&settings, wharf_text("secret"), wharf_text(name));
    return value->ptr != NULL ? WHARF_DONE : said(WHARF_REFUSED, wharf_format("there is no secret `%s`", name));
}

wharf_bytes wharf_config(const char *key)
{
    return last(&settings, wharf_text("config"), wharf_text(key));
}

void wharf_log(wharf_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    wharf_bytes text = wharf_format_list(format, arguments);
    va_end(arguments);
    (void)level;
    /* With its zero, so that it can be searched. */
    put(&lines, wharf_text("log"), wharf_text(""), (wharf_bytes){text.ptr, text.len + 1});
}

uint64_t wharf_now(uint32_t *nanoseconds)
{
    if (nanoseconds != NULL)
        *nanoseconds = 0;
    return seconds;
}

void wharf_random(void *into, size_t len)
{
    /* The same in every run of a test: Knuth's linear congruential generator. */
    for (size_t n = 0; n < len; n++) {
        drawn = drawn * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)into)[n] = (unsigned char)(drawn >> 56);
    }
}

void wharf_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!is_running) {
        vfprintf(stderr, format, arguments);
        abort();
    }
    last_error = wharf_format_list(format, arguments).ptr;
    va_end(arguments);
    longjmp(panicked, 1);
}
