/* The probe's transform in C, from `wit/` alone; what it does is in ../README.md. */
#include "event_transform.h"

#include <stdlib.h>
#include <string.h>

typedef event_transform_string_t text;

static bool is(text it, const char *what)
{
    return it.len == strlen(what) && memcmp(it.ptr, what, it.len) == 0;
}

static void change(exports_wharf_plugin_transformer_event_t *event)
{
    wharf_plugin_types_attribute_t *all = calloc(event->extensions.len + 1, sizeof *all);
    memcpy(all, event->extensions.ptr, event->extensions.len * sizeof *all);
    event_transform_string_dup(&all[event->extensions.len].name, "mark");
    event_transform_string_dup(&all[event->extensions.len].value, "yes");
    event->extensions.ptr = all;
    event->extensions.len++;
    event->subject.is_some = event->datacontenttype.is_some = true;
    event_transform_string_dup(&event->subject.val, "bent");
    event_transform_string_dup(&event->datacontenttype.val, "text/plain");
    size_t len = event->data.is_some ? event->data.val.len : 0;
    uint8_t *data = malloc(len + 5);
    memcpy(data, event->data.val.ptr, len);
    memcpy(data + len, " bent", 5);
    event->data.is_some = true;
    event->data.val.ptr = data;
    event->data.val.len = len + 5;
}

bool exports_wharf_plugin_transformer_transform(exports_wharf_plugin_transformer_event_t *event,
                                                exports_wharf_plugin_transformer_option_event_t *ret,
                                                exports_wharf_plugin_transformer_failure_t *why)
{
    text bend = {NULL, 0};
    for (size_t n = 0; n < event->extensions.len; n++)
        if (is(event->extensions.ptr[n].name, "bend"))
            bend = event->extensions.ptr[n].value;
    if (is(bend, "uncaught"))
        abort();
    if (is(bend, "retry") || is(bend, "reject")) {
        why->tag = is(bend, "retry") ? WHARF_PLUGIN_TYPES_FAILURE_RETRY : WHARF_PLUGIN_TYPES_FAILURE_REJECT;
        why->val.retry.after_ms.is_some = false;
        event_transform_string_dup(why->tag == WHARF_PLUGIN_TYPES_FAILURE_RETRY ? &why->val.retry.reason : &why->val.reject,
                                   "bent as asked");
        return false;
    }
    if (is(bend, "change"))
        change(event);
    ret->is_some = !is(bend, "drop");
    ret->val = *event;
    return true;
}
