/* The export of a component that changes events. It is compiled with `-I contract/transform`, and imports nothing.
 *
 * A panic is a trap without a word, since a transform has no log.
 */
#define WHARF_PURE
#include "received.h"

#include <stdlib.h>

static contract_option_string_t sent_if_any(wharf_bytes text)
{
    contract_option_string_t none = {false, {NULL, 0}};
    return text.ptr == NULL ? none : (contract_option_string_t){true, wharf_sent(text)};
}

static void send(const wharf_event *event, wharf_plugin_types_event_t *to)
{
    *to = (wharf_plugin_types_event_t){
        .id = wharf_sent(event->id),
        .source = wharf_sent(event->source),
        .type = wharf_sent(event->type),
        .subject = sent_if_any(event->subject),
        .time = sent_if_any(event->time),
        .datacontenttype = sent_if_any(event->datacontenttype),
        .dataschema = sent_if_any(event->dataschema),
        .extensions = {calloc(event->extensions_len + 1, sizeof(wharf_plugin_types_attribute_t)), event->extensions_len},
    };
    for (size_t n = 0; n < event->extensions_len; n++) {
        to->extensions.ptr[n].name = wharf_sent(event->extensions[n].name);
        to->extensions.ptr[n].value = wharf_sent(event->extensions[n].value);
    }
    if (event->data.ptr != NULL) {
        to->data.is_some = true;
        to->data.val.ptr = malloc(event->data.len + 1);
        to->data.val.len = event->data.len;
        if (to->data.val.ptr == NULL)
            wharf_panic("no memory for the payload");
        memcpy(to->data.val.ptr, event->data.ptr, event->data.len);
    }
}

bool exports_wharf_plugin_transformer_transform(exports_wharf_plugin_transformer_event_t *event,
                                                exports_wharf_plugin_transformer_option_event_t *ret,
                                                exports_wharf_plugin_transformer_failure_t *failure)
{
    wharf_event received = wharf_received_event(event);
    wharf_outcome outcome = wharf_exported_transform(&received);
    bool drops = outcome.end == WHARF_END_DROP, ok = drops || wharf_sent_outcome(outcome, failure);
    if (ok) {
        ret->is_some = !drops;
        if (!drops)
            send(&received, &ret->val);
    }
    exports_wharf_plugin_transformer_event_free(event);
    wharf_end_of_attempt();
    return ok;
}

void wharf_panic(const char *format, ...)
{
    (void)format;
    __builtin_trap();
}
