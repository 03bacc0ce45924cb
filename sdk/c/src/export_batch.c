/* The export of a component that handles batches. It is compiled with `-I contract/batch`. */
#include "received.h"

#include <stdlib.h>

bool exports_wharf_plugin_batch_handler_handle_batch(
    exports_wharf_plugin_batch_handler_list_item_t *batch,
    exports_wharf_plugin_batch_handler_list_result_void_failure_t *ret,
    exports_wharf_plugin_batch_handler_failure_t *failure)
{
    size_t len = batch->len;
    wharf_item *items = wharf_alloc((len + 1) * sizeof *items);
    wharf_outcome *outcomes = wharf_alloc((len + 1) * sizeof *outcomes);
    for (size_t n = 0; n < len; n++) {
        items[n].event = wharf_received_event(&batch->ptr[n].event);
        items[n].delivery = wharf_received_delivery(&batch->ptr[n].delivery);
        outcomes[n] = wharf_ok();
    }
    bool ok = wharf_sent_outcome(wharf_exported_batch_handler(items, len, outcomes), failure);
    if (ok) {
        /* The caller frees it. */
        ret->ptr = calloc(len + 1, sizeof *ret->ptr);
        ret->len = len;
        if (ret->ptr == NULL)
            wharf_panic("no memory for %zu outcomes", len);
        for (size_t n = 0; n < len; n++)
            ret->ptr[n].is_err = !wharf_sent_outcome(outcomes[n], &ret->ptr[n].val.err);
    }
    exports_wharf_plugin_batch_handler_list_item_free(batch);
    wharf_end_of_attempt();
    return ok;
}
