/* {{name}} makes a report each time that it is due, and numbers them. */
#include <wharf.h>

WHARF_NEEDS("{\"publish\":[\"report.made\"],\"kv\":[\"default\"]}")

typedef struct {
    int64_t number;
    wharf_bytes title;
} report_made;

static const wharf_field report_fields[] = {
    WHARF_FIELD(report_made, number, WHARF_INTEGER),
    WHARF_FIELD(report_made, title, WHARF_TEXT),
};

wharf_outcome report(const wharf_event *event, const wharf_delivery *delivery)
{
    uint64_t number;
    size_t day = 0;
    (void)delivery;
    WHARF_TRY(wharf_kv_increment(NULL, wharf_text("reports"), 1, &number));
    while (day < event->time.len && event->time.ptr[day] != 'T')
        day++;
    report_made made = {
        .number = (int64_t)number,
        .title = wharf_format("Report %llu of %.*s", (unsigned long long)number, (int)day, (const char *)event->time.ptr),
    };
    wharf_draft draft = {.type = wharf_text("report.made"), .data = WHARF_ENCODE(report_fields, &made)};
    WHARF_TRY(wharf_publish(&draft, NULL));
    return wharf_ok();
}

WHARF_HANDLER(report)
