/* Write event handlers for Wharf in C.
 *
 *     static wharf_outcome charge(const wharf_event *event, const wharf_delivery *delivery) { ... }
 *     WHARF_HANDLER(charge)
 *
 * What a handler publishes and stores becomes durable in one commit with the settlement of its event when it returns
 * wharf_ok(), and none of it does when it returns anything else, aborts or takes too long.
 *
 * All that these functions hand out is good until the end of the attempt and is freed then. Nothing here has a failure by
 * lack of memory: an attempt that gets none ends, and is tried again.
 */
#ifndef WHARF_H
#define WHARF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Bytes and texts ---- */

/* Bytes, or a text in UTF-8; not ended by a zero. `ptr` is NULL where there is none at all. */
typedef struct {
    const char *ptr;
    size_t len;
} wharf_bytes;

/* The text of a C string; NULL gives none. */
wharf_bytes wharf_text(const char *text);
/* A text that is written as printf writes it. */
wharf_bytes wharf_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether both are the same bytes. None equals none only. */
bool wharf_equal(wharf_bytes one, wharf_bytes other);
/* For the format "%.*s". */
#define WHARF_S(bytes) (int)(bytes).len, (bytes).ptr ? (bytes).ptr : ""
/* Memory until the end of the attempt. */
void *wharf_alloc(size_t size);

/* ---- Events ---- */

typedef struct {
    wharf_bytes name;
    wharf_bytes value;
} wharf_attribute;

/* An event, as CloudEvents 1.0 defines it. What is absent is none. */
typedef struct {
    wharf_bytes id;
    wharf_bytes source;
    wharf_bytes type;
    wharf_bytes subject;
    wharf_bytes time;
    wharf_bytes datacontenttype;
    wharf_bytes dataschema;
    const wharf_attribute *extensions;
    size_t extensions_len;
    wharf_bytes data;
} wharf_event;

/* The value of an extension attribute; none if there is no such. */
wharf_bytes wharf_extension(const wharf_event *event, const char *name);

/* Why and how an event reached this handler. */
typedef struct {
    wharf_bytes id;        /* the same for every attempt: an idempotency key for effects outside the host */
    wharf_bytes rule;      /* the rule that matched */
    uint32_t attempt;      /* 1 is the first */
    uint32_t max_attempts; /* how many the retry policy allows */
    uint32_t deadline_ms;  /* how long this attempt may take, from its start */
} wharf_delivery;

/* ---- How an attempt ends ---- */

typedef enum { WHARF_END_OK, WHARF_END_DROP, WHARF_END_RETRY, WHARF_END_REJECT } wharf_end;

typedef struct {
    wharf_end end;
    int64_t after_ms; /* of a retry: wait at least so long; -1 leaves it to the retry policy */
    wharf_bytes reason;
} wharf_outcome;

