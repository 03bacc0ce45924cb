/* The probe's handler in C, from `wit/` alone; what it does is in ../README.md. Nothing is freed: an instance has one attempt. */
#include "event_handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef event_handler_string_t text;
typedef exports_wharf_plugin_handler_failure_t failure;

static exports_wharf_plugin_handler_event_t *event;
static exports_wharf_plugin_handler_delivery_t *delivery;
static failure *why;

#define T(literal) (&(text){(uint8_t *)(literal), sizeof(literal) - 1})
#define F(it) (int)(it).len, (const char *)(it).ptr

#define FORMAT(to, ...)                                     \
    text to;                                                \
    do {                                                    \
        to.len = (size_t)snprintf(NULL, 0, __VA_ARGS__);    \
        to.ptr = malloc(to.len + 1);                        \
        snprintf((char *)to.ptr, to.len + 1, __VA_ARGS__);  \
    } while (0)

static bool retry(text reason)
{
    why->tag = WHARF_PLUGIN_TYPES_FAILURE_RETRY;
    why->val.retry.after_ms.is_some = false;
    event_handler_string_dup_n(&why->val.retry.reason, (char *)reason.ptr, reason.len);
    return false;
}

static bool reject(text reason)
{
    why->tag = WHARF_PLUGIN_TYPES_FAILURE_REJECT;
    event_handler_string_dup_n(&why->val.reject, (char *)reason.ptr, reason.len);
    return false;
}

static wasi_keyvalue_store_borrow_bucket_t opened(text *name)
{
    wasi_keyvalue_store_own_bucket_t own;
    wasi_keyvalue_store_error_t error;
    if (!wasi_keyvalue_store_open(name, &own, &error))
        abort();
    return wasi_keyvalue_store_borrow_bucket(own);
}

static wasi_keyvalue_store_borrow_bucket_t kv(void)
{
    return opened(T("default"));
}

static bool set(text key, text value)
{
    wasi_keyvalue_store_error_t error;
    event_handler_list_u8_t bytes = {value.ptr, value.len};
    if (wasi_keyvalue_store_method_bucket_set(kv(), &key, &bytes, &error))
        return true;
    return retry(*T("the value was not stored"));
}

static bool answer(text value)
{
    return set(event->id, value);
}

static text get(text key)
{
    wasi_keyvalue_store_error_t error;
    event_handler_option_list_u8_t found;
    if (!wasi_keyvalue_store_method_bucket_get(kv(), &key, &found, &error))
        abort();
    return found.is_some ? (text){found.val.ptr, found.val.len} : *T("none");
}

static text own_key(const char *name)
{
    FORMAT(key, "%.*s/%s", F(event->id), name);
    return key;
}

static text payload(void)
{
    return event->data.is_some ? (text){event->data.val.ptr, event->data.val.len} : *T("");
}

/* Publishes; gives the id, or what the host said against it. */
static text publish(wharf_plugin_publisher_draft_t draft)
{
    text id;
    wharf_plugin_publisher_publish_error_t error;
    if (wharf_plugin_publisher_publish(&draft, &id, &error))
        return id;
    return error.tag == WHARF_PLUGIN_PUBLISHER_PUBLISH_ERROR_DENIED ? *T("denied") : *T("invalid");
}

/* A text as JSON writes it. */
static text quoted(text from)
{
    text to = {malloc(from.len * 6 + 3), 1};
    to.ptr[0] = '"';
    for (size_t n = 0; n < from.len; n++) {
        uint8_t c = from.ptr[n];
        const char *how = c == '"' || c == '\\' ? "\\%c" : c < 0x20 ? "\\u%04x" : "%c";
        to.len += (size_t)sprintf((char *)to.ptr + to.len, how, c);
    }
    to.ptr[to.len++] = '"';
    return to;
}

static text quoted_if_any(event_handler_option_string_t it)
{
    return it.is_some ? quoted(it.val) : *T("null");
}

static bool attributes(void)
{
    text all = *T("");
    for (size_t n = 0; n < event->extensions.len; n++) {
        text name = quoted(event->extensions.ptr[n].name), value = quoted(event->extensions.ptr[n].value);
        FORMAT(more, "%.*s%s%.*s:%.*s", F(all), n == 0 ? "" : ",", F(name), F(value));
        all = more;
    }
    text id = quoted(event->id), source = quoted(event->source), type = quoted(event->type);
    text subject = quoted_if_any(event->subject), time = quoted_if_any(event->time);
    text media = quoted_if_any(event->datacontenttype), schema = quoted_if_any(event->dataschema);
    FORMAT(told,
           "{\"id\":%.*s,\"source\":%.*s,\"type\":%.*s,\"subject\":%.*s,\"time\":%.*s,\"datacontenttype\":%.*s,"
           "\"dataschema\":%.*s,\"extensions\":{%.*s}}",
           F(id), F(source), F(type), F(subject), F(time), F(media), F(schema), F(all));
    return answer(told);
}

