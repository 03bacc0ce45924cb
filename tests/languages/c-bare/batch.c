/* The probe's batch handler in C, from `wit/` alone; what it does is in ../README.md. Nothing is freed: an instance has one call. */
#include "event_batch_handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef event_batch_handler_string_t text;
typedef exports_wharf_plugin_batch_handler_failure_t failure;

static text joined(const char *format, text with, long long number)
{
    text to = {NULL, (size_t)snprintf(NULL, 0, format, (int)with.len, (char *)with.ptr, number)};
    to.ptr = malloc(to.len + 1);
    snprintf((char *)to.ptr, to.len + 1, format, (int)with.len, (char *)with.ptr, number);
    return to;
}

static bool is(text it, const char *what)
{
    return it.len == strlen(what) && memcmp(it.ptr, what, it.len) == 0;
}

static bool retried(failure *why, const char *reason)
{
    why->tag = WHARF_PLUGIN_TYPES_FAILURE_RETRY;
    why->val.retry.after_ms.is_some = true;
    why->val.retry.after_ms.val = 1;
    event_batch_handler_string_dup(&why->val.retry.reason, reason);
    return false;
}

static bool rejected(failure *why, const char *reason)
{
    why->tag = WHARF_PLUGIN_TYPES_FAILURE_REJECT;
    event_batch_handler_string_dup(&why->val.reject, reason);
    return false;
}

static void must(bool done)
{
    if (!done)
        abort();
}

static void append(wasi_keyvalue_store_borrow_bucket_t kv, exports_wharf_plugin_batch_handler_event_t *event, long long number)
{
    wasi_keyvalue_store_error_t error;
    text key = {NULL, 0}, line = {NULL, 0};
    for (size_t n = 0; n < event->extensions.len; n++)
        if (is(event->extensions.ptr[n].name, "partitionkey"))
            key = joined("line/%.*s", event->extensions.ptr[n].value, 0);
    event_batch_handler_option_list_u8_t found;
    must(wasi_keyvalue_store_method_bucket_get(kv, &key, &found, &error));
    if (found.is_some)
        line = (text){found.val.ptr, found.val.len};
    line = joined("%.*s%lld,", line, number);
    event_batch_handler_list_u8_t value = {line.ptr, line.len};
    must(wasi_keyvalue_store_method_bucket_set(kv, &key, &value, &error));
}

static bool one(wasi_keyvalue_store_borrow_bucket_t kv, exports_wharf_plugin_batch_handler_event_t *event, failure *why)
{
    wasi_keyvalue_store_error_t error;
    char *end = "", *data = strndup((char *)event->data.val.ptr, event->data.is_some ? event->data.val.len : 0);
    long long number = strtoll(data, &end, 10);
    if (*data == '\0' || *end != '\0')
        return rejected(why, "the payload is no integer");
    text sum = joined("sum/%.*s", event->source, 0), seen = joined("seen/%.*s", event->id, 0);
    must(wharf_plugin_counters_add(kv, &sum, number, &error) && wharf_plugin_counters_add(kv, &seen, 1, &error));
    if (is(event->type, "probe.append"))
        append(kv, event, number);
    if (is(event->type, "probe.reject"))
        return rejected(why, "rejected as asked");
    return is(event->type, "probe.retry") ? retried(why, "again as asked") : true;
}

bool exports_wharf_plugin_batch_handler_handle_batch(exports_wharf_plugin_batch_handler_list_item_t *batch,
                                                     exports_wharf_plugin_batch_handler_list_result_void_failure_t *ret,
                                                     failure *why)
{
    bool publishes = false;
    for (size_t n = 0; n < batch->len; n++) {
        must(!is(batch->ptr[n].event.type, "probe.uncaught"));
        if (is(batch->ptr[n].event.type, "probe.fail-all")) {
            retried(why, "all fail as asked");
            why->val.retry.after_ms.is_some = false;
            return false;
        }
        publishes = publishes || is(batch->ptr[n].event.type, "probe.publish");
    }
    wasi_keyvalue_store_own_bucket_t own;
    wasi_keyvalue_store_error_t error;
    text name = {(uint8_t *)"default", 7};
    must(wasi_keyvalue_store_open(&name, &own, &error));
    ret->ptr = calloc(batch->len, sizeof *ret->ptr);
    ret->len = batch->len;
    for (size_t n = 0; n < batch->len; n++)
        ret->ptr[n].is_err = !one(wasi_keyvalue_store_borrow_bucket(own), &batch->ptr[n].event, &ret->ptr[n].val.err);
    if (publishes) {
        text count = joined("%.*s%lld", (text){NULL, 0}, (long long)batch->len), id;
        wharf_plugin_publisher_draft_t draft = {.type = {(uint8_t *)"probe.batched", 13}, .data = {true, {count.ptr, count.len}}};
        wharf_plugin_publisher_publish_error_t refused;
        must(wharf_plugin_publisher_publish(&draft, &id, &refused));
    }
    return true;
}
