/* From the contract's types to those of authors, and back: what the three exports share.
 *
 * Invariant: nothing is copied that the host handed over; it is the caller's to free when the author's function has returned.
 */
#ifndef WHARF_RECEIVED_H
#define WHARF_RECEIVED_H

#include "inside.h"

#include "contract.h"

#include <string.h>

static inline wharf_bytes wharf_received(contract_string_t text)
{
    return (wharf_bytes){text.len == 0 ? "" : (const char *)text.ptr, text.len};
}

static inline wharf_bytes wharf_received_if_any(contract_option_string_t text)
{
    return text.is_some ? wharf_received(text.val) : (wharf_bytes){NULL, 0};
}

static inline wharf_event wharf_received_event(const wharf_plugin_types_event_t *event)
{
    contract_string_t data = {event->data.val.ptr, event->data.val.len};
    return (wharf_event){
        .id = wharf_received(event->id),
        .source = wharf_received(event->source),
        .type = wharf_received(event->type),
        .subject = wharf_received_if_any(event->subject),
        .time = wharf_received_if_any(event->time),
        .datacontenttype = wharf_received_if_any(event->datacontenttype),
        .dataschema = wharf_received_if_any(event->dataschema),
        /* Both are a pointer and a length, twice. */
        .extensions = (const void *)event->extensions.ptr,
        .extensions_len = event->extensions.len,
        .data = event->data.is_some ? wharf_received(data) : (wharf_bytes){NULL, 0},
    };
}

/* A text that the caller frees. */
static inline contract_string_t wharf_sent(wharf_bytes text)
{
    contract_string_t copy;
    text = wharf_sound(text);
    contract_string_dup_n(&copy, text.ptr == NULL ? "" : text.ptr, text.len);
    return copy;
}

/* Whether the outcome is a success; if not, `failure` says why. */
static inline bool wharf_sent_outcome(wharf_outcome outcome, wharf_plugin_types_failure_t *failure)
{
    switch (outcome.end) {
    case WHARF_END_OK:
        return true;
    case WHARF_END_REJECT:
        failure->tag = WHARF_PLUGIN_TYPES_FAILURE_REJECT;
        failure->val.reject = wharf_sent(outcome.reason);
        return false;
    case WHARF_END_DROP:
        outcome = wharf_retry("only a transform can drop an event");
        break;
    case WHARF_END_RETRY:
        break;
    }
    failure->tag = WHARF_PLUGIN_TYPES_FAILURE_RETRY;
    failure->val.retry.after_ms.is_some = outcome.after_ms >= 0;
    failure->val.retry.after_ms.val = outcome.after_ms >= 0 ? (uint64_t)outcome.after_ms : 0;
    failure->val.retry.reason = wharf_sent(outcome.reason);
    return false;
}

#ifndef WHARF_PURE
static inline wharf_delivery wharf_received_delivery(const wharf_plugin_types_delivery_t *delivery)
{
    return (wharf_delivery){
        wharf_received(delivery->id), wharf_received(delivery->rule), delivery->attempt, delivery->max_attempts,
        delivery->deadline_ms,
    };
}
#endif

#endif