/* The event is handled. */
wharf_outcome wharf_ok(void);
/* Try this event again, when the retry policy says. */
wharf_outcome wharf_retry(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Try this event again, but not before so many milliseconds have passed. */
wharf_outcome wharf_retry_after(uint64_t ms, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* This event can never succeed here: it goes to the dead-letter queue now. */
wharf_outcome wharf_reject(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Of a transform: the event goes no further. */
wharf_outcome wharf_drop(void);

/* Returns from the handler with what a call gave, unless that is wharf_ok(). */
#define WHARF_CHECK(call)                                \
    do {                                                 \
        wharf_outcome wharf_checked = (call);            \
        if (wharf_checked.end != WHARF_END_OK)           \
            return wharf_checked;                        \
    } while (0)

/* Ends the attempt here, with these words in its log: it is tried again. So do abort() and assert(). */
_Noreturn void wharf_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- JSON ---- */

typedef enum {
    WHARF_INTEGER, /* int64_t */
    WHARF_NUMBER,  /* double */
    WHARF_BOOLEAN, /* bool */
    WHARF_TEXT,    /* wharf_bytes, without the escapes of JSON */
    WHARF_JSON     /* wharf_bytes, the value as it stands in the text */
} wharf_kind;

/* One member of an object, and where it goes in a struct. */
typedef struct {
    const char *name;
    wharf_kind kind;
    size_t offset;
    bool optional;
} wharf_field;

/* A member that has to be there, and one that may be null or absent: then a text is none, and a number what it was before. */
#define WHARF_FIELD(type, member, kind) {#member, kind, offsetof(type, member), false}
#define WHARF_OPTIONAL(type, member, kind) {#member, kind, offsetof(type, member), true}

/* Reads an object into a struct. What does not fit is a rejection that names the place, since no retry can mend it. */
wharf_outcome wharf_decode_fields(wharf_bytes json, const wharf_field *fields, size_t count, void *into);
/* Reads one value. */
wharf_outcome wharf_decode_value(wharf_bytes json, wharf_kind kind, void *into);
/* Writes a struct as an object. A text that is none is written as null. */
wharf_bytes wharf_encode_fields(const wharf_field *fields, size_t count, const void *from);
/* A text as JSON writes it, with quotes. */
wharf_bytes wharf_quoted(wharf_bytes text);

#define WHARF_COUNT(fields) (sizeof(fields) / sizeof *(fields))
#define WHARF_DECODE(json, fields, into) wharf_decode_fields(json, fields, WHARF_COUNT(fields), into)
#define WHARF_ENCODE(fields, from) wharf_encode_fields(fields, WHARF_COUNT(fields), from)

/* ---- What reaches the host ---- */

typedef enum {
    WHARF_DONE,      /* it is done */
    WHARF_DENIED,    /* not granted to this plugin */
    WHARF_INVALID,   /* a draft that breaks a rule of CloudEvents */
    WHARF_NO_BUCKET, /* there is no bucket of that name */
    WHARF_REFUSED    /* anything else; wharf_error() says what */
} wharf_status;

/* What went wrong last, in words. */
const char *wharf_error(void);

/* Returns a retry from the handler, with the host's words, unless a call was done. */
#define WHARF_TRY(call)                                  \
    do {                                                 \
        if ((call) != WHARF_DONE)                        \
            return wharf_retry("%s", wharf_error());     \
    } while (0)

/* An event to be published on the bus of the handled event. Only `type` has to be there. */
typedef struct {
    wharf_bytes type;
    wharf_bytes source;          /* none: plugin/<name> */
    wharf_bytes subject;
    wharf_bytes datacontenttype; /* none, with data: application/json */
    const wharf_attribute *extensions;
    size_t extensions_len;
    wharf_bytes data;
} wharf_draft;

/* Adds an event to the attempt's effects. `id`, unless it is NULL, gets the id that the event will have. */
wharf_status wharf_publish(const wharf_draft *draft, wharf_bytes *id);

/* Key-value buckets by name; NULL is the plugin's own. */
wharf_status wharf_kv_get(const char *bucket, wharf_bytes key, wharf_bytes *value); /* none if there is no such key */
wharf_status wharf_kv_set(const char *bucket, wharf_bytes key, wharf_bytes value);
wharf_status wharf_kv_delete(const char *bucket, wharf_bytes key);
wharf_status wharf_kv_exists(const char *bucket, wharf_bytes key, bool *exists);
/* All keys that begin with `prefix`, in order. */
wharf_status wharf_kv_list(const char *bucket, wharf_bytes prefix, wharf_bytes **keys, size_t *len);
/* Adds to the integer under `key` when the attempt commits. Such attempts never conflict, since none learns the sum. */
wharf_status wharf_kv_add(const char *bucket, wharf_bytes key, int64_t delta);
/* Adds to the integer under `key` and gives the sum. */
wharf_status wharf_kv_increment(const char *bucket, wharf_bytes key, uint64_t delta, uint64_t *sum);
/* Stores `value` if what is there equals `expected`; none expects that there is nothing. The host holds the attempt to that. */
wharf_status wharf_kv_compare_and_swap(const char *bucket, wharf_bytes key, wharf_bytes expected, wharf_bytes value,
                                       bool *swapped);

/* The value of one key of the plugin's `config` table; none if there is no such. */
wharf_bytes wharf_config(const char *key);

/* The value of a secret of the tenant, for handlers and batch handlers; it needs a grant of its own (`hold`). Where a service takes a key in a field of a
 * request, a grant of `secrets` has the host put it there, and the plugin never has it. */
wharf_status wharf_secret(const char *name, wharf_bytes *value);

typedef enum {
    WHARF_LOG_TRACE,
    WHARF_LOG_DEBUG,
    WHARF_LOG_INFO,
    WHARF_LOG_WARN,
    WHARF_LOG_ERROR,
    WHARF_LOG_CRITICAL
} wharf_level;

/* Writes one line to the plugin's log. */
void wharf_log(wharf_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The time of day in seconds since 1970; `nanoseconds`, unless it is NULL, gets the rest. */
uint64_t wharf_now(uint32_t *nanoseconds);
/* Random bytes that are fit for cryptography. */
void wharf_random(void *into, size_t len);

/* ---- Answering requests ---- */

/* A request that came whole. */
typedef struct {
    wharf_bytes method; /* in capital letters */
    wharf_bytes target; /* what is asked for, as it was sent: the path with the query */
    const wharf_attribute *fields; /* their names are in small letters */
    size_t fields_len;
    wharf_bytes body;
} wharf_request;

/* An answer that leaves whole. */
typedef struct {
    uint16_t status;
    wharf_bytes content_type; /* none: it says none */
    wharf_bytes body;
} wharf_response;

/* Whether a request is one of this method for this path, whatever its query. */
bool wharf_asks(const wharf_request *request, const char *method, const char *path);
/* The value of a request's field; none if there is no such. */
wharf_bytes wharf_request_field(const wharf_request *request, const char *name);
/* An answer of plain text, which is written as printf writes it. */
wharf_response wharf_answer_text(uint16_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An answer of JSON. */
wharf_response wharf_answer_json(uint16_t status, wharf_bytes json);

/* ---- What a component is ---- */

typedef wharf_outcome wharf_handler(const wharf_event *event, const wharf_delivery *delivery);

/* A message of the queue that the plugin consumes. */
typedef struct {
    wharf_event event;
    wharf_delivery delivery;
} wharf_item;

/* Handles many events of a queue in one call. `outcomes` has one for each, wharf_ok() to begin with. */
typedef wharf_outcome wharf_batch_handler(const wharf_item *items, size_t len, wharf_outcome *outcomes);

/* Changes an event on its way to a target, or drops it. It is pure: nothing that reaches the host can be linked to it. */
typedef wharf_outcome wharf_transform(wharf_event *event);

/* Answers a request. Nothing is published and no key is kept: that is for handlers here. */
typedef wharf_response wharf_answer(const wharf_request *request);

/* Makes a function what the component exports. Link the source of that kind: export_handler.c and so on. */
#define WHARF_HANDLER(function)                                                                    \
    wharf_outcome wharf_exported_handler(const wharf_event *event, const wharf_delivery *delivery) \
    {                                                                                              \
        return function(event, delivery);                                                          \
    }
#define WHARF_BATCH_HANDLER(function)                                                                           \
    wharf_outcome wharf_exported_batch_handler(const wharf_item *items, size_t len, wharf_outcome *outcomes)    \
    {                                                                                                           \
        return function(items, len, outcomes);                                                                  \
    }
#define WHARF_TRANSFORM(function)                                 \
    wharf_outcome wharf_exported_transform(wharf_event *event)    \
    {                                                             \
        return function(event);                                   \
    }

#define WHARF_ANSWER(function)                                           \
    wharf_response wharf_exported_answer(const wharf_request *request)   \
    {                                                                    \
        return function(request);                                        \
    }

wharf_handler wharf_exported_handler;
wharf_batch_handler wharf_exported_batch_handler;
wharf_transform wharf_exported_transform;
wharf_answer wharf_exported_answer;

/* What a component says of itself travels in it as custom sections: JSON that is written as a C string.
 *
 *     WHARF_NEEDS("{\"publish\":[\"order.*\"],\"kv\":[\"orders\"]}")      what whoever grants it is told; also `hold`
 *     WHARF_DECLARE("{\"on\":[\"order.created\"]}")                       which events it is for; also `order_by` and `retry`,
 *                                                                     as in the target of a rule
 */
#ifdef __wasm__
#define WHARF_QUOTED_AGAIN(text) #text
#define WHARF_SECTION(name, json) \
    __asm__(".section \".custom_section." name "\",\"\",@\n.ascii " WHARF_QUOTED_AGAIN(json) "\n.text\n");
#else
#define WHARF_SECTION(name, json) _Static_assert(sizeof(json) > 2, "JSON");
#endif
#define WHARF_NEEDS(json) WHARF_SECTION("wharf:needs", json)
#define WHARF_DECLARE(json) WHARF_SECTION("wharf:handler", json)

#ifdef __cplusplus
}
#endif
#endif
