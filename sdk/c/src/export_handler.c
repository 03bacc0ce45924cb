/* The export of a component that handles events. It is compiled with `-I contract/handler`. */
#include "received.h"

bool exports_wharf_plugin_handler_handle(exports_wharf_plugin_handler_event_t *event,
                                         exports_wharf_plugin_handler_delivery_t *delivery,
                                         exports_wharf_plugin_handler_failure_t *failure)
{
    wharf_event received = wharf_received_event(event);
    wharf_delivery why = wharf_received_delivery(delivery);
    bool ok = wharf_sent_outcome(wharf_exported_handler(&received, &why), failure);
    exports_wharf_plugin_handler_event_free(event);
    exports_wharf_plugin_handler_delivery_free(delivery);
    wharf_end_of_attempt();
    return ok;
}