static const char *blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Where a value of JSON ends that is taken to be one; NULL if there is no end. */
static const char *value_end(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            for (at++; *at != '"'; at += *at == '\\' ? 2 : 1)
                if (*at == '\0' || (*at == '\\' && at[1] == '\0'))
                    return NULL;
            at++;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            at++;
        } else {
            size_t len = depth == 0 ? strcspn(at, ",}] \t\r\n") : strcspn(at, "\"{}[]");
            if (*at == '\0' || len == 0)
                return NULL;
            at += len;
        }
    } while (depth > 0);
    return at;
}

static bool order(void)
{
    text data = payload();
    FORMAT(copy, "%.*s", F(data));
    const char *at = blanks((const char *)copy.ptr);
    char *number = NULL, *cents = NULL, *note = "null";
    bool is_right = *at == '{';
    while (is_right && *at != '}') {
        const char *name = blanks(at + 1), *behind = value_end(name);
        at = behind == NULL ? NULL : blanks(behind);
        is_right = *name == '"' && at != NULL && *at == ':';
        if (!is_right)
            break;
        const char *begin = blanks(at + 1), *end = value_end(begin);
        is_right = end != NULL;
        if (!is_right)
            break;
        char *value = strndup(begin, (size_t)(end - begin));
        if (strncmp(name, "\"number\"", 8) == 0)
            number = value;
        if (strncmp(name, "\"cents\"", 7) == 0)
            cents = value;
        if (strncmp(name, "\"note\"", 6) == 0)
            note = value;
        at = blanks(end);
        is_right = *at == ',' || *at == '}';
    }
    char *rest = "";
    long long number_is = number == NULL ? 0 : strtoll(number, &rest, 10);
    is_right = is_right && number != NULL && *number != '\0' && *rest == '\0';
    long long cents_are = cents == NULL ? 0 : strtoll(cents, &rest, 10);
    is_right = is_right && cents != NULL && *cents != '\0' && *rest == '\0' && (*note == '"' || strcmp(note, "null") == 0);
    if (!is_right)
        return reject(*T("the payload is no order"));
    FORMAT(subject, "order/%lld", number_is);
    FORMAT(json, "{\"number\":%lld,\"cents\":%lld,\"note\":%s}", number_is, cents_are, note);
    publish((wharf_plugin_publisher_draft_t){
        .type = *T("probe.ordered"), .subject = {true, subject}, .data = {true, {json.ptr, json.len}}});
    return true;
}

static bool publish_two(void)
{
    wharf_plugin_publisher_attribute_t mark = {*T("mark"), *T("a")};
    text one = publish((wharf_plugin_publisher_draft_t){
        .type = *T("probe.published"),
        .subject = {true, *T("first")},
        .extensions = {&mark, 1},
        .data = {true, {(uint8_t *)"{\"n\":1}", 7}},
    });
    text other = publish((wharf_plugin_publisher_draft_t){
        .type = *T("probe.published"),
        .source = {true, *T("elsewhere")},
        .datacontenttype = {true, *T("application/octet-stream")},
        .data = event->data,
    });
    FORMAT(ids, "%.*s %.*s", F(one), F(other));
    return answer(ids);
}

static bool kv_list(void)
{
    set(own_key("b"), *T("1"));
    set(own_key("a"), *T("1"));
    text prefix = own_key(""), all = *T("");
    uint64_t cursor, *from = NULL;
    do {
        wasi_keyvalue_store_key_response_t page;
        wasi_keyvalue_store_error_t error;
        if (!wasi_keyvalue_store_method_bucket_list_keys(kv(), from, &page, &error))
            return retry(*T("the keys were not listed"));
        for (size_t n = 0; n < page.keys.len; n++)
            if (page.keys.ptr[n].len >= prefix.len && memcmp(page.keys.ptr[n].ptr, prefix.ptr, prefix.len) == 0) {
                FORMAT(more, "%.*s%s%.*s", F(all), all.len == 0 ? "" : " ", F(page.keys.ptr[n]));
                all = more;
            }
        cursor = page.cursor.val;
        from = page.cursor.is_some ? &cursor : NULL;
    } while (from != NULL);
    return answer(all);
}

