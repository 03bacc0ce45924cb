/* Compare-and-swap, of a read and a write: the host holds the attempt to what it read when it commits. */
#include "inside.h"

wharf_status wharf_kv_compare_and_swap(const char *bucket, wharf_bytes key, wharf_bytes expected, wharf_bytes value,
                                       bool *swapped)
{
    wharf_bytes found;
    wharf_status status = wharf_kv_get(bucket, key, &found);
    *swapped = false;
    if (status != WHARF_DONE || !wharf_equal(found, expected))
        return status;
    status = wharf_kv_set(bucket, key, value);
    *swapped = status == WHARF_DONE;
    return status;
}
