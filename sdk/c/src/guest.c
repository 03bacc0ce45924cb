/* What reaches the host, by the contract's bindings: for handlers and batch handlers.
 *
 * Invariant: what an error says is kept as words before the call returns. A transform does not link this: it is pure.
 *
 * It is compiled with `-I contract/handler` or `-I contract/batch`.
 */
#include "inside.h"

#include "contract.h"

#include <stdlib.h>
#include <string.h>

typedef struct bucket {
    struct bucket *next;
    char *name;
    wasi_keyvalue_store_own_bucket_t handle;
} bucket;

/* Open until the instance ends: a bucket's handle is the instance's, and names are few. */
static bucket *buckets;
static const char *last_error = "";

static contract_string_t lent(wharf_bytes text)
{
    text = wharf_sound(text);
    return (contract_string_t){(uint8_t *)(text.ptr == NULL ? "" : text.ptr), text.len};
}

static contract_option_string_t lent_if_any(wharf_bytes text)
{
    return (contract_option_string_t){text.ptr != NULL, lent(text)};
}

static wharf_bytes kept(contract_string_t *text)
{
    wharf_bytes copy = wharf_copy(text->ptr, text->len);
    contract_string_free(text);
    return copy;
}

const char *wharf_error(void)
{
    return last_error;
}

static wharf_status said(wharf_status status, wharf_bytes words)
{
    last_error = wharf_format("%.*s", WHARF_S(words)).ptr;
    return status;
}

static wharf_status wrong(const char *name, wasi_keyvalue_store_error_t *error)
{
    name = name == NULL ? "default" : name;
    switch (error->tag) {
    case WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE:
        return said(WHARF_NO_BUCKET, wharf_format("there is no bucket `%s`", name));
    case WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED:
        return said(WHARF_DENIED, wharf_format("bucket `%s` is not granted to this plugin", name));
    default:
        return said(WHARF_REFUSED, wharf_format("bucket `%s`: %.*s", name, WHARF_S(kept(&error->val.other))));
    }
}

static wharf_status opened(const char *name, wasi_keyvalue_store_borrow_bucket_t *handle)
{
    const char *asked = name == NULL ? "" : name;
    for (bucket *one = buckets; one != NULL; one = one->next)
        if (strcmp(one->name, asked) == 0) {
            *handle = wasi_keyvalue_store_borrow_bucket(one->handle);
            return WHARF_DONE;
        }
    wasi_keyvalue_store_own_bucket_t own;
    wasi_keyvalue_store_error_t error;
    contract_string_t identifier = lent(wharf_text(asked));
    if (!wasi_keyvalue_store_open(&identifier, &own, &error))
        return wrong(name, &error);
    bucket *one = malloc(sizeof *one);
    char *copy = malloc(strlen(asked) + 1);
    if (one == NULL || copy == NULL)
        wharf_panic("no memory for a bucket's name");
    *one = (bucket){buckets, strcpy(copy, asked), own};
    buckets = one;
    *handle = wasi_keyvalue_store_borrow_bucket(own);
    return WHARF_DONE;
}

/* Begins each call on a bucket: `handle` and `lent_key` are there behind it. */
#define OPENED(name, key)                                   \
    wasi_keyvalue_store_borrow_bucket_t handle;             \
    wharf_status is_open = opened(name, &handle);           \
    if (is_open != WHARF_DONE)                              \
        return is_open;                                     \
    wasi_keyvalue_store_error_t error;                      \
    contract_string_t lent_key = lent(key)

wharf_status wharf_kv_get(const char *name, wharf_bytes key, wharf_bytes *value)
{
    OPENED(name, key);
    contract_option_list_u8_t found;
    if (!wasi_keyvalue_store_method_bucket_get(handle, &lent_key, &found, &error))
        return wrong(name, &error);
    *value = found.is_some ? wharf_copy(found.val.ptr, found.val.len) : (wharf_bytes){NULL, 0};
    contract_option_list_u8_free(&found);
    return WHARF_DONE;
}

wharf_status wharf_kv_set(const char *name, wharf_bytes key, wharf_bytes value)
{
    OPENED(name, key);
    contract_list_u8_t bytes = {(uint8_t *)(value.ptr == NULL ? "" : value.ptr), value.len};
    bool done = wasi_keyvalue_store_method_bucket_set(handle, &lent_key, &bytes, &error);
    return done ? WHARF_DONE : wrong(name, &error);
}

wharf_status wharf_kv_delete(const char *name, wharf_bytes key)
{
    OPENED(name, key);
    return wasi_keyvalue_store_method_bucket_delete(handle, &lent_key, &error) ? WHARF_DONE : wrong(name, &error);
}

wharf_status wharf_kv_exists(const char *name, wharf_bytes key, bool *exists)
{
    OPENED(name, key);
    bool done = wasi_keyvalue_store_method_bucket_exists(handle, &lent_key, exists, &error);
    return done ? WHARF_DONE : wrong(name, &error);
}

