/* A host in memory, so that a handler's test is a plain program: link src/test_host.c, src/outcome.c, src/json.c and src/swap.c
 * with the handler, by any C compiler, and run it. The pkg-config file wharf-test has them.
 *
 * As with the real host, what an attempt published and stored is kept only if it ended with wharf_ok().
 */
#ifndef WHARF_TEST_H
#define WHARF_TEST_H

#include "wharf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An empty host: no values, no configuration, nothing published. Each test begins with it. */
void wharf_test_begin(void);
/* Sets a key of the plugin's configuration. */
void wharf_test_config(const char *key, const char *value);
/* Keeps a secret, which the plugin may hold. */
void wharf_test_secret(const char *name, const char *value);
/* Lets publishing events of this type, or the bucket or the secret of this name, be denied. */
void wharf_test_deny(const char *type_or_bucket);
/* Sets the time of day; it stands still. */
void wharf_test_now(uint64_t seconds);
/* Stores a value; NULL is the plugin's own bucket. */
void wharf_test_set(const char *bucket, const char *key, const char *value);
/* What is stored; none if there is nothing. */
wharf_bytes wharf_test_get(const char *bucket, const char *key);

/* An event with this type and payload. */
wharf_event wharf_test_event(const char *type, const char *data);
/* Runs one attempt. A panic is a retry with its words. */
wharf_outcome wharf_test_run(wharf_handler *handler, wharf_event event);
/* Runs an attempt that is not the first. */
wharf_outcome wharf_test_run_again(wharf_handler *handler, wharf_event event, uint32_t attempt);
/* Runs one call with so many events; what it did is kept if all of them ended well. */
wharf_outcome wharf_test_run_batch(wharf_batch_handler *handler, const wharf_event *events, size_t len, wharf_outcome *outcomes);

/* What was published, first to last; an event beyond is all none. */
wharf_draft wharf_test_published(size_t n);
/* Whether a line of the log contains these words. */
bool wharf_test_logged(const char *words);

#ifdef __cplusplus
}
#endif
#endif