static bool swap(const char *expected, text value)
{
    text key = own_key("s"), found = get(key);
    if (found.len != strlen(expected) || memcmp(found.ptr, expected, found.len) != 0)
        return false;
    return set(key, value);
}

static bool numbers(const char *what)
{
    text key = own_key("n");
    wasi_keyvalue_store_error_t error;
    uint64_t sum = 0;
    if (strcmp(what, "kv-add") == 0)
        return wharf_plugin_counters_add(kv(), &key, 5, &error) && wharf_plugin_counters_add(kv(), &key, -2, &error);
    if (strcmp(what, "kv-conflict") == 0)
        return wasi_keyvalue_atomics_increment(kv(), T("conflicts"), 1, &sum, &error);
    wasi_keyvalue_atomics_increment(kv(), &key, 2, &sum, &error);
    wasi_keyvalue_atomics_increment(kv(), &key, 3, &sum, &error);
    FORMAT(told, "%llu", (unsigned long long)sum);
    return answer(told);
}

static bool kv_delete(void)
{
    text key = own_key("a");
    wasi_keyvalue_store_error_t error;
    bool exists;
    set(key, *T("1"));
    if (!wasi_keyvalue_store_method_bucket_delete(kv(), &key, &error) ||
        !wasi_keyvalue_store_method_bucket_exists(kv(), &key, &exists, &error))
        return retry(*T("the key was not deleted"));
    FORMAT(told, "%s %.*s", exists ? "true" : "false", F(get(key)));
    return answer(told);
}

static bool kv_elsewhere(const char *what)
{
    wasi_keyvalue_store_own_bucket_t own;
    wasi_keyvalue_store_error_t error;
    event_handler_list_u8_t kept = {(uint8_t *)"kept", 4};
    if (strcmp(what, "kv-named") == 0)
        return wasi_keyvalue_store_method_bucket_set(opened(T("ledger")), &event->id, &kept, &error);
    bool taken = wasi_keyvalue_store_open(T("vault"), &own, &error) &&
                 wasi_keyvalue_store_method_bucket_set(wasi_keyvalue_store_borrow_bucket(own), &event->id, &kept, &error);
    return answer(!taken && error.tag == WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED ? *T("denied") : *T("taken"));
}

static bool lines(void)
{
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "critical"};
    for (uint8_t level = 0; level < 6; level++) {
        text data = payload();
        FORMAT(line, "%s %.*s", levels[level], F(data));
        wasi_logging_logging_log(level, T(""), &line);
    }
    return true;
}

static bool config(void)
{
    event_handler_option_string_t greeting, absent;
    wasi_config_store_error_t error;
    wasi_config_store_get(T("greeting"), &greeting, &error);
    wasi_config_store_get(T("absent"), &absent, &error);
    FORMAT(told, "%.*s %s", F(greeting.val), absent.is_some ? "there" : "none");
    return answer(told);
}

static bool drawn(void)
{
    event_handler_list_u8_t bytes;
    wasi_random_random_get_random_bytes(16, &bytes);
    text hex = {malloc(33), 32};
    for (size_t n = 0; n < 16; n++)
        sprintf((char *)hex.ptr + n * 2, "%02x", bytes.ptr[n]);
    return answer(hex);
}

static bool attempts(const char *what)
{
    FORMAT(number, "%u", delivery->attempt);
    FORMAT(again, "again: %.*s", F(delivery->id));
    FORMAT(both, "%u %.*s", delivery->attempt, F(delivery->id));
    FORMAT(asked, "attempt %u as asked", delivery->attempt);
    if (strcmp(what, "retry-always") == 0)
        return retry(asked);
    if (strcmp(what, "retry") == 0)
        return delivery->attempt == 1 ? retry(again) : answer(both);
    if (delivery->attempt > 1)
        return answer(number);
    retry(*T("later"));
    why->val.retry.after_ms.is_some = true;
    why->val.retry.after_ms.val = 1500;
    return false;
}

static bool deep(void)
{
    answer(*T("half"));
    abort();
}