wharf_status wharf_kv_list(const char *name, wharf_bytes prefix, wharf_bytes **keys, size_t *len)
{
    OPENED(name, prefix);
    (void)lent_key;
    uint64_t cursor, *from = NULL;
    size_t room = 0;
    *keys = NULL;
    *len = 0;
    do {
        wasi_keyvalue_store_key_response_t page;
        if (!wasi_keyvalue_store_method_bucket_list_keys(handle, from, &page, &error))
            return wrong(name, &error);
        for (size_t n = 0; n < page.keys.len; n++) {
            contract_string_t key = page.keys.ptr[n];
            if (key.len < prefix.len || (prefix.len > 0 && memcmp(key.ptr, prefix.ptr, prefix.len) != 0))
                continue;
            if (*len == room) {
                room = room * 2 + 16;
                wharf_bytes *more = wharf_alloc(room * sizeof *more);
                if (*len > 0)
                    memcpy(more, *keys, *len * sizeof *more);
                *keys = more;
            }
            (*keys)[(*len)++] = wharf_copy(key.ptr, key.len);
        }
        from = page.cursor.is_some ? &cursor : NULL;
        cursor = page.cursor.val;
        wasi_keyvalue_store_key_response_free(&page);
    } while (from != NULL);
    return WHARF_DONE;
}

wharf_status wharf_kv_add(const char *name, wharf_bytes key, int64_t delta)
{
    OPENED(name, key);
    return wharf_plugin_counters_add(handle, &lent_key, delta, &error) ? WHARF_DONE : wrong(name, &error);
}

wharf_status wharf_kv_increment(const char *name, wharf_bytes key, uint64_t delta, uint64_t *sum)
{
    OPENED(name, key);
    uint64_t told;
    if (!wasi_keyvalue_atomics_increment(handle, &lent_key, delta, &told, &error))
        return wrong(name, &error);
    if (sum != NULL)
        *sum = told;
    return WHARF_DONE;
}

wharf_status wharf_publish(const wharf_draft *draft, wharf_bytes *id)
{
    wharf_attribute *extensions = wharf_alloc((draft->extensions_len + 1) * sizeof *extensions);
    for (size_t n = 0; n < draft->extensions_len; n++) {
        extensions[n].name = wharf_sound(draft->extensions[n].name);
        extensions[n].value = wharf_sound(draft->extensions[n].value);
    }
    wharf_plugin_publisher_draft_t sent = {
        .type = lent(draft->type),
        .source = lent_if_any(draft->source),
        .subject = lent_if_any(draft->subject),
        .datacontenttype = lent_if_any(draft->datacontenttype),
        /* Both are a pointer and a length, twice. */
        .extensions = {(void *)extensions, draft->extensions_len},
        .data = {draft->data.ptr != NULL, {(uint8_t *)draft->data.ptr, draft->data.len}},
    };
    contract_string_t given;
    wharf_plugin_publisher_publish_error_t error;
    if (wharf_plugin_publisher_publish(&sent, &given, &error)) {
        wharf_bytes copy = kept(&given);
        if (id != NULL)
            *id = copy;
        return WHARF_DONE;
    }
    if (error.tag == WHARF_PLUGIN_PUBLISHER_PUBLISH_ERROR_DENIED) {
        wharf_bytes words = kept(&error.val.denied);
        return said(WHARF_DENIED, wharf_format("publishing this event is not granted: %.*s", WHARF_S(words)));
    }
    wharf_bytes words = kept(&error.val.invalid);
    return said(WHARF_INVALID, wharf_format("this event is against the rules of CloudEvents: %.*s", WHARF_S(words)));
}

wharf_bytes wharf_config(const char *key)
{
    contract_string_t asked = lent(wharf_text(key));
    contract_option_string_t value;
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&asked, &value, &error) || !value.is_some)
        return (wharf_bytes){NULL, 0};
    return kept(&value.val);
}

wharf_status wharf_secret(const char *name, wharf_bytes *value)
{
    contract_string_t asked = lent(wharf_text(name)), found;
    wharf_secrets_held_secret_error_t error;
    *value = (wharf_bytes){NULL, 0};
    if (wharf_secrets_held_get(&asked, &found, &error)) {
        *value = kept(&found);
        return WHARF_DONE;
    }
    /* Each of them is a text. */
    wharf_bytes words = kept(&error.val.denied);
    wharf_status status = error.tag == WHARF_SECRETS_HELD_SECRET_ERROR_DENIED ? WHARF_DENIED : WHARF_REFUSED;
    return said(status, wharf_format("secret `%s`: %.*s", name, WHARF_S(words)));
}

static void line(wharf_level level, const char *group, wharf_bytes message)
{
    contract_string_t context = lent(wharf_text(group)), text = lent(message);
    wasi_logging_logging_log((wasi_logging_logging_level_t)level, &context, &text);
}

void wharf_log(wharf_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    line(level, "", wharf_format_list(format, arguments));
    va_end(arguments);
}

uint64_t wharf_now(uint32_t *nanoseconds)
{
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    if (nanoseconds != NULL)
        *nanoseconds = now.nanoseconds;
    return now.seconds;
}

void wharf_random(void *into, size_t len)
{
    contract_list_u8_t bytes;
    wasi_random_random_get_random_bytes(len, &bytes);
    memcpy(into, bytes.ptr, len);
    contract_list_u8_free(&bytes);
}

void wharf_panic(const char *format, ...)
{
    /* Whoever panics for want of memory has none for its words. */
    static bool again;
    if (!again) {
        again = true;
        va_list arguments;
        va_start(arguments, format);
        line(WHARF_LOG_CRITICAL, "panic", wharf_format_list(format, arguments));
        va_end(arguments);
    }
    __builtin_trap();
}
