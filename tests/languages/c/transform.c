/* The probe's transform in C; what it does is in ../README.md. */
#include <wharf.h>

static wharf_outcome bend(wharf_event *event)
{
    wharf_bytes how = wharf_extension(event, "bend");
    if (wharf_equal(how, wharf_text("change"))) {
        wharf_attribute *extensions = wharf_alloc((event->extensions_len + 1) * sizeof *extensions);
        for (size_t n = 0; n < event->extensions_len; n++)
            extensions[n] = event->extensions[n];
        extensions[event->extensions_len++] = (wharf_attribute){wharf_text("mark"), wharf_text("yes")};
        event->extensions = extensions;
        event->subject = wharf_text("bent");
        event->datacontenttype = wharf_text("text/plain");
        event->data = wharf_format("%.*s bent", WHARF_S(event->data));
    }
    if (wharf_equal(how, wharf_text("drop")))
        return wharf_drop();
    if (wharf_equal(how, wharf_text("retry")))
        return wharf_retry("bent as asked");
    if (wharf_equal(how, wharf_text("reject")))
        return wharf_reject("bent as asked");
    if (wharf_equal(how, wharf_text("uncaught")))
        wharf_panic("uncaught as asked");
    return wharf_ok();
}

WHARF_TRANSFORM(bend)