static bool run(const char *what)
{
    static int counter;
    wharf_plugin_publisher_draft_t draft = {.type = *T("probe.published")};
    wasi_clocks_wall_clock_datetime_t now;
    volatile int spinning = 1;
    counter++;
    FORMAT(count, "%d", counter);
    if (strcmp(what, "echo") == 0)
        return answer(payload());
    if (strcmp(what, "attributes") == 0)
        return attributes();
    if (strcmp(what, "delivery") == 0) {
        text id = quoted(delivery->id), rule = quoted(delivery->rule);
        FORMAT(told, "{\"id\":%.*s,\"rule\":%.*s,\"attempt\":%u,\"max_attempts\":%u,\"deadline_ms\":%u}", F(id), F(rule),
               delivery->attempt, delivery->max_attempts, delivery->deadline_ms);
        return answer(told);
    }
    if (strcmp(what, "order") == 0)
        return order();
    if (strcmp(what, "publish") == 0)
        return publish_two();
    if (strcmp(what, "publish-again") == 0) {
        text id = publish(draft);
        return delivery->attempt == 1 ? retry(id) : answer(id);
    }
    if (strcmp(what, "publish-denied") == 0 || strcmp(what, "publish-invalid") == 0) {
        static wharf_plugin_publisher_attribute_t wrong = {{(uint8_t *)"Not A Name", 10}, {(uint8_t *)"x", 1}};
        if (strcmp(what, "publish-denied") == 0)
            draft.type = *T("elsewhere.event");
        else
            draft.extensions = (wharf_plugin_publisher_list_attribute_t){&wrong, 1};
        text said = publish(draft);
        bool refused = said.len < 8 && said.len > 5;
        return answer(refused ? said : *T("taken"));
    }
    if (strcmp(what, "publish-flood") == 0) {
        for (int n = 0; n < 101; n++)
            publish(draft);
        return true;
    }
    if (strcmp(what, "half") == 0) {
        publish(draft);
        answer(*T("half"));
        return reject(*T("half done"));
    }
    if (strcmp(what, "kv-set-get") == 0) {
        set(own_key("a"), *T("1"));
        FORMAT(both, "%.*s %.*s", F(get(own_key("a"))), F(get(own_key("b"))));
        return answer(both);
    }
    if (strcmp(what, "kv-delete") == 0)
        return kv_delete();
    if (strcmp(what, "kv-list") == 0)
        return kv_list();
    if (strcmp(what, "kv-binary") == 0)
        return set(own_key("bytes"), payload()) && answer(get(own_key("bytes")));
    if (strcmp(what, "kv-add") == 0 || strcmp(what, "kv-increment") == 0 || strcmp(what, "kv-conflict") == 0)
        return numbers(what);
    if (strcmp(what, "kv-swap") == 0) {
        const char *const words[] = {"false", "true"};
        bool first = swap("none", *T("one")), second = swap("zero", *T("two")), third = swap("one", *T("three"));
        FORMAT(told, "%s %s %s", words[first], words[second], words[third]);
        return answer(told);
    }
    if (strcmp(what, "kv-named") == 0 || strcmp(what, "kv-denied") == 0)
        return kv_elsewhere(what);
    if (strncmp(what, "retry", 5) == 0)
        return attempts(what);
    if (strcmp(what, "reject") == 0)
        return reject(payload());
    if (strcmp(what, "uncaught") == 0)
        return deep();
    while (strcmp(what, "loop") == 0 && spinning) {
    }
    while (strcmp(what, "memory") == 0) {
        /* Kept where the compiler has to believe that somebody looks. */
        static char *volatile hoard;
        hoard = malloc(1 << 20);
        if (hoard == NULL)
            abort();
        memset(hoard, 'x', 1 << 20);
    }
    if (strcmp(what, "log") == 0)
        return lines();
    if (strcmp(what, "config") == 0)
        return config();
    if (strcmp(what, "clock") == 0) {
        wasi_clocks_wall_clock_now(&now);
        FORMAT(seconds, "%llu", (unsigned long long)now.seconds);
        return answer(seconds);
    }
    if (strcmp(what, "random") == 0)
        return drawn();
    if (strcmp(what, "counter") == 0)
        return answer(count);
    return reject(*T("the probe has no such scenario"));
}

bool exports_wharf_plugin_handler_handle(exports_wharf_plugin_handler_event_t *received,
                                         exports_wharf_plugin_handler_delivery_t *reached, failure *failed)
{
    event = received;
    delivery = reached;
    why = failed;
    FORMAT(what, "%.*s", F(event->type));
    return run(strncmp((char *)what.ptr, "probe.", 6) == 0 ? (char *)what.ptr + 6 : "");
}
